"""Compare the models of a conditioned landscape with dedicated ones at the same betas, as Markdown.

    python benchmarks/conditioned.py CONDITIONED DEDICATED [DEDICATED ...] [--images 2000]

All are folders made by `ratescape map` on the same images; where several dedicated models have a beta point (with and
without a warm-up, say), the one with the lowest loss counts. Numbers are those on test.

- excess: how much larger the loss D + sum of beta x R is than the dedicated model's, in percent. Losses and not
  distortions are compared, since at equal betas the two models sit at different points of their trade-offs.
- D at equal rates: the betas at which the network has the dedicated model's rates are found on its validation images;
  D there, on test, less the dedicated D, in nats.
- a layer counts as collapsed below 0.1 nats.
"""

import argparse
import contextlib
import math
from pathlib import Path

import numpy as np
import pandas as pd

from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData, load_data
from ratescape.errors import SpecError
from ratescape.evaluation.grid import measured_grid
from ratescape.landscape import Landscape
from ratescape.metrics import ACTIVE_RATE, USES, layer_columns
from ratescape.search.by_rates import betas_for
from ratescape.selection import Choice, measured
from ratescape.specs.rate_targets import RateTarget

SEEDS = "seed"

LEAST = 1e-3
"""Nats asked for in place of a rate of nothing."""


def better_of(landscapes: list[Landscape]) -> pd.DataFrame:
    """One row for each seed and beta point: of the models that have it, the one with the lowest loss on test."""
    rows = pd.concat([measured(one.records) for one in landscapes], ignore_index=True)
    return rows.loc[rows.groupby([SEEDS, *layer_columns(rows, "beta")])["test_loss"].idxmin()]


def side_by_side(conditioned: Landscape, dedicated: list[Landscape]) -> pd.DataFrame:
    """Both models of every seed and beta point that both have."""
    theirs = better_of(dedicated)
    keys = [SEEDS, *layer_columns(theirs, "beta")]
    both = measured(conditioned.records).merge(theirs, on=keys, suffixes=("", "_dedicated")).copy()
    both["excess"] = 100 * (both["test_loss"] / both["test_loss_dedicated"] - 1)
    return both


def distortion_at_equal_rates(both: pd.DataFrame, landscape: Landscape, data: ImageData, count: int) -> list[float]:
    """D of the network at the dedicated models' rates, less theirs, nats; NaN where it cannot have the rates."""
    tuning = Images((data.validation or data.test).pixels[:count], bool(data.spec.binary))
    test = Images(data.test.pixels, bool(data.spec.binary))  # all, as the dedicated models' numbers are
    differences: list[float] = []
    for _, row in both.iterrows():
        network = landscape.network(seed=int(row[SEEDS]))
        names = layer_columns(both, "rate")
        wanted = row[[f"{name}_dedicated" for name in names]].to_numpy(float)
        layers = len(names)
        found = betas_for(
            network, tuning, [RateTarget((layers - i,), max(rate, LEAST)) for i, rate in enumerate(wanted)]
        )
        (record,) = measured_grid(network, test, [found.betas])
        reported = row[[f"test_{name}_dedicated" for name in names]].to_numpy(float)
        near = np.abs(np.array(record.rates) - reported) <= 0.05 * reported + 0.2
        differences.append(record.distortion - row["test_distortion_dedicated"] if near.all() else math.nan)
    return differences


def as_table(both: pd.DataFrame) -> str:
    """The comparison, one line for each seed and beta point."""
    betas, rates = layer_columns(both, "beta"), layer_columns(both, "rate")
    lines = ["| seed | betas | dedicated: rates, D, loss | conditioned: rates, D, loss | excess | D at equal rates |"]
    lines += ["|---:|---|---|---|---:|---:|"]
    for _, row in both.iterrows():
        cells = [f"{row[SEEDS]:.0f}", ", ".join(f"{row[beta]:.3g}" for beta in betas)]
        for suffix in ("_dedicated", ""):
            vector = ", ".join(f"{row[f'test_{rate}{suffix}']:.1f}" for rate in rates)
            cells.append(f"({vector}), {row[f'test_distortion{suffix}']:.1f}, {row[f'test_loss{suffix}']:.2f}")
        equal = row.get("equal", math.nan)
        cells += [f"{row['excess']:+.1f} %", "–" if math.isnan(equal) else f"{equal:+.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def summary(both: pd.DataFrame) -> list[str]:
    """Mean and worst excess of each seed, and the layers that collapsed in one kind of model only."""
    lines: list[str] = []
    for seed, rows in both.groupby(SEEDS):
        worst = rows.loc[rows["excess"].idxmax()]
        where = ", ".join(f"{worst[beta]:.3g}" for beta in layer_columns(rows, "beta"))
        lines.append(
            f"- seed {seed}: excess {rows['excess'].mean():+.2f} % on average over {len(rows)} points, "
            f"{worst['excess']:+.2f} % at worst (betas {where})"
        )
    for rate in layer_columns(both, "rate"):
        lost = (both[f"test_{rate}"] < ACTIVE_RATE) & (both[f"test_{rate}_dedicated"] >= ACTIVE_RATE)
        kept = (both[f"test_{rate}"] >= ACTIVE_RATE) & (both[f"test_{rate}_dedicated"] < ACTIVE_RATE)
        lines.append(
            f"- layer {rate.removeprefix('rate_')}: collapsed in {int(lost.sum())} models where the dedicated one is "
            f"alive, alive in {int(kept.sum())} where that has collapsed"
        )
    return lines


def best_of_each(conditioned: Landscape, dedicated: list[Landscape]) -> list[str]:
    """The best model for each use, chosen on validation and reported on test; of several landscapes, the best one's."""
    lines = ["", "| use | conditioned | dedicated |", "|---|---|---|"]
    for use in USES:
        cells: list[str] = []
        for landscapes in ([conditioned], dedicated):
            choices: list[Choice] = []
            for landscape in landscapes:
                with contextlib.suppress(SpecError):  # not measured there
                    choices.append(landscape.best(use).choice)
            if not choices:
                cells.append("not measured")
                continue
            best = max(choices, key=lambda choice: choice.value(choice.row))
            betas = ", ".join(f"{beta:.3g}" for beta in best.betas)
            cells.append(f"{best.reported(best.row):.4g} at betas {betas}, {best.row['rate']:.0f} nats")
        lines.append(f"| {use} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("conditioned", type=Path)
    parser.add_argument("dedicated", type=Path, nargs="+")
    parser.add_argument("--images", type=int, default=2000, help="images to find equal rates on; 0 leaves that out")
    asked = parser.parse_args()
    conditioned, dedicated = Landscape(asked.conditioned), [Landscape(path) for path in asked.dedicated]
    both = side_by_side(conditioned, dedicated)
    if asked.images:
        data = load_data(conditioned.folder.spec().data)
        both["equal"] = distortion_at_equal_rates(both, conditioned, data, asked.images)
    for text in (as_table(both), "", *summary(both), *best_of_each(conditioned, dedicated)):
        print(text)


if __name__ == "__main__":
    main()
