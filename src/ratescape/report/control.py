"""How betas were controlled towards the rates asked for: betas and rates over the training of each model."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ratescape.errors import RecordError
from ratescape.records.files import read_json_lines, remake
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.report.plots.canvas import Gaps, Margins, add_title, new_figure, panels, save
from ratescape.report.plots.palette import GREY, latent
from ratescape.specs.rate_targets import RateTarget
from ratescape.specs.runs import TargetSpec

SHOWN = 6
"""Models drawn at most."""

COLOURS = ("#3366aa", "#cc5544", "#228855", "#aa7711", "#8855aa", "#557777")
"""Of the layers, top first; they repeat where there are more."""

_HEADROOM = 2.0
"""Upper end of the rates shown, in the largest rate asked for: the first steps overshoot by far."""


@dataclasses.dataclass(frozen=True)
class _Log:
    """What was recorded while the betas of one model were controlled."""

    steps: npt.NDArray[np.int64]
    """Shape [T]."""
    betas: npt.NDArray[np.float64]
    """Shape [T, L], top layer first."""
    rates: npt.NDArray[np.float64]
    """Of a batch, nats per image, shape [T, L], top layer first."""

    @property
    def layers(self) -> int:
        return self.betas.shape[1]


def control_figure(runs: list[tuple[TargetSpec, RunFolder]]) -> Figure:
    """One row for each model: its betas and its rates over the steps, with the rates asked for and the frozen part.

    Raises:
        RecordError: a log is missing or damaged.
    """
    shown = runs[:SHOWN]
    figure = new_figure(11.5, 0.7 + 2.3 * len(shown))
    rows = panels(figure, len(shown), 2, Margins(bottom=0.6, right=0.2, top=0.6), Gaps(across=0.8, down=0.55))
    for (target, folder), (left, right) in zip(shown, rows, strict=True):
        log = _read_log(folder)
        _draw_betas(left, log)
        _draw_rates(right, log, target.rates)
        left.set_title(target.request, fontsize=10, loc="left")
        left.legend(fontsize=8, frameon=False, ncols=3, loc="lower right")
        right.legend(fontsize=8, frameon=False, ncols=3, loc="upper right")
        for axes in (left, right):
            axes.axvspan(log.steps[-1] * (1 - target.control.frozen), log.steps[-1], color="#00000010", lw=0)
            axes.set_xlim(0, log.steps[-1])
            axes.spines[["top", "right"]].set_visible(False)
    for axes in rows[-1]:
        axes.set_xlabel("training step (grey: betas stand still)")
    more = f" (the first {SHOWN} of {len(runs)})" if len(runs) > SHOWN else ""
    add_title(figure, f"Betas controlled towards rates{more}")
    return figure


def _read_log(folder: RunFolder) -> _Log:
    lines = read_json_lines(folder.control)
    try:
        steps, betas, rates = (np.array([line[name] for line in lines]) for name in ("step", "betas", "rates"))
        log = _Log(steps.astype(np.int64), betas.astype(np.float64), rates.astype(np.float64))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RecordError(f"{folder.control} is damaged: {remake(folder.path)}") from error
    layers = folder.spec().model.layers
    if len(lines) == 0 or log.betas.shape != (len(lines), layers) or log.rates.shape != (len(lines), layers):
        raise RecordError(f"{folder.control} is damaged: {remake(folder.path)}")
    return log


def _draw_betas(axes: Axes, log: _Log) -> None:
    """A curve for each layer."""
    for index in range(log.layers):
        axes.plot(log.steps, log.betas[:, index], color=_colour(index), lw=1.3, label=latent(log.layers - index))
    axes.set(yscale="log", ylabel="beta")
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_rates(axes: Axes, log: _Log, targets: Sequence[RateTarget]) -> None:
    """A curve for each target, the sum over its layers, and a dashed line at the rate asked for."""
    for number, target in enumerate(targets):
        indices = [log.layers - layer for layer in target.layers]
        colour = _colour(indices[0]) if len(targets) > 1 or log.layers == 1 else GREY
        label = f"{'+'.join(map(latent, target.layers))}: {target.rate:.4g} asked for"
        axes.plot(log.steps, log.rates[:, indices].sum(1), color=colour, lw=1.0, label=label)
        axes.axhline(target.rate, color=colour, lw=0.9, ls="--", zorder=1 + number)
    highest = max(target.rate for target in targets)
    upper = _HEADROOM * highest if math.isfinite(highest) else None
    axes.set(ylabel="rate of a batch (nats)", ylim=(0, upper))


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def save_control(folder: SweepFolder, pdf: bool = False) -> list[Path]:
    """Write ``figures/control.png`` of a sweep whose models were asked for rates; nothing for others.

    Args:
        pdf: whether to write a PDF, too.
    """
    runs = [(run.target, folder.run(run)) for run in folder.spec().runs() if run.target is not None]
    done = [(run, run_folder) for run, run_folder in runs if run_folder.done]
    return save(control_figure(done), folder.path / "figures", "control", pdf) if done else []
