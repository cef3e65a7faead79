"""Everything that a training consists of between two steps, saved and restored as a whole."""

import dataclasses
import math

import torch
from torch import Tensor

from ratescape import checkpoint
from ratescape.data.batches import Images
from ratescape.errors import CheckpointError
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.packs import Parameters
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.policy import BetaPolicy
from ratescape.training.context import EpochRecord, Saving
from ratescape.training.epochs import EpochLog
from ratescape.training.limit import GradientLimit
from ratescape.training.optimiser import PackAdam, optimiser_of
from ratescape.training.schedule import steps_per_epoch


@dataclasses.dataclass(frozen=True)
class Trained:
    """What came out of training P members."""

    parameters: Parameters
    """Weights ``[P, ...]`` by name; the moving average where one was asked for."""
    diverged: list[bool]
    """Members that skipped too many steps in a row and were frozen."""
    history: list[list[EpochRecord]]
    """For each member one record an epoch."""
    seconds: float
    """Time spent in the loop, over all its resumptions."""


class TrainingState:
    """Everything that a training of P members consists of between two steps.

    Args:
        spec: how to train.
        model: gives the structure.
        images: the training images.
        policy: chooses the betas; its state is saved and restored with the rest.
        parameters: weights ``[P, ...]`` to start from, taken over; tensors that are no parameters of the model (its
            buffers) are kept as they are.
    """

    parameters: Parameters
    """``[P, ...]`` by name, all that the pass needs; what is trained among them requires gradients."""
    trained: Parameters
    """Those that are trained: the same tensors."""
    averages: Parameters
    """Moving averages of what is trained; empty unless asked for."""
    optimiser: PackAdam
    limit: GradientLimit | None
    """Which gradients are too long for a step; None: none is."""
    skipped_in_a_row: Tensor
    """``[P]`` integers: steps that were not finite since the last that was."""
    skipped: Tensor
    """``[P]`` integers: steps that each member has skipped in all."""
    epochs: EpochLog
    step: int
    """Steps done."""
    seconds: float
    """Time spent in the loop."""

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
        self.per_epoch = steps_per_epoch(len(images), spec.batch)
        self.parameters = parameters
        self.trained = {name: parameters[name].requires_grad_() for name, _ in model.named_parameters()}
        self.averages = {name: p.detach().clone() for name, p in self.trained.items()} if spec.ema else {}
        self.optimiser = optimiser_of(spec.optimiser, self.trained)
        self.limit = GradientLimit(members, spec.skip, images.device) if spec.skip else None
        self.skipped_in_a_row = torch.zeros(members, dtype=torch.int64, device=images.device)
        self.skipped = torch.zeros(members, dtype=torch.int64, device=images.device)
        network = model.model if isinstance(model, Conditioned) else model
        constant = network.likelihood.least(math.prod(network.image_shape))
        self.epochs = EpochLog(members, len(model.latent_shapes), images.device, self.per_epoch, constant)
        self.step = 0
        self.seconds = 0.0

    @property
    def between_epochs(self) -> bool:
        return self.step % self.per_epoch == 0

    def accept(self, losses: Tensor, gradient_norms: Tensor) -> Tensor:
        """Which members take this step, ``[P]`` booleans; counts the steps that the others skip.

        Only steps that are not finite count towards divergence: a limit of gradients rises until one is taken.

        Args:
            losses: ``[P]``.
            gradient_norms: ``[P]``, of each member's whole gradient.
        """
        finite = torch.isfinite(losses) & torch.isfinite(gradient_norms)
        usable = finite & ~self._frozen()
        self.skipped_in_a_row = torch.where(usable, 0, self.skipped_in_a_row + 1)
        accepted = usable
        if self.limit is not None:
            accepted = usable & self.limit.passes(gradient_norms)
            self.limit.observe(torch.where(usable, gradient_norms, torch.nan), accepted)
        self.skipped += ~accepted
        return accepted

    def _frozen(self) -> Tensor:
        """Which members have diverged, and take no further step: ``[P]`` booleans."""
        return self.skipped_in_a_row >= self.spec.max_skipped_steps

    def all_frozen(self) -> bool:
        return bool(self._frozen().all())

    @torch.no_grad()
    def average(self) -> None:
        """Move the averaged weights; the decay starts small, so that early weights are forgotten."""
        if self.spec.ema is None:
            return
        decay = min(self.spec.ema, (1 + self.step) / (10 + self.step))
        for name, averaged in self.averages.items():
            averaged.lerp_(self.trained[name], 1 - decay)

    def close_epoch(self, betas: Tensor, lr: float) -> None:
        """Record the epoch that is over, whose last step had these betas and this learning rate.

        Args:
            betas: ``[P, L]`` or ``[P, B, L]``.
            lr: learning rate.
        """
        self.epochs.close(betas, self.skipped, self._frozen(), lr, self.seconds)

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"parameters.{name}": p for name, p in self.parameters.items()}
        tensors |= {f"averages.{name}": p for name, p in self.averages.items()}
        tensors |= {f"optimiser.{name}": tensor for name, tensor in self.optimiser.state().items()}
        if self.limit is not None:
            tensors |= {f"limit.{name}": tensor for name, tensor in self.limit.state().items()}
        counts = {"skipped_in_a_row": self.skipped_in_a_row, "skipped": self.skipped}
        return tensors | counts | {"sums": self.epochs.sums}

    def save(self, saving: Saving) -> None:
        """Write the checkpoint.

        Raises:
            RecordError: it cannot be written.
        """
        tensors = self._tensors() | {f"policy.{name}": tensor for name, tensor in self.policy.state().items()}
        if self.epochs.rows:
            tensors["epochs"] = torch.stack(self.epochs.rows)  # [E, P, 2 L + 6]
        header = {"identity": saving.identity, "step": self.step, "seconds": self.seconds}
        checkpoint.save(saving.path, tensors, header)

    @torch.no_grad()
    def restore(self, saving: Saving) -> None:
        """Go on from the checkpoint.

        Raises:
            CheckpointError: it is damaged, incomplete or of another training.
        """
        stored, header = checkpoint.load(saving.path)
        if header.get("identity") != saving.identity:
            raise CheckpointError(f"{saving.path} belongs to another training: delete it to start this one")
        try:
            for name, tensor in self._tensors().items():
                tensor.copy_(stored[name])
            self.policy.restore({n.removeprefix("policy."): t for n, t in stored.items() if n.startswith("policy.")})
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{saving.path} is incomplete ({error}): delete it to start again") from error
        self.epochs.rows = list(stored["epochs"]) if "epochs" in stored else []
        self.step, self.seconds = header["step"], header["seconds"]

    def weights(self) -> Parameters:
        """The weights ``[P, ...]`` to be kept: averaged, where that is asked for."""
        return {name: p.detach() for name, p in self.parameters.items()} | self.averages

    def result(self) -> Trained:
        return Trained(self.weights(), self._frozen().tolist(), self.epochs.history(), self.seconds)
