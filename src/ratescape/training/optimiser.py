"""Adam and Muon over a pack: P members side by side, each with its own count of steps, so that one may stand still."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ratescape.specs.training import OptimiserName

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8
"""Decay of the two moments and the term that keeps the division finite: Adam's published defaults."""

MUON_STEP = 0.8
"""Root mean square of the numbers of a matrix's step, in units of the learning rate: a rate that suits Adam suits Muon
(docs/results/optimisers.md)."""

QUINTIC, ITERATIONS = (3.4445, -4.7750, 2.0315), 5
"""Muon's published polynomial a X + b (X X') X + c (X X')^2 X, which takes singular values to about 1, and how often it
is taken."""

SMALLEST = 8
"""A matrix with fewer rows or columns is left to Adam."""


class PackAdam:
    """Adam (Kingma & Ba, 2015) on parameters ``[P, ...]``, with a mask of the members that take a step.

    For each member alone the arithmetic is that of ``torch.optim.Adam`` with its default settings. PyTorch's own
    keeps one step count a tensor, which would tie the bias corrections of all members together.

    The parameters of a member, N numbers in all, are kept side by side in one row of memory: a step of a small network
    is then ten operations in place of ten for each of its tensors, which on a CPU took as long as a convolution.

    Args:
        parameters: leaf tensors ``[P, ...]`` of one number format, updated in place; their memory is moved.

    Example::

        adam = PackAdam(list(stack(models).values()))
        gradient = adam.row(torch.autograd.grad(loss, adam.parameters))  # [P, N]
        adam.step(gradient, lr=1e-3, update_mask=torch.tensor([True, False]))  # the second model stands still
    """

    parameters: list[Tensor]
    """``[P, ...]``, views of :attr:`values`."""
    values: Tensor
    """All parameters, ``[P, N]``."""
    first: Tensor
    """Running mean of the gradient, ``[P, N]``."""
    second: Tensor
    """Running mean of its square, ``[P, N]``."""
    steps: Tensor
    """``[P]``, steps that each member has taken; float64."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.values = self.row([p.detach() for p in self.parameters])
        start = 0
        for p in self.parameters:
            size = p[0].numel()
            p.data = self.values[:, start : start + size].view(p.shape)
            start += size
        self.first, self.second = torch.zeros_like(self.values), torch.zeros_like(self.values)
        self.steps = torch.zeros(len(self.values), dtype=torch.float64, device=self.values.device)

    @staticmethod
    def row(tensors: Sequence[Tensor]) -> Tensor:
        """Tensors ``[P, ...]`` that are like the parameters, as :attr:`values` is laid out: ``[P, N]``."""
        return torch.cat([tensor.reshape(len(tensor), -1) for tensor in tensors], 1)

    @torch.no_grad()
    def step(self, gradient: Tensor, lr: float, update_mask: Tensor | None = None) -> None:
        """One step.

        Args:
            gradient: ``[P, N]``, as of :meth:`row`.
            lr: learning rate.
            update_mask: ``[P]`` booleans, which members take the step; None for all, which is faster. The others keep
                weights, moments and step count, whatever their gradient holds (NaN included).
        """
        self.steps += 1 if update_mask is None else update_mask
        m, v, g = self.first, self.second, gradient
        if update_mask is None:
            m.lerp_(g, 1 - FIRST_DECAY)
            v.mul_(SECOND_DECAY).addcmul_(g, g, value=1 - SECOND_DECAY)
            self.values.sub_(self._change(g, lr))
            return
        mask = update_mask.unsqueeze(1)
        finite = torch.where(mask, g, 0.0)
        m.copy_(torch.where(mask, torch.lerp(m, finite, 1 - FIRST_DECAY), m))
        v.copy_(torch.where(mask, torch.addcmul(v * SECOND_DECAY, finite, finite, value=1 - SECOND_DECAY), v))
        self.values.sub_(torch.where(mask, self._change(finite, lr), 0.0))

    def _change(self, gradient: Tensor, lr: float) -> Tensor:
        """What a step takes off the parameters ``[P, N]``, once the moments are those of this gradient ``[P, N]``."""
        # A member that has not taken a step has no moments: its correction is taken as that of one step.
        steps = self.steps.clamp_min(1).unsqueeze(1)
        scale = (lr / (1 - FIRST_DECAY**steps)).to(self.values.dtype)  # [P, 1]
        root = (1 - SECOND_DECAY**steps).sqrt().to(self.values.dtype)  # [P, 1]
        return (self.second.sqrt() / root).add_(EPSILON).reciprocal_().mul_(self.first).mul_(scale)

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts, by name."""
        return {"first": self.first, "second": self.second, "steps": self.steps}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a saved state."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


class PackMuon(PackAdam):
    """Muon on the matrices of hidden layers, Adam on all else; otherwise as :class:`PackAdam`.

    A matrix moves along its mean gradient with all singular values made nearly equal (Jordan et al., "Muon: an
    optimizer for hidden layers in neural networks", 2024), so that directions that the gradient hardly shows are
    learned as fast as those it is full of. The length of a step does not depend on the gradient's: its root mean
    square is the learning rate times ``MUON_STEP``. The mean gradient decays as Adam's does. The weight of a
    convolution is a matrix of its first axis by all others.

    Args:
        parameters: as of :class:`PackAdam`.
        hidden: for each of them whether it is one of a hidden layer; what is no matrix is left to Adam all the same.
    """

    def __init__(self, parameters: Sequence[Tensor], hidden: Sequence[bool]) -> None:
        super().__init__(parameters)
        self.matrices: dict[int, list[tuple[slice, int]]] = {}
        """Where in a row each matrix lies, and how many rows it has, by its shorter side."""
        start = 0
        for p, is_hidden in zip(self.parameters, hidden, strict=True):
            size, rows = p[0].numel(), p.shape[1] if p.ndim > 2 else 1
            shorter = min(rows, size // rows)
            if is_hidden and shorter >= SMALLEST:
                self.matrices.setdefault(shorter, []).append((slice(start, start + size), rows))
            start += size

    def _change(self, gradient: Tensor, lr: float) -> Tensor:
        change = super()._change(gradient, lr)
        ahead = torch.lerp(gradient, self.first, FIRST_DECAY)  # as Nesterov's momentum looks ahead
        for alike in self.matrices.values():
            given = [ahead[:, span].unflatten(1, (rows, -1)) for span, rows in alike]
            for (span, rows), found in zip(alike, orthogonalised(given), strict=True):
                length = lr * MUON_STEP * math.sqrt(max(rows, (span.stop - span.start) // rows))
                change[:, span] = found.flatten(1) * length
        return change


def orthogonalised(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Matrices ``[P, R, C]`` with their singular values taken to about 1, the smallest less far; zeros stay zeros.

    Args:
        matrices: of equal shorter sides, so that what takes time is done for all at once.

    Example::

        orthogonalised([torch.diag(torch.tensor([5.0, 1.0])).unsqueeze(0)])  # near the unit matrix
    """
    flat = [one if one.shape[1] <= one.shape[2] else one.mT for one in matrices]
    scaled = [one / (torch.linalg.matrix_norm(one, keepdim=True) + EPSILON) for one in flat]
    # What X is multiplied by are polynomials of X X' alone: on these small matrices their product is taken first.
    square = torch.cat([one @ one.mT for one in scaled])
    factor = product = _polynomial(square)
    for _ in range(ITERATIONS - 1):
        square = factor @ square @ factor
        factor = _polynomial(square)
        product = product @ factor
    found = [one @ x for one, x in zip(product.split(len(matrices[0])), scaled, strict=True)]
    return [one if one.shape == given.shape else one.mT for one, given in zip(found, matrices, strict=True)]


def _polynomial(square: Tensor) -> Tensor:
    """What Muon multiplies X by, of X X' ``[P, R, R]``."""
    a, b, c = QUINTIC
    factor = torch.baddbmm(square, square, square, beta=b, alpha=c)
    factor.diagonal(dim1=1, dim2=2).add_(a)
    return factor


def optimiser_of(name: OptimiserName | None, parameters: Mapping[str, Tensor]) -> PackAdam:
    """The optimiser of a name, of parameters ``[P, ...]`` by name; None: Adam.

    What turns betas into the settings of a network's layers has a row for each setting, which are not outputs of one
    layer: Muon on it was worse than Adam (docs/results/optimisers.md).
    """
    if name == "muon":
        return PackMuon(list(parameters.values()), [not one.startswith("film.head") for one in parameters])
    return PackAdam(list(parameters.values()))


def member_norms(gradient: Tensor) -> Tensor:
    """Euclidean norm of each member's gradient: ``[P]``, from ``[P, N]``."""
    return torch.linalg.vector_norm(gradient, dim=1)


def clipped(gradient: Tensor, norms: Tensor, largest: float) -> Tensor:
    """The gradient ``[P, N]``, each member's scaled to norm ``largest`` where its own (``norms [P]``) is larger."""
    return gradient * (largest / (norms + EPSILON)).clamp(max=1.0).unsqueeze(1)
