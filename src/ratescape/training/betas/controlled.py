"""Betas that are steered, step by step, until the layers have the rates that were asked for."""

from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor

from ratescape.specs.methods import ControlSpec
from ratescape.specs.rate_targets import RANGE, SMALL, RateTarget
from ratescape.training.betas.policy import StepBetas

TRACE = 400
"""Moments of a training at which betas and rates are logged, at most."""


class Moment(TypedDict):
    """One step of a training, as it is logged."""

    step: int
    betas: list[float]
    """Top layer first."""
    rates: list[float]
    """Means over the batch, nats per image, top layer first."""


class ControlledBetas:
    """One beta for each target of each member, moved by a PI controller on the logarithm of its rate.

    After each step rbar, a running mean of the target's rate, is compared with the rate R* asked for:
    e = log((rbar + 0.05) / (R* + 0.05)), at most 1 either way, and log beta += 0.02 e + 0.3 (e - e before). In log
    rates the gain means the same at 1 nat and at 100. Betas stay within a range, which also keeps the integral from
    winding up, and are positive: a rate is never forced up by a negative multiplier.

    Over the first part of training the betas stay where they begin: layers that have not learned anything yet carry
    little, and would have their betas pulled down until they carry far too much. Over the last part they stand still,
    at the mean of their logarithms before it, while the learning rate goes on falling: what is trained is an ordinary
    model of these betas.

    Args:
        targets: of each of the P members, disjoint; members may ask for rates of other layers.
        layers: latent layers L.
        steps: of the whole training.
        control: how.
        like: a tensor of the device and precision to use.
    """

    INTEGRAL, PROPORTIONAL = 0.02, 0.3
    MEMORY = 0.95
    """Weight of the past in the running mean of a rate, for each step."""

    def __init__(
        self, targets: Sequence[Sequence[RateTarget]], layers: int, steps: int, control: ControlSpec, like: Tensor
    ) -> None:
        members = len(targets)
        self.steps = steps
        self.begun_at = round(control.delay * steps)
        self.frozen_from = steps - round(control.frozen * steps)
        self.tail_from = self.frozen_from - max(1, round(control.tail * steps))
        self.control = control
        # Target t of member p is that of layers where of[p, t] is 1; rows without a target are empty.
        self.of = torch.zeros(members, layers, layers, device=like.device, dtype=torch.float64)
        self.wanted = torch.ones(members, layers, device=like.device, dtype=torch.float64)
        for p, asked in enumerate(targets):
            for t, target in enumerate(asked):
                self.of[p, t, [layers - layer for layer in target.layers]] = 1
                self.wanted[p, t] = target.rate
        self.used = self.of.any(2)
        self.others = torch.where(self.of.any(1), 0.0, torch.tensor(control.others).double().log().item())  # [P, L]
        self.dtype = like.dtype
        self.logs = torch.full_like(self.wanted, control.start).log()
        self.rates = torch.zeros_like(self.wanted)
        self.errors = torch.zeros_like(self.wanted)
        self.tail = torch.zeros_like(self.wanted)
        self.step = 0
        self.every = max(1, -(-steps // TRACE))
        self.trace = torch.zeros(members, -(-steps // self.every), 2, layers, device=like.device, dtype=torch.float64)

    def draw(self, step: int, images: int) -> StepBetas:
        self.step = step
        return StepBetas(self._betas().to(self.dtype))

    def _betas(self) -> Tensor:
        """Beta of each layer ``[P, L]``."""
        return ((self.of * self.logs.unsqueeze(2)).sum(1) + self.others).exp()

    def observe(self, drawn: StepBetas, rates: Tensor, distortion: Tensor) -> None:
        step = self.step
        mean = rates.double().mean(1)  # [P, L]
        of_targets = (self.of * mean.unsqueeze(1)).sum(2)
        # A member whose step failed learns nothing from it.
        fine = torch.isfinite(of_targets) & torch.isfinite(distortion.sum(1, keepdim=True))
        memory = min(self.MEMORY, step / (step + 1))
        self.rates = torch.where(fine, torch.lerp(of_targets, self.rates, memory), self.rates)
        if self.begun_at <= step < self.frozen_from:
            moved = torch.where(fine & self.used, self.moved(of_targets, fine), self.logs)
            self.logs = moved.clamp(*RANGE)
            if step >= self.tail_from:
                self.tail += self.logs / (self.frozen_from - self.tail_from)
            if step == self.frozen_from - 1:
                self.logs = self.tail.clone()
        if step % self.every == 0:
            self.trace[:, step // self.every, 0] = drawn.betas.double()
            self.trace[:, step // self.every, 1] = mean

    def moved(self, rates: Tensor, fine: Tensor) -> Tensor:
        """Where the log betas of the targets go, ``[P, L]``.

        Args:
            rates: of the targets on this batch, nats per image ``[P, L]``.
            fine: which of them can be believed ``[P, L]``.
        """
        errors = ((self.rates + SMALL) / (self.wanted + SMALL)).log().clamp(-1, 1)
        before = self.errors if self.step > self.begun_at else errors
        change = self.INTEGRAL * errors + self.PROPORTIONAL * (errors - before)
        self.errors = torch.where(fine, errors, self.errors)
        return self.logs + change

    def state(self) -> dict[str, Tensor]:
        return {
            "logs": self.logs,
            "rates": self.rates,
            "errors": self.errors,
            "tail": self.tail,
            "trace": self.trace,
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    def log(self, member: int) -> list[Moment]:
        """Betas and mean rates (nats per image) of a batch, top layer first, at some 400 moments of the training."""
        rows = self.trace[member].tolist()
        return [
            Moment(step=index * self.every + 1, betas=betas, rates=rates) for index, (betas, rates) in enumerate(rows)
        ]
