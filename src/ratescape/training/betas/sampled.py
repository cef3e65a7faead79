"""Betas drawn from a box for each image: for a network conditioned on them."""

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ratescape.data.batches import stream
from ratescape.training.betas.annealing import Annealing
from ratescape.training.betas.policy import StepBetas, weighted


@dataclasses.dataclass(frozen=True)
class BetaBox:
    """The betas that a conditioned network covers: each group's between ``low`` and ``high``."""

    low: float
    high: float
    groups: Sequence[int]
    """Group of each layer, top first, numbered from 0: layers of a group share their beta."""


class SampledBetas:
    """A fresh vector of betas for every image, out of a box: for a network conditioned on them.

    Most vectors are log-uniform in the box, spread evenly over each batch (a shifted lattice: less variance than
    independent draws); some lie on its faces, where errors are largest, and some near the diagonal of equal betas,
    where rates change fastest. During annealing the betas of the loss are others than those that the network is
    conditioned on, which are what they will be: betas that are large from the start collapse the layers for good.

    Losses differ by a factor of ten over the box. Each image is weighted by 1 / L(beta), where L is the loss above the
    likelihood's constant (no model can avoid it, and it would make all weights alike) and log L(beta) is a quadratic
    function of the log betas, fitted to the losses as training goes on: so the mean *relative* excess is what
    is minimised. An image's own loss would not do, since easy images would count more. Where losses are not all
    positive (densities may be above 1), relative excess means nothing, and all images count alike.

    During annealing L is the loss at the betas in effect, as a function of those conditioned on: the excess is then
    relative to what is minimised at that step. The fit remembers about 1 / (1 - DECAY) = 100 steps, and follows as
    annealing goes on: of losses that differ by 30 %, weights leave differences of 3 to 6 %, and 15 % where the
    top layer's beta rises fastest in a short training (a toy, see the tests). To leave that phase out of the fit would
    leave all 30 %, or weigh images by losses that nobody has seen yet.

    Args:
        box: where the betas lie.
        members: members P of the pack; all see the same betas.
        annealing: how the betas of the loss reach those that the network is conditioned on.
        seed: of the draws.
        like: a tensor of the device and precision to use.
        constant: the likelihood's, nats per image.

    Example::

        box, annealing = BetaBox(0.1, 10.0, groups=(0, 1)), LinearAnnealing(500)
        policy = SampledBetas(box, members=1, annealing=annealing, seed=0, like=torch.empty(0))
        policy.draw(0, images=256).conditions  # [1, 256, 2]
    """

    FACES = 0.25
    """Share of the images whose betas lie on a face of the box."""
    DIAGONAL = 0.1
    """Share of the images whose betas are nearly equal."""
    JITTER = 0.05
    """Deviation from the diagonal, in units of the box's side."""
    DECAY = 0.99
    """Weight of the past in the running fit, for each step."""
    RIDGE = 1e-4
    """Keeps the fit solvable, in units of the images it rests on."""
    POSITIVE = 0.999
    """Share of losses that must be positive for images to be weighted."""

    def __init__(
        self, box: BetaBox, members: int, annealing: Annealing, seed: int, like: Tensor, constant: float = 0.0
    ) -> None:
        self.box = box
        self.groups = list(box.groups)
        self.members = members
        self.annealing = annealing
        self.seed = seed
        self.like = like
        self.constant = constant
        self.axes = max(self.groups) + 1
        self.lattice = _lattice(self.axes)
        layers = [self.groups.index(axis) for axis in range(self.axes)]
        self.layer_of_axis = torch.tensor(layers, device=like.device)
        features = 1 + self.axes + self.axes * (self.axes + 1) // 2  # F
        # The normal equations of the fit: [P, F, F] and [P, F].
        self.moments = torch.zeros(members, features, features, device=like.device, dtype=torch.float64)
        self.products = torch.zeros(members, features, device=like.device, dtype=torch.float64)
        self.positive = torch.ones(members, device=like.device, dtype=torch.float64)
        self.step = 0

    def draw(self, step: int, images: int) -> StepBetas:
        self.step = step
        positions = self._positions(step, images)[:, self.groups]  # [B, L] in [0, 1]
        betas = self.box.low * (self.box.high / self.box.low) ** positions
        # Not to wait for a GPU that is still at the last step.
        conditions = betas.to(self.like.device, self.like.dtype, non_blocking=True).expand(self.members, -1, -1)
        return StepBetas(self.annealing.betas(conditions, step), conditions, self._weights(conditions))

    def _positions(self, step: int, images: int) -> Tensor:
        """Where in the box, on the scale of log beta: ``[B, axes]`` in [0, 1]."""
        generator = torch.Generator().manual_seed(stream(self.seed, "betas", step))
        shift = torch.rand(self.axes, generator=generator, dtype=torch.float64)
        positions = (torch.arange(images)[:, None] * self.lattice + shift) % 1
        faces, diagonal = round(self.FACES * images), round(self.DIAGONAL * images)
        axis = torch.randint(self.axes, (faces,), generator=generator)
        side = torch.randint(2, (faces,), generator=generator)
        positions[torch.arange(faces), axis] = side.double()
        middle = positions[faces : faces + diagonal, :1]
        jitter = self.JITTER * torch.randn(diagonal, self.axes, generator=generator, dtype=torch.float64)
        positions[faces : faces + diagonal] = (middle + jitter).clamp(0, 1)
        return positions

    def _weights(self, conditions: Tensor) -> Tensor:
        """1 / L(beta) ``[P, B]``, of mean 1; all 1 as long as nothing was observed."""
        size = self.RIDGE * self.moments[:, :1, :1].clamp_min(1)
        ridge = size * torch.eye(self.moments.shape[1], device=self.moments.device)
        fitted, _ = torch.linalg.solve_ex(self.moments + ridge, self.products)  # [P, F]
        log_losses = (self._features(conditions) @ fitted.unsqueeze(2)).squeeze(2)  # [P, B]
        weights = torch.where(self.positive[:, None] >= self.POSITIVE, torch.exp(-log_losses), 1.0)
        return (weights / weights.mean(1, keepdim=True)).to(conditions)

    def observe(self, drawn: StepBetas, rates: Tensor, distortion: Tensor) -> None:
        if drawn.conditions is None:
            return
        self.annealing.observe(self.step, rates)
        losses = distortion - self.constant + weighted(rates, drawn.betas)  # [P, B]
        finite = torch.isfinite(losses)
        usable = finite & (losses > 0)
        share = usable.sum(1) / finite.sum(1).clamp_min(1)
        self.positive.lerp_(torch.where(finite.any(1), share, 1.0).double(), 1 - self.DECAY)
        features = self._features(drawn.conditions) * usable.unsqueeze(2)  # [P, B, F]
        log_losses = torch.where(usable, losses, 1.0).double().log()
        self.moments.mul_(self.DECAY).add_(features.transpose(1, 2) @ features)
        self.products.mul_(self.DECAY).add_((features.transpose(1, 2) @ log_losses.unsqueeze(2)).squeeze(2))

    def _features(self, betas: Tensor) -> Tensor:
        """1, the log betas of the axes, and their products: ``[P, B, L] -> [P, B, F]``."""
        low, high = self.box.low, self.box.high
        logs = (betas[:, :, self.layer_of_axis].double() / low).log() / math.log(high / low)  # [P, B, axes]
        rows, columns = torch.triu_indices(self.axes, self.axes, device=logs.device)
        return torch.cat([torch.ones_like(logs[:, :, :1]), logs, logs[:, :, rows] * logs[:, :, columns]], 2)

    def state(self) -> dict[str, Tensor]:
        fit = {"moments": self.moments, "products": self.products, "positive": self.positive}
        return fit | self.annealing.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
        self.annealing.restore(state)


def _lattice(axes: int) -> Tensor:
    """Steps ``[axes]`` of a sequence whose multiples modulo 1 fill the unit cube about as evenly as any that is known.

    Powers of the root of x^(axes + 1) = x + 1 (the golden ratio for one axis).
    """
    root = 1.5
    for _ in range(60):  # a contraction: float64 is exhausted long before
        root = (1 + root) ** (1 / (axes + 1))
    return torch.tensor([root ** -(axis + 1) % 1 for axis in range(axes)], dtype=torch.float64)
