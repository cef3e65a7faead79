"""The one training loop, for a pack of P members (P = 1 is a plain run)."""

import time
from collections.abc import Callable

import torch

from ratescape.compute.memory import keep_freed_memory
from ratescape.compute.precision import arithmetic, passes
from ratescape.data.batches import Images, stream
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE, Pass, PosteriorSample
from ratescape.model.packs import Parameters, pack_pass, stack
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.policy import BetaPolicy, weighted
from ratescape.training.optimiser import clipped, norms
from ratescape.training.schedule import learning_rate, steps_per_epoch, total_steps
from ratescape.training.state import Saving, Trained, TrainingContext, TrainingState


def train(
    spec: TrainingSpec,
    model: HVAE | Conditioned,
    images: Images,
    policy: BetaPolicy,
    members: int,
    seed: int,
    *,
    initial: Parameters | None = None,
    context: TrainingContext = TrainingContext(),
) -> Trained:
    """Train ``members`` copies of ``model``, each under its own betas, on the same batches and noise.

    Per image the loss is distortion + sum_l beta_l R_l (Eq. 8), averaged over a batch. A member whose loss or
    gradient is not finite skips the step; ``spec.max_skipped_steps`` such steps in a row freeze it for good. The result
    is a function of the arguments alone: every random number depends on the seed and the step, so a training resumed
    from its checkpoint ends as one never interrupted.

    Args:
        model: structure and initial weights; told the betas of each image if it is conditioned. On the device of the
            images and in the precision of the spec; it is not changed.
        images: the training images.
        initial: weights ``[P, ...]`` to start from, taken over; default: those of ``model`` for every member.
        saving: keeps a checkpoint, and takes up the one that is there; None for neither.
        progress: called after every step with (steps done, steps in all).
        compiled: have the pass compiled by ``torch.compile``: once for full batches, once for the last, smaller one.

    Raises:
        CheckpointError: the checkpoint is damaged or belongs to another training.
        RecordError: the checkpoint cannot be written.
    """
    saving, compiled = context.saving, context.compiled
    state = _begun(TrainingState(spec, model, images, policy, initial or stack([model] * members)), images, saving)
    per_epoch = steps_per_epoch(len(images), spec.batch)
    steps = total_steps(spec, len(images))
    generator, passed = torch.Generator(images.device), _compiled_pass() if compiled else pack_pass
    names, parameters = list(state.parameters), list(state.parameters.values())
    order = images.order(seed, state.step // per_epoch)
    begun, saved = time.monotonic() - state.seconds, time.monotonic()

    with arithmetic(spec.precision, images.device):
        while state.step < steps and not (state.step % per_epoch == 0 and state.all_frozen()):
            epoch, position = divmod(state.step, per_epoch)
            if position == 0:
                order = images.order(seed, epoch)
            batch = images.take(order[position * spec.batch : (position + 1) * spec.batch])  # [B, C, H, W]
            noise = model.noise(len(batch), generator.manual_seed(stream(seed, "noise", state.step)))
            drawn = policy.draw(state.step, len(batch))

            with passes(spec.precision, images.device):
                result = passed(model, state.tensors, PosteriorSample(noise), batch, drawn.told)
            each = result.distortion + weighted(result.rates, drawn.betas)  # [P, B]
            losses = (each if drawn.weights is None else each * drawn.weights).mean(1)  # [P]
            gradients = torch.autograd.grad(losses.sum(), parameters)

            lengths = norms(gradients)  # [P]
            moves = state.judge(losses, lengths)
            if spec.clip is not None:
                gradients = clipped(gradients, lengths, spec.clip)
            rate = learning_rate(spec, state.step, steps)
            # Reading the flags would make an accelerator wait at every step; a CPU has nothing to wait for.
            unanimous = images.device.type == "cpu" and bool(moves.all())
            state.optimiser.step(gradients, rate, None if unanimous else moves)
            policy.observe(drawn, result.rates.detach(), result.distortion.detach())

            state.tally(result.rates.detach(), result.distortion.detach(), losses.detach(), moves)
            state.step += 1
            state.average(names)
            state.seconds = time.monotonic() - begun
            if position == per_epoch - 1:
                state.close_epoch(drawn.betas, rate)
            if context.listener is not None:
                context.listener.step(state.step, steps)
                if position == per_epoch - 1:
                    context.listener.epoch([state._record(epoch, row) for row in state.epochs[-1]])
            if saving is not None and (state.step == steps or time.monotonic() - saved >= saving.seconds):
                state.save(saving)
                saved = time.monotonic()
    return state.result()


def _compiled_pass() -> Callable[..., Pass]:
    """:func:`pack_pass`, compiled anew: every training has a network of its own, and PyTorch keeps but a few."""
    torch.compiler.reset()
    return torch.compile(pack_pass, dynamic=False)


def _begun(state: "TrainingState", images: Images, saving: Saving | None) -> "TrainingState":
    """The state to start from: that of the checkpoint, if there is one."""
    if images.device.type == "cpu":
        keep_freed_memory()
    if saving is not None and saving.path.exists():
        state.restore(saving)
    return state
