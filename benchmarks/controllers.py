"""Compare rules that control betas towards rates, as Markdown: ours, and the baselines of the literature.

    python benchmarks/controllers.py [--data mnist] [--epochs 5] [--targets 2=5,1=20 2=15,1=40] [--rules ours nupi ...]

All rules share the training, the frozen end and its mean; they differ in how a batch's rates move the betas.

- ours: PI on log rates (see ratescape.control);
- nupi: nuPI of cooper-optim (Sohrabi et al., ICML 2024), a PI controller on a multiplier by the violation in nats; the
  betas are the policy, with the learning rate and gain of --nupi;
- nupi-log: the same optimiser on log betas, fed with our errors of log rates and our gains;
- geco: log beta += 0.01 x a moving average of the violation in nats (after Rezende & Viola, 2018, whose multiplier is
  updated by the exponential of the violation).

Reported: the largest relative error of a rate on validation; the distortion there; the first epoch after which the
running mean of every rate stays within 5 % of its target; and how much the log betas still swing before they are frozen
(standard deviation over the tail). cooper-optim, which the nupi rules need, comes with the extra dev.
"""

import argparse
import time
from typing import Any

import torch
from torch import Tensor

from ratescape.data.batches import Images
from ratescape.data.catalog import load_data
from ratescape.evaluation.rates import rates as measured_rates
from ratescape.execution.sweep import resolved_run
from ratescape.model.packs import member
from ratescape.specs.control import ControlSpec
from ratescape.specs.data import DataSpec
from ratescape.specs.rate_targets import SMALL, requested
from ratescape.specs.runs import RunSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.controlled import ControlledBetas
from ratescape.training.loop import train
from ratescape.training.schedule import steps_per_epoch, total_steps
from ratescape.training.starting import initial

SETTLED = 0.05
"""Relative error within which a rate counts as settled."""


class Geco(ControlledBetas):
    """Log betas moved by a moving average of the violation in nats."""

    def next_log_betas(self, rates: Tensor, usable: Tensor) -> Tensor:
        return self.log_betas + 0.01 * (self.rates - self.target_rates)


class NuPI(ControlledBetas):
    """Betas moved by cooper's nuPI, by the violation in nats or, on log betas, by ours."""

    in_logs = False
    rate = 1e-3
    proportional = 10.0

    def next_log_betas(self, rates: Tensor, usable: Tensor) -> Tensor:
        from cooper.optim import nuPI

        if not hasattr(self, "optimiser"):
            self.parameter = torch.nn.Parameter(self.log_betas.clone() if self.in_logs else self.log_betas.exp())
            lr, integral, proportional = self.rate, 1.0, self.proportional
            if self.in_logs:
                lr, integral, proportional = 1.0, self.INTEGRAL, self.PROPORTIONAL
            gains: dict[str, Any] = {"Ki": integral, "Kp": proportional}  # annotated as tensors, which may be numbers
            self.optimiser = nuPI([self.parameter], lr, ema_nu=self.DECAY, maximize=True, **gains)
        errors = rates - self.target_rates
        if self.in_logs:
            errors = ((rates + SMALL) / (self.target_rates + SMALL)).log().clamp(-1, 1)
        self.parameter.grad = torch.where(usable, errors, 0.0)
        self.optimiser.step()
        with torch.no_grad():
            self.parameter.clamp_(min=-7.0 if self.in_logs else 1e-3)
        return self.parameter.detach().clone() if self.in_logs else self.parameter.detach().log()


class LogNuPI(NuPI):
    """nuPI on log betas."""

    in_logs = True


RULES: dict[str, type[ControlledBetas]] = {"ours": ControlledBetas, "nupi": NuPI, "nupi-log": LogNuPI, "geco": Geco}


def settled_at(control: ControlledBetas, index: int, wanted: list[float], per_epoch: int) -> float | None:
    """The epoch after which the running mean of every rate (top first) stays near its target; None if it never does."""
    log = control.log(index)
    mean, last = None, 0.0
    for line in log:
        now = torch.tensor(line["rates"], dtype=torch.float64)
        mean = now if mean is None else 0.8 * mean + 0.2 * now  # of batches that lie some steps apart
        if (mean / torch.tensor(wanted).double() - 1).abs().max() > SETTLED:
            last = float(line["step"])
    return None if last == log[-1]["step"] else last / per_epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--targets", nargs="+", default=["2=5,1=20", "2=15,1=40"])
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=list(RULES))
    parser.add_argument("--nupi", nargs=2, type=float, default=[1e-3, 10.0], metavar=("RATE", "GAIN"))
    parser.add_argument("--delay", type=float, default=0.0, help="share of the training before betas are controlled")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    NuPI.rate, NuPI.proportional = asked.nupi
    data = load_data(DataSpec(name=asked.data))
    run = resolved_run(RunSpec(data=data.spec, training=TrainingSpec(epochs=asked.epochs), seed=asked.seed), data)
    images = Images(data.train.pixels, bool(data.spec.binary))
    held_out = Images((data.validation or data.test).pixels, bool(data.spec.binary))
    targets = [requested(text, run.model.layers) for text in asked.targets]
    spec, steps = ControlSpec(delay=asked.delay), total_steps(run.training, len(images))
    print(f"{data.spec.name}, {asked.epochs} epochs, seed {asked.seed}; targets {' and '.join(asked.targets)}\n")
    print("| rule | target | betas | rates on validation | largest error | distortion | settled after epoch | swing |")
    print("|---|---|---|---|---:|---:|---:|---:|")
    for rule in asked.rules:
        begun = time.monotonic()
        control = RULES[rule](targets, run.model.layers, steps, spec, torch.empty(0))
        trained = train(run.training, initial(run, data), images, control, len(targets), run.seed)
        for index, target in enumerate(targets):
            model = initial(run, data)
            model.load_state_dict(member(trained.parameters, index))
            found = measured_rates(model.eval(), held_out, 0)
            rates = found.rates.mean(0).tolist()
            wanted = [one.rate for one in target]
            worst = max((rate / goal - 1 for rate, goal in zip(rates, wanted, strict=True)), key=abs)
            log = control.log(index)
            tail = [one["betas"] for one in log if control.tail_from < one["step"] <= control.frozen_from]
            swing = torch.tensor(tail).log().std(0).max().item()
            betas = ", ".join(f"{beta:.3g}" for beta in log[-1]["betas"])
            settled = settled_at(control, index, wanted, steps_per_epoch(len(images), run.training.batch))
            print(
                f"| {rule} | {asked.targets[index]} | {betas} | {', '.join(f'{rate:.2f}' for rate in rates)} | "
                f"{100 * worst:+.1f} % | {found.distortion.mean().item():.2f} | "
                f"{'never' if settled is None else f'{settled:.1f}'} | {swing:.3f} |",
                flush=True,
            )
        print(f"<!-- {rule}: {time.monotonic() - begun:.0f} s -->", flush=True)


if __name__ == "__main__":
    main()
