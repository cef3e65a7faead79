"""The one training loop, for a pack of P members (P = 1 is a plain run)."""

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from ratescape.compute.memory import keep_freed_memory
from ratescape.compute.precision import arithmetic, mixed_precision
from ratescape.data.batches import Images, stream
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE, PosteriorSample
from ratescape.model.packs import Parameters, stack
from ratescape.model.recomputing import recomputing
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.policy import BetaPolicy, weighted
from ratescape.training.compiling import PassChoice
from ratescape.training.context import Inspection, TrainingContext
from ratescape.training.optimiser import clipped, member_norms
from ratescape.training.schedule import learning_rate, total_steps
from ratescape.training.state import Trained, TrainingState

PLAIN = TrainingContext()
"""No checkpoint, no listener, not compiled."""


def train(
    spec: TrainingSpec,
    model: HVAE | Conditioned,
    images: Images,
    policy: BetaPolicy,
    members: int,
    seed: int,
    *,
    initial: Parameters | None = None,
    context: TrainingContext = PLAIN,
) -> Trained:
    """Train ``members`` copies of ``model``, each under its own betas, on the same batches and noise.

    Per image the loss is distortion + sum_l beta_l R_l (Eq. 8), averaged over a batch. A member whose loss or
    gradient is not finite skips the step; ``spec.max_skipped_steps`` such steps in a row freeze it for good. The result
    is a function of the arguments alone, ``context`` aside: every random number depends on the seed and the step, so a
    training resumed from its checkpoint ends as one that was never interrupted.

    Args:
        spec: the recipe.
        model: structure and initial weights; given the betas of each image if it is conditioned. On the device of the
            images and in the precision of the spec; it is not changed.
        images: the training images.
        policy: chooses the betas of each step.
        members: P.
        seed: of the order of images and the noise of latents.
        initial: weights ``[P, ...]`` to start from, taken over; default: those of ``model`` for every member.
        context: how the training is carried out: checkpoint, listener, compilation, inspection.

    Raises:
        CheckpointError: the checkpoint is damaged or belongs to another training.
        RecordError: the checkpoint cannot be written.
        KeyboardInterrupt: ``context.stop`` says that the training shall break off.

    Example::

        betas = torch.tensor([[1.0, 1.0], [0.1, 10.0]])  # of two models, top layer first
        trained = train(TrainingSpec(epochs=20), model, images, FixedBetas(betas, annealing=500), members=2, seed=0)
        model.load_state_dict(member(trained.parameters, 1))
    """
    if images.device.type == "cpu":
        keep_freed_memory()
    state = TrainingState(spec, model, images, policy, initial or stack([model] * members))
    if context.saving is not None and context.saving.path.exists():
        state.restore(context.saving)
    with arithmetic(spec.precision, images.device):
        _take_steps(state, model, images, seed, context)
    return state.result()


def _take_steps(
    state: TrainingState, model: HVAE | Conditioned, images: Images, seed: int, context: TrainingContext
) -> None:
    """Take every step that is left; ends early where all members have diverged, or an inspection is not passed."""
    spec, policy, saving = state.spec, state.policy, context.saving
    steps = total_steps(spec, len(images))
    trained = list(state.trained.values())
    choice = PassChoice(context.compiled, steps - state.step, images.device)
    generator, on_cpu = torch.Generator(images.device), images.device.type == "cpu"
    started, saved = time.monotonic() - state.seconds, time.monotonic()

    for indices in _batches(images, spec.batch, seed, range(state.step, steps), state.per_epoch):
        if state.between_epochs and state.all_frozen():
            break
        batch = images.take(indices)  # [B, C, H, W]
        noise = model.noise(len(batch), generator.manual_seed(stream(seed, "noise", state.step)))
        betas = policy.draw(state.step, len(batch))

        with mixed_precision(spec.precision, images.device), recomputing(context.checkpointing):
            result = choice.before_step()(model, state.parameters, PosteriorSample(noise), batch, betas.conditions)
        rates, distortion = result.rates.detach(), result.distortion.detach()  # [P, B, L], [P, B]
        loss = result.distortion + weighted(result.rates, betas.betas)  # [P, B]
        losses = (loss if betas.weights is None else loss * betas.weights).mean(1)  # [P]
        gradient = state.optimiser.row(torch.autograd.grad(losses.sum(), trained))  # [P, N]

        gradient_norms = member_norms(gradient)  # [P]
        accepted = state.accept(losses.detach(), gradient_norms)  # [P]
        if spec.clip is not None:
            gradient = clipped(gradient, gradient_norms, spec.clip)
        lr = learning_rate(spec, state.step, steps)
        # Reading the flags would make an accelerator wait at every step; a CPU has nothing to wait for.
        update_mask = None if on_cpu and bool(accepted.all()) else accepted
        state.optimiser.step(gradient, lr, update_mask)
        policy.observe(betas, rates, distortion)

        state.epochs.add(rates, distortion, losses.detach(), accepted)
        state.step += 1
        state.average()
        state.seconds = time.monotonic() - started
        if state.between_epochs:
            state.close_epoch(betas.betas, lr)
        _report(context, state, steps)
        rejected = _rejected(context.inspection, state)
        if saving is not None and (rejected or state.step == steps or time.monotonic() - saved >= saving.seconds):
            state.save(saving)
            saved = time.monotonic()
        if rejected:
            break
        _break_off(context, state)


def _batches(images: Images, size: int, seed: int, steps: range, per_epoch: int) -> Iterator[Tensor]:
    """Indices ``[B]`` of the images of each step, on their device; B = ``size`` but for the last of an epoch."""
    order = torch.empty(0)
    for step in steps:
        epoch, position = divmod(step, per_epoch)
        if position == 0 or step == steps.start:
            order = images.order(seed, epoch)
        yield order[position * size : (position + 1) * size]


def _report(context: TrainingContext, state: TrainingState, steps: int) -> None:
    """Tell of the step that is over, and of the epoch if it was its last, whose weights are then shown."""
    if context.listener is not None:
        context.listener.step(state.step, steps)
        if state.between_epochs:
            context.listener.epoch(state.epochs.records(-1))
    if context.watch is not None and state.between_epochs:
        context.watch(state.step // state.per_epoch, state.weights())


def _break_off(context: TrainingContext, state: TrainingState) -> None:
    """Break off after this step if that is asked for, with a checkpoint."""
    if context.stop is None or not context.stop():
        return
    if context.saving is not None:
        state.save(context.saving)
    raise KeyboardInterrupt("the training was asked to break off")


def _rejected(inspection: Inspection | None, state: TrainingState) -> bool:
    """Whether the weights are looked at after this step, and do not pass."""
    if inspection is None or state.step != inspection.step or state.all_frozen():
        return False
    return not inspection.passes(state.result().parameters)
