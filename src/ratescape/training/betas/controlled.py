"""Betas that a controller moves, step by step, until the layers have the rates asked for."""

from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor

from ratescape.specs.methods import ControlSpec
from ratescape.specs.rate_targets import RANGE, SMALL, RateTarget
from ratescape.training.betas.policy import StepBetas

LOGGED_STEPS = 400
"""Steps of a training at which betas and rates are logged, at most: as many as a plot can show."""


class ControlRecord(TypedDict):
    """One step of a controlled training, for one member."""

    step: int
    """Counted from 1."""
    betas: list[float]
    """Of each layer, top first."""
    rates: list[float]
    """Means over the batch, nats per image, of each layer, top first."""


class ControlledBetas:
    """One beta for each rate target of each member, moved by a PI controller on the logarithm of its rate.

    After each step rbar, a running mean of the target's rate, is compared with the rate R* asked for:
    e = log((rbar + 0.05) / (R* + 0.05)), at most 1 either way, and log beta += 0.02 e + 0.3 (e - e before). In log
    rates the gain means the same at 1 nat and at 100. Betas stay within a range, which also keeps the integral from
    winding up, and are positive: a rate is never forced up by a negative multiplier.

    There are three phases. In the first part of training betas keep their starting value: layers that have not learned
    anything yet carry little, and would have their betas pulled down until they carry far too much. Then they are
    controlled. In the last part they are frozen at the mean of their logarithms over the end of the second (its tail),
    while the learning rate goes on falling: what is trained is an ordinary model of these betas.

    Args:
        targets: of each of the P members, disjoint; members may ask for rates of other layers.
        layers: latent layers L.
        steps: of the whole training.
        control: starting values and phases.
        like: a tensor of the device and precision to use.

    Example::

        targets = [requested("2=5,1=20", layers=2)]  # of one model, nats per image
        policy = ControlledBetas(targets, layers=2, steps=4000, control=ControlSpec(), like=torch.empty(0))
        train(spec, model, images, policy, members=1, seed=0)
        policy.log(0)[-1]["betas"]  # those that the model ended with
    """

    INTEGRAL, PROPORTIONAL = 0.02, 0.3
    """Gains of the controller."""
    DECAY = 0.95
    """Weight of the past in the running mean of a rate, for each step."""

    def __init__(
        self, targets: Sequence[Sequence[RateTarget]], layers: int, steps: int, control: ControlSpec, like: Tensor
    ) -> None:
        # Steps, counted from 0, from which on betas are controlled, averaged and frozen.
        self.controlled_from = round(control.delay * steps)
        self.frozen_from = steps - round(control.frozen * steps)
        self.tail_from = self.frozen_from - max(1, round(control.tail * steps))
        # Target t of member p is the sum over the layers where in_target[p, t] is 1; a member has up to T = L targets,
        # and rows without one are 0.
        self.in_target, self.target_rates = _target_tensors(targets, layers, like.device)  # [P, T, L], [P, T]
        self.has_target = self.in_target.any(2)  # [P, T]
        other = torch.tensor(control.others).double().log().item()
        self.untargeted_log_betas = torch.where(self.in_target.any(1), 0.0, other)  # [P, L]
        self.dtype = like.dtype
        # Of each target, [P, T]: its log beta, running mean of its rate, last error, and mean log beta over the tail.
        self.log_betas = torch.full_like(self.target_rates, control.start).log()
        self.rates = torch.zeros_like(self.target_rates)
        self.errors = torch.zeros_like(self.target_rates)
        self.tail = torch.zeros_like(self.target_rates)
        self.step = 0
        self.log_interval = max(1, -(-steps // LOGGED_STEPS))
        # Betas and rates of the logged steps, [P, steps, 2, L]; on the device, so that logging does not wait for it.
        logged = -(-steps // self.log_interval)
        self.trace = torch.zeros(len(targets), logged, 2, layers, device=like.device, dtype=torch.float64)

    def draw(self, step: int, images: int) -> StepBetas:
        self.step = step
        log_betas = (self.in_target * self.log_betas.unsqueeze(2)).sum(1) + self.untargeted_log_betas  # [P, L]
        return StepBetas(log_betas.exp().to(self.dtype))

    def observe(self, drawn: StepBetas, rates: Tensor, distortion: Tensor) -> None:
        step = self.step
        layer_rates = rates.double().mean(1)  # [P, L]
        target_rates = (self.in_target * layer_rates.unsqueeze(1)).sum(2)  # [P, T]
        # A member whose step failed learns nothing from it.
        usable = torch.isfinite(target_rates) & torch.isfinite(distortion.sum(1, keepdim=True))
        decay = min(self.DECAY, step / (step + 1))
        self.rates = torch.where(usable, torch.lerp(target_rates, self.rates, decay), self.rates)
        if self.controlled_from <= step < self.frozen_from:
            self._control(target_rates, usable)
        if step % self.log_interval == 0:
            self.trace[:, step // self.log_interval, 0] = drawn.betas.double()
            self.trace[:, step // self.log_interval, 1] = layer_rates

    def _control(self, rates: Tensor, usable: Tensor) -> None:
        """Move the betas of the targets; at the end of this phase, set them to their mean over the tail."""
        moved = torch.where(usable & self.has_target, self.next_log_betas(rates, usable), self.log_betas)
        self.log_betas = moved.clamp(*RANGE)
        if self.step >= self.tail_from:
            self.tail += self.log_betas / (self.frozen_from - self.tail_from)
        if self.step == self.frozen_from - 1:
            self.log_betas = self.tail.clone()

    def next_log_betas(self, rates: Tensor, usable: Tensor) -> Tensor:
        """The controller: where the log betas of the targets go, ``[P, T]``.

        Args:
            rates: of the targets on this batch, nats per image ``[P, T]``.
            usable: which of them are finite ``[P, T]``.
        """
        errors = rate_errors(self.rates, self.target_rates)
        before = self.errors if self.step > self.controlled_from else errors
        change = self.INTEGRAL * errors + self.PROPORTIONAL * (errors - before)
        self.errors = torch.where(usable, errors, self.errors)
        return self.log_betas + change

    def state(self) -> dict[str, Tensor]:
        return {
            "log_betas": self.log_betas,
            "rates": self.rates,
            "errors": self.errors,
            "tail": self.tail,
            "trace": self.trace,
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    def log(self, member: int) -> list[ControlRecord]:
        """Betas and rates of one member at up to :data:`LOGGED_STEPS` steps, evenly spread over the training."""
        return [
            {"step": index * self.log_interval + 1, "betas": betas, "rates": rates}
            for index, (betas, rates) in enumerate(self.trace[member].tolist())
        ]


def rate_errors(rates: Tensor, wanted: Tensor | float) -> Tensor:
    """How far rates are from those wanted, on a log scale, at most 1 either way.

    Args:
        rates: running means, nats per image.
        wanted: nats per image.
    """
    return ((rates + SMALL) / (wanted + SMALL)).log().clamp(-1, 1)


def _target_tensors(
    targets: Sequence[Sequence[RateTarget]], layers: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Which layers each target covers, 0 or 1 ``[P, T, L]``, and its rate in nats ``[P, T]``; 1 where there is none."""
    in_target = torch.zeros(len(targets), layers, layers, device=device, dtype=torch.float64)
    rates = torch.ones(len(targets), layers, device=device, dtype=torch.float64)
    for p, asked in enumerate(targets):
        for t, target in enumerate(asked):
            in_target[p, t, [layers - layer for layer in target.layers]] = 1
            rates[p, t] = target.rate
    return in_target, rates
