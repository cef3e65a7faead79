"""Everything a training is made of between two steps, saved and restored as a whole."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from ratescape import checkpoint
from ratescape.data.batches import Images
from ratescape.errors import CheckpointError
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.packs import Parameters, split
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.policy import BetaPolicy
from ratescape.training.optimiser import PackAdam


@dataclasses.dataclass(frozen=True)
class Saving:
    """Where a training keeps its checkpoint, how often, and whose it is."""

    path: Path
    seconds: float
    identity: str
    """A checkpoint of another identity is refused."""


class TrainingListener(Protocol):
    """SHIM."""

    def step(self, done: int, total: int) -> None: ...
    def epoch(self, records: Sequence[dict[str, Any]]) -> None: ...


@dataclasses.dataclass(frozen=True)
class TrainingContext:
    """SHIM."""

    saving: Saving | None = None
    listener: TrainingListener | None = None
    compiled: bool = False


@dataclasses.dataclass(frozen=True)
class Trained:
    """What came out of training P members."""

    parameters: Parameters
    """Weights ``[P, ...]`` by name, the moving average where one was asked for; and buffers."""
    diverged: list[bool]
    """Members that skipped too many steps in a row and were frozen."""
    history: list[list[dict[str, Any]]]
    """For each member one record an epoch: effective betas, mean rates, distortion and loss (nats per image)."""
    seconds: float
    """Time spent in the loop, over all its resumptions."""


class TrainingState:
    """Everything a training is made of between two steps; saved and restored as a whole."""

    def __init__(
        self,
        spec: TrainingSpec,
        model: HVAE | Conditioned,
        images: Images,
        policy: BetaPolicy,
        parameters: Parameters,
    ) -> None:
        members = len(next(iter(parameters.values())))
        self.spec = spec
        self.policy = policy
        self.layers = len(model.latent_shapes)
        learnt, self.buffers = split(model, parameters)
        self.parameters = {n: p.requires_grad_() for n, p in learnt.items()}
        self.tensors = self.parameters | self.buffers  # what a pass takes; all are changed in place
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
        moves = fine & (self.streak < self.spec.max_skipped_steps)
        self.streak = torch.where(moves, 0, self.streak + 1)
        self.skipped += ~moves
        return moves

    def all_frozen(self) -> bool:
        return bool((self.streak >= self.spec.max_skipped_steps).all())

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
        frozen = (self.streak >= self.spec.max_skipped_steps).double()
        self.epochs.append(torch.cat([row, frozen[:, None]], 1).cpu())
        self.sums.zero_()

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"parameters.{n}": p for n, p in self.parameters.items()}
        tensors |= {f"buffers.{n}": b for n, b in self.buffers.items()}
        tensors |= {f"averages.{n}": p for n, p in self.averages.items()}
        tensors |= {f"optimiser.{n}": t for n, t in self.optimiser.state().items()}
        return tensors | {"streak": self.streak, "skipped": self.skipped, "sums": self.sums}

    def save(self, saving: Saving) -> None:
        """Write the checkpoint."""
        tensors = self._tensors() | {f"policy.{n}": t for n, t in self.policy.state().items()}
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
            policy = {n.removeprefix("policy."): t for n, t in stored.items() if n.startswith("policy.")}
            self.policy.restore(policy)
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{saving.path} is incomplete ({error}): delete it to start again") from error
        self.epochs = list(stored["epochs"]) if "epochs" in stored else []
        self.step, self.seconds = header["step"], header["seconds"]

    def result(self) -> Trained:
        kept = self.averages or {n: p.detach() for n, p in self.parameters.items()}
        diverged = (self.streak >= self.spec.max_skipped_steps).tolist()
        history = [[self._record(e, row[p]) for e, row in enumerate(self.epochs)] for p in range(len(diverged))]
        return Trained(kept | self.buffers, diverged, history, self.seconds)

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
