"""A refined model is offered only if it is better than the best unrefined one and keeps to what was demanded."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from helpers.sweep_on_disk import refine_on_disk, sweep

from ratescape.landscape import Landscape
from ratescape.records.folders import SweepFolder
from ratescape.search.best import Best


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return sweep(tmp_path / "sweep", steps=3, conditioned=True, diverged=None, missing=None)


def chosen(folder: SweepFolder, max_rate: float | None = None) -> Best:
    return Landscape(folder.path).best("nelbo", max_rate=max_rate)


def test_the_refined_form_of_the_best_stands_in_for_it(folder: SweepFolder) -> None:
    best = chosen(folder)
    one = refine_on_disk(folder, best.betas, 2.5)
    assert best.folder is not None and best.folder.path == one.path  # what was chosen before sees it, too
    before, after = best.choice.value(best.choice.row), best.choice.value(best.row)
    assert after == pytest.approx(before - 2.5)
    assert f"Refined for 3 epochs: -ELBO {before:.4g} -> {after:.4g} nats (" in str(best)


def test_a_refined_form_that_is_worse_is_told_and_not_taken(folder: SweepFolder) -> None:
    best = chosen(folder)
    refine_on_disk(folder, best.betas, -1.0)
    assert best.folder is not None and best.folder.path.parent.name == "runs"
    assert str(best).endswith("no better, so the unrefined model is kept.")


def test_a_gain_that_is_not_seen_in_what_is_printed_is_none(folder: SweepFolder) -> None:
    best = chosen(folder)
    refine_on_disk(folder, best.betas, 1e-6)
    assert str(best).endswith("no better, so the unrefined model is kept.")
    assert repr(best).startswith("Best(nelbo: -ELBO ") and len(repr(best)) < 100


def test_another_refined_model_may_be_better(folder: SweepFolder) -> None:
    best = chosen(folder)
    row = best.choice.runner_up
    assert row is not None
    betas = row.betas
    refine_on_disk(folder, betas, 50.0)
    assert best.betas == betas != best.choice.betas
    assert "Better still: betas (" in str(best)


def test_another_refined_model_that_is_worse_is_not_worth_a_word(folder: SweepFolder) -> None:
    best = chosen(folder)
    refine_on_disk(folder, (0.3, 2.5), -50.0)
    assert best.refined is None and "efined" not in str(best)


def test_one_that_outgrew_the_budget_is_not_taken(folder: SweepFolder) -> None:
    free = chosen(folder)
    rate = float(free.choice.row["rate"])
    best = chosen(folder, max_rate=rate)
    one = refine_on_disk(folder, best.betas, 2.5)
    text = one.evaluation.read_text().replace(f'"rate": {rate}', f'"rate": {rate + 1}')
    one.evaluation.write_text(text)
    assert best.folder is not None and best.folder.path.parent.name == "runs"
    assert "beyond what was demanded, so the unrefined model is kept" in str(best)


def test_a_gain_within_its_error_is_told_and_not_taken(folder: SweepFolder) -> None:
    best = chosen(folder)
    one = refine_on_disk(folder, best.betas, 2.5, errors={"nelbo": 3.0})
    assert str(best).endswith("better only within its error, so the unrefined model is kept.")
    one.evaluation.write_text(one.evaluation.read_text().replace('"nelbo": 3.0', '"nelbo": 0.5'))
    assert best.folder is not None and best.folder.path == one.path


def test_measured_on_the_same_images_a_gain_is_more_exact(folder: SweepFolder) -> None:
    best = chosen(folder)
    one = refine_on_disk(
        folder, best.betas, 2.5, errors={"nelbo": 9.0}, parts={"nelbo": [100.0, 120.0, 90.0], "psnr": [None, None]}
    )
    (row,) = best.landscape.refined.rows.to_dict("records")
    assert row["se_gain_nelbo"] == 0.0 and "se_gain_psnr" not in row
    assert best.folder is not None and best.folder.path == one.path


def test_a_gain_is_told_with_the_error_that_the_same_items_leave(folder: SweepFolder) -> None:
    best = chosen(folder)
    refine_on_disk(folder, best.betas, 2.5)
    assert best.refined is not None
    measured = dataclasses.replace(best.refined, row=pd.concat([best.refined.row, pd.Series({"se_gain_nelbo": 0.4})]))
    assert str(measured).endswith(" (better by 2.50 ± 0.40 on the same items): the one to use.")
    assert "on the same items" not in str(dataclasses.replace(measured, of_choice=False))
