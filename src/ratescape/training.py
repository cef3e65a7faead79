"""The one training loop, for a pack of P members (P = 1 is a plain run)."""

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ratescape import checkpoint
from ratescape.allocator import keep_freed_memory
from ratescape.data.batches import Images, stream
from ratescape.errors import CheckpointError
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE, Pass, PosteriorSample
from ratescape.model.packs import Parameters, pack_pass, stack
from ratescape.multipliers import Multipliers, weighted
from ratescape.optimiser import PackAdam, clipped, norms
from ratescape.precision import arithmetic, passes
from ratescape.specs import TrainingSpec

EPOCHS, FEWEST_STEPS = 20, 1000
"""Epochs unless the spec says otherwise, and the steps that they make at least."""

WARMUP_SHARE = 0.3
"""Share of training that is beta warm-up unless the spec says otherwise."""


@dataclasses.dataclass(frozen=True)
class Saving:
    """Where a training keeps its checkpoint, how often, and whose it is."""

    path: Path
    seconds: float
    identity: str
    """A checkpoint of another identity is refused."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """What came out of training P members."""

    parameters: Parameters
    """Weights ``[P, ...]`` by name; the moving average where one was asked for."""
    diverged: list[bool]
    """Members that skipped too many steps in a row and were frozen."""
    history: list[list[dict[str, Any]]]
    """For each member one record an epoch: effective betas, mean rates, distortion and loss (nats per image)."""
    seconds: float
    """Time spent in the loop, over all its resumptions."""


def steps_per_epoch(count: int, batch: int) -> int:
    """Batches in an epoch over ``count`` images; the last, partial one is kept."""
    return math.ceil(count / batch)


def completed(spec: TrainingSpec, count: int) -> TrainingSpec:
    """The spec with the fields that were left open filled in for ``count`` training images.

    Raises:
        SpecError: the warm-up would outlast training.
    """
    epochs = spec.epochs or max(EPOCHS, math.ceil(FEWEST_STEPS / steps_per_epoch(count, spec.batch)))
    warmup = WARMUP_SHARE * epochs if spec.warmup is None else spec.warmup
    return dataclasses.replace(spec, epochs=epochs, warmup=warmup)


def total_steps(spec: TrainingSpec, count: int) -> int:
    """Steps of a training on ``count`` images."""
    return (completed(spec, count).epochs or 0) * steps_per_epoch(count, spec.batch)


def warmup_steps(spec: TrainingSpec, count: int) -> int:
    """Steps of the beta warm-up."""
    return round((completed(spec, count).warmup or 0) * steps_per_epoch(count, spec.batch))


def learning_rate(spec: TrainingSpec, step: int, steps: int) -> float:
    """Learning rate of a step (counted from 0) out of ``steps``."""
    rising = min(1.0, (step + 1) / (spec.ramp * steps)) if spec.ramp else 1.0
    if spec.schedule == "constant":
        return spec.learning_rate * rising
    return spec.learning_rate * rising * 0.5 * (1 + math.cos(math.pi * step / steps))


def train(
    spec: TrainingSpec,
    model: HVAE | Conditioned,
    images: Images,
    multipliers: Multipliers,
    members: int,
    seed: int,
    *,
    initial: Parameters | None = None,
    saving: Saving | None = None,
    progress: Callable[[int, int], None] | None = None,
    fused: bool = False,
) -> Trained:
    """Train ``members`` copies of ``model``, each under its own betas, on the same batches and noise.

    Per image the loss is distortion + sum_l beta_l R_l (Eq. 8), averaged over a batch. A member whose loss or
    gradient is not finite skips the step; ``spec.patience`` such steps in a row freeze it for good. The result is a
    function of the arguments alone: every random number depends on the seed and the step, so a training resumed
    from its checkpoint ends as one never interrupted.

    Args:
        model: structure and initial weights; told the betas of each image if it is conditioned. On the device of the
            images and in the precision of the spec; it is not changed.
        images: the training images.
        initial: weights ``[P, ...]`` to start from, taken over; default: those of ``model`` for every member.
        saving: keeps a checkpoint, and takes up the one that is there; None for neither.
        progress: called after every step with (steps done, steps in all).
        fused: have the pass compiled by ``torch.compile``: once for full batches, once for the last, smaller one.

    Raises:
        CheckpointError: the checkpoint is damaged or belongs to another training.
        RecordError: the checkpoint cannot be written.
    """
    state = _begun(_State(spec, model, images, multipliers, initial or stack([model] * members)), images, saving)
    per_epoch = steps_per_epoch(len(images), spec.batch)
    steps = total_steps(spec, len(images))
    generator, passed = torch.Generator(images.device), _compiled_pass() if fused else pack_pass
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
            drawn = multipliers.draw(state.step, len(batch))

            with passes(spec.precision, images.device):
                result = passed(model, state.parameters, PosteriorSample(noise), batch, drawn.told)
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
            multipliers.observe(drawn, result.rates.detach(), result.distortion.detach())

            state.tally(result.rates.detach(), result.distortion.detach(), losses.detach(), moves)
            state.step += 1
            state.average(names)
            state.seconds = time.monotonic() - begun
            if position == per_epoch - 1:
                state.close_epoch(drawn.betas, rate)
            if progress is not None:
                progress(state.step, steps)
            if saving is not None and (state.step == steps or time.monotonic() - saved >= saving.seconds):
                state.save(saving)
                saved = time.monotonic()
    return state.result()


def _compiled_pass() -> Callable[..., Pass]:
    """:func:`pack_pass`, compiled anew: every training has a network of its own, and PyTorch keeps but a few."""
    torch.compiler.reset()
    return torch.compile(pack_pass, dynamic=False)


def _begun(state: "_State", images: Images, saving: Saving | None) -> "_State":
    """The state to start from: that of the checkpoint, if there is one."""
    if images.device.type == "cpu":
        keep_freed_memory()
    if saving is not None and saving.path.exists():
        state.restore(saving)
    return state


class _State:
    """Everything a training is made of between two steps; saved and restored as a whole."""

    def __init__(
        self,
        spec: TrainingSpec,
        model: HVAE | Conditioned,
        images: Images,
        multipliers: Multipliers,
        parameters: Parameters,
    ) -> None:
        members = len(next(iter(parameters.values())))
        self.spec = spec
        self.multipliers = multipliers
        self.layers = len(model.latent_shapes)
        self.parameters = {n: p.requires_grad_() for n, p in parameters.items()}
        self.averages = {n: p.detach().clone() for n, p in self.parameters.items()} if spec.ema else {}
        self.optimiser = PackAdam(list(self.parameters.values()))
        device = images.device
        self.streak = torch.zeros(members, dtype=torch.int64, device=device)
        self.skipped = torch.zeros(members, dtype=torch.int64, device=device)
        # Sums over the epoch's images: rates, distortion, loss, and the images themselves.
        self.sums = torch.zeros(members, self.layers + 3, dtype=torch.float64, device=device)
        self.epochs: list[Tensor] = []
        self.step = 0
        self.seconds = 0.0

    def judge(self, losses: Tensor, lengths: Tensor) -> Tensor:
        """Which members take this step ``[P]``; counts the steps that the others skip."""
        fine = torch.isfinite(losses.detach()) & torch.isfinite(lengths)
        moves = fine & (self.streak < self.spec.patience)
        self.streak = torch.where(moves, 0, self.streak + 1)
        self.skipped += ~moves
        return moves

    def all_frozen(self) -> bool:
        return bool((self.streak >= self.spec.patience).all())

    def tally(self, rates: Tensor, distortion: Tensor, losses: Tensor, moves: Tensor) -> None:
        """Add a batch to the epoch's sums; skipped steps leave no trace in them."""
        count = distortion.shape[1]
        sums = [rates.sum(1), distortion.sum(1, keepdim=True), losses[:, None] * count]
        row = torch.cat([*sums, torch.full_like(losses[:, None], count)], 1).double()
        self.sums += torch.where(moves[:, None], row, 0.0)

    @torch.no_grad()
    def average(self, names: list[str]) -> None:
        """Move the averaged weights; the decay starts small, so that early weights are forgotten."""
        if not self.averages or self.spec.ema is None:
            return
        decay = min(self.spec.ema, (1 + self.step) / (10 + self.step))
        for name in names:
            self.averages[name].lerp_(self.parameters[name], 1 - decay)

    def close_epoch(self, betas: Tensor, rate: float) -> None:
        """Turn the sums into a record: ``[P, 2 L + 5]``."""
        effective = betas if betas.ndim == 2 else betas.mean(1)
        means = self.sums[:, :-1] / self.sums[:, -1:]
        facts = torch.tensor([rate, self.seconds], dtype=torch.float64, device=means.device).expand(len(means), 2)
        row = torch.cat([effective.double(), means, self.skipped[:, None].double(), facts], 1)
        frozen = (self.streak >= self.spec.patience).double()
        self.epochs.append(torch.cat([row, frozen[:, None]], 1).cpu())
        self.sums.zero_()

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"parameters.{n}": p for n, p in self.parameters.items()}
        tensors |= {f"averages.{n}": p for n, p in self.averages.items()}
        tensors |= {f"optimiser.{n}": t for n, t in self.optimiser.state().items()}
        return tensors | {"streak": self.streak, "skipped": self.skipped, "sums": self.sums}

    def save(self, saving: Saving) -> None:
        """Write the checkpoint."""
        tensors = self._tensors() | {f"multipliers.{n}": t for n, t in self.multipliers.state().items()}
        if self.epochs:
            tensors["epochs"] = torch.stack(self.epochs)
        header = {"identity": saving.identity, "step": self.step, "seconds": self.seconds}
        checkpoint.save(saving.path, tensors, header)

    @torch.no_grad()
    def restore(self, saving: Saving) -> None:
        """Take up the checkpoint."""
        stored, header = checkpoint.load(saving.path)
        if header.get("identity") != saving.identity:
            raise CheckpointError(f"{saving.path} belongs to another training: delete it to start this one")
        try:
            for name, tensor in self._tensors().items():
                tensor.copy_(stored[name])
            multipliers = {n.removeprefix("multipliers."): t for n, t in stored.items() if n.startswith("multipliers.")}
            self.multipliers.restore(multipliers)
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{saving.path} is incomplete ({error}): delete it to start again") from error
        self.epochs = list(stored["epochs"]) if "epochs" in stored else []
        self.step, self.seconds = header["step"], header["seconds"]

    def result(self) -> Trained:
        kept = self.averages or {n: p.detach() for n, p in self.parameters.items()}
        diverged = (self.streak >= self.spec.patience).tolist()
        history = [[self._record(e, row[p]) for e, row in enumerate(self.epochs)] for p in range(len(diverged))]
        return Trained(kept, diverged, history, self.seconds)

    def _record(self, epoch: int, row: Tensor) -> dict[str, Any]:
        """One member's epoch as a JSON-able record."""
        layers, values = self.layers, row.tolist()
        distortion, loss, skipped, rate, seconds, frozen = values[2 * layers :]
        return {
            "epoch": epoch + 1,
            "betas": values[:layers],
            "rates": values[layers : 2 * layers],
            "distortion": distortion,
            "loss": loss,
            "skipped": int(skipped),
            "learning_rate": rate,
            "seconds": seconds,
            "status": "diverged" if frozen else "ok",
        }
