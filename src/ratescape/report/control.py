"""How betas were steered towards the rates asked for: both over the training of each model."""

import math
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ratescape.records.files import read_json_lines
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.report.planes import GREY, save
from ratescape.specs.runs import TargetSpec

SHOWN = 6
"""Models drawn at most."""

COLOURS = ("#3366aa", "#cc5544", "#228855", "#aa7711", "#8855aa", "#557777")
"""Of the layers, top first; they repeat where there are more."""


def control_figure(runs: list[tuple[TargetSpec, RunFolder]]) -> Figure:
    """One row for each model: its betas and its rates over the steps, with the rates asked for and the frozen part.

    Raises:
        RecordError: a log is missing or damaged.
    """
    shown = runs[:SHOWN]
    figure = Figure(
        figsize=(11.5, 0.7 + 2.3 * len(shown)), dpi=150, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)
    )
    planes = figure.subplots(len(shown), 2, squeeze=False, sharex="row")
    for (spec, place), (left, right) in zip(shown, planes, strict=True):
        log = read_json_lines(place.control)
        steps = np.array([line["step"] for line in log])
        betas, rates = (np.array([line[name] for line in log]) for name in ("betas", "rates"))
        layers = betas.shape[1]
        for index in range(layers):
            colour, name = COLOURS[index % len(COLOURS)], f"z$_{{{layers - index}}}$"
            left.plot(steps, betas[:, index], color=colour, lw=1.3, label=name)
        for number, target in enumerate(spec.rates):
            places = [layers - layer for layer in target.layers]
            colour = COLOURS[places[0] % len(COLOURS)] if len(spec.rates) > 1 or layers == 1 else GREY
            together = rates[:, places].sum(1)
            label = "+".join(f"z$_{{{layer}}}$" for layer in target.layers)
            right.plot(steps, together, color=colour, lw=1.0, label=f"{label}: {target.rate:.4g} asked for")
            right.axhline(target.rate, color=colour, lw=0.9, ls="--", zorder=1 + number)
        for axes in (left, right):
            axes.axvspan(steps[-1] * (1 - spec.control.frozen), steps[-1], color="#00000010", lw=0)
            axes.set_xlim(0, steps[-1])
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper right" if axes is right else "lower right")
        left.set(yscale="log", ylabel="beta")
        left.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        left.yaxis.set_minor_formatter(NullFormatter())
        highest = max(target.rate for target in spec.rates)
        # The first steps overshoot by far: what matters is whether the rates settle.
        right.set(ylabel="rate of a batch (nats/image)", ylim=(0, 2 * highest if math.isfinite(highest) else None))
        left.set_title(", ".join(map(str, spec.rates)), fontsize=10, loc="left")
    for axes in planes[-1]:
        axes.set_xlabel("training step (grey: betas stand still)")
    more = f" (the first {SHOWN} of {len(runs)})" if len(runs) > SHOWN else ""
    figure.suptitle(f"Betas steered towards rates{more}", fontsize=13, x=0.02, ha="left")
    FigureCanvasAgg(figure)
    return figure


def save_control(folder: SweepFolder) -> list[Path]:
    """Write ``figures/control.png`` and ``.pdf`` of a sweep whose models were asked for rates; nothing for others."""
    runs = [(run.target, folder.run(run)) for run in folder.spec().runs() if run.target is not None]
    done = [(run, place) for run, place in runs if place.done]
    return save(control_figure(done), folder.path / "figures", "control") if done else []
