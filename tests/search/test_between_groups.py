"""The search between the grid points where groups of layers are its axes, more than two of them."""

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.sweep_on_disk import sweep

from ratescape.metrics import layer_columns
from ratescape.records.table import read_table
from ratescape.search import between
from ratescape.search.limits import Limits
from ratescape.selection import best
from ratescape.specs.rate_targets import RateTarget

GROUPS = (0, 0, 1, 2)


def test_its_step_is_that_of_the_diagonal_and_a_budget_is_divided_among_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sweep(tmp_path, latents=(4, 3, 2, 2), groups=GROUPS, conditioned=True, pictures=False, missing=None)
    table = read_table(folder)
    assert len(table.rows) == 64  # scattered: 5^3 would be 125
    choice = best(table, "reconstruction")
    ground: Any = SimpleNamespace(folder=folder, network=SimpleNamespace(groups=GROUPS), data=None)
    search = between._Search(ground, choice, Limits(max_rate=20.0))
    assert search.step == pytest.approx(math.log(10) / 4)  # half of the step of 0.1, 0.316, 1, ...
    assert search.box == pytest.approx((math.log(0.1), math.log(10)))

    asked: list[Sequence[RateTarget]] = []

    def found(network: object, images: object, targets: Sequence[RateTarget], tolerance: float) -> SimpleNamespace:
        asked.append(targets)
        return SimpleNamespace(betas=(1.0,) * 4)

    monkeypatch.setattr(between, "betas_for", found)
    monkeypatch.setattr(between, "seen_images", lambda *_: None)
    search._using_up(20.0, choice.row)
    (targets,) = asked
    assert [target.layers for target in targets] == [(4, 3), (2,), (1,)]
    assert sum(target.rate for target in targets) == pytest.approx(20 * (1 - between.BUDGET), rel=1e-3)
    shares = [choice.row[name] / choice.row["rate"] for name in layer_columns(table.rows, "rate_group")]
    assert [target.rate for target in targets][:2] == pytest.approx([19.9 * share for share in shares[:2]], rel=1e-3)
