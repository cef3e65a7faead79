"""Cost curves: time and memory against members, layers, image size and beta points, as a table and a figure."""

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from measures import network, peak_bytes, random_images, step_seconds

from ratescape.evaluation.grid import measured_grid
from ratescape.model.conditioning import Conditioned
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec

MEMBERS, LAYERS, SIDES, POINTS = (1, 2, 4, 8), (1, 2, 3, 5), (28, 32, 64), (1, 3, 9)
EVALUATED = 512
"""Images that each beta point is measured on."""
AXES = {
    "members": "members of a pack (GHVAE, 32x32)",
    "layers": "layers L (residual, 32x32, one member)",
    "side": "side of the image (GHVAE, one member)",
    "points": f"beta points measured ({EVALUATED} images)",
}


class Case(NamedTuple):
    """One point of one curve."""

    axis: str
    value: int
    act: Callable[[], float]
    """Does the work; seconds of one step, or of measuring all beta points."""


def cases(device: torch.device, recipe: TrainingSpec, steps: int) -> list[Case]:
    """All points of all curves, on random colour images."""

    def trained(axis: str, value: int, spec: ModelSpec, side: int, members: int) -> Case:
        shape = (3, side, side)
        images, model = random_images(steps * recipe.batch, shape, device), network(spec, shape, device)
        return Case(axis, value, partial(step_seconds, model, images, members, recipe))

    def measured(points: int) -> float:
        begun = time.perf_counter()
        measured_grid(told, seen, [(beta, beta) for beta in np.linspace(0.2, 5, points)])
        return time.perf_counter() - begun

    told = Conditioned(network(ModelSpec(), (3, 32, 32), device), 0.1, 10.0, 64).to(device)
    seen = random_images(EVALUATED, (3, 32, 32), device)
    return [
        *(trained("members", members, ModelSpec(), 32, members) for members in MEMBERS),
        *(trained("layers", n, ModelSpec(family="residual", latents=(32,) * n), 32, 1) for n in LAYERS),
        *(trained("side", side, ModelSpec(), side, 1) for side in SIDES),
        *(Case("points", points, partial(measured, points)) for points in POINTS),
    ]


def curves(device: torch.device, recipe: TrainingSpec, steps: int, rounds: int, folder: Path) -> None:
    """Measure all curves in alternating rounds; print a Markdown table, write ``curves.json`` and ``curves.png``."""
    todo = cases(device, recipe, steps)
    peaks = [peak_bytes(device, case.act) for case in todo]  # which also warms up
    seconds = [[case.act() for case in todo] for _ in range(rounds)]
    rows = [
        {"axis": case.axis, "value": case.value, "seconds": statistics.median(times), "peak_bytes": peak}
        for case, peak, *times in zip(todo, peaks, *seconds, strict=True)
    ]
    print("| against | value | ms | of the first | MiB |\n|---|---|---|---|---|")
    for row in rows:
        first = next(other for other in rows if other["axis"] == row["axis"])
        times = f"{1e3 * row['seconds']:.0f} | {row['seconds'] / first['seconds']:.2f}"
        print(f"| {row['axis']} | {row['value']} | {times} | {row['peak_bytes'] / 2**20:.0f} |")
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"batch": recipe.batch, "device": str(device), "threads": torch.get_num_threads(), "rows": rows}
    (folder / "curves.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    draw(rows, folder / "curves.png", recipe.batch)


def draw(rows: list[dict[str, float]], path: Path, batch: int) -> None:
    """Time above, memory below, one column for each axis."""
    figure, panels = plt.subplots(2, len(AXES), figsize=(12, 5), layout="constrained", sharex="col")
    for column, (axis, title) in enumerate(AXES.items()):
        chosen = [row for row in rows if row["axis"] == axis]
        values = [row["value"] for row in chosen]
        panels[0, column].plot(values, [1e3 * row["seconds"] for row in chosen], "o-")
        panels[1, column].plot(values, [row["peak_bytes"] / 2**20 for row in chosen], "o-", color="tab:red")
        panels[1, column].set_xlabel(title, fontsize=9)
        panels[0, column].set_title("ms in all" if axis == "points" else f"ms a step (batch {batch})", fontsize=9)
        panels[1, column].set_title("MiB at the peak", fontsize=9)
        for panel in panels[:, column]:
            panel.set_ylim(bottom=0)
            panel.set_xticks(values)
    figure.savefig(path, dpi=110)
