"""The figures of the paper over a sweep on disk: they show what was measured, and say what is not there."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.sweep_on_disk import sweep
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection, PathCollection, PolyCollection
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from PIL import Image

from ratescape.errors import RecordError, SpecError
from ratescape.metrics import METRICS
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table, read_table
from ratescape.report.paper import (
    ceilings,
    files,
    marked,
    panels,
    pictures,
    reconstruction,
    save_paper_figures,
    table,
    uses,
)
from ratescape.report.plots import surface
from ratescape.selection import hull_of, measured


def dots(axes: Axes) -> PathCollection:
    """The models of an axes: its one scatter that is coloured by numbers."""
    (found,) = (c for c in axes.collections if isinstance(c, PathCollection) and c.get_array() is not None)
    return found


def titled(figure: Figure, start: str) -> Axes:
    (found,) = (axes for axes in figure.axes if axes.get_title().startswith(start))
    return found


def foot(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return sweep(tmp_path_factory.mktemp("labels"), labels=True, flagged=20)


@pytest.fixture(scope="module")
def labelled(folder: SweepFolder) -> Table:
    return read_table(folder)


# ---- the surface


def test_surface_joins_neighbours_in_the_grid_and_leaves_small_holes(labelled: Table) -> None:
    rows = measured(labelled)
    found = surface.triangles(rows)
    places = np.log10(rows[["beta_2", "beta_1"]].to_numpy())[found]  # [T, 3 corners, 2]
    area = np.abs(np.linalg.det(places[:, 1:] - places[:, :1])) / 2
    np.testing.assert_allclose(area, 0.5**2 / 2)  # each is half a cell of the 5 x 5 grid over two decades
    # 16 cells; models (0.1, 0.316) and (0.1, 1) are missing: two cells lack one corner, one lacks two
    assert len(found) == 2 * 13 + 2
    assert len(np.unique(np.sort(found, axis=1), axis=0)) == len(found)


def test_surface_of_several_seeds_is_that_of_the_first(tmp_path: Path) -> None:
    rows = measured(read_table(sweep(tmp_path, seeds=(0, 1), steps=3, diverged=None, missing=None, pictures=False)))
    assert set(rows["seed"].iloc[surface.triangles(rows).ravel()]) == {0}
    assert len(surface.triangles(rows)) == 8


def test_colours_of_the_betas_are_the_corners_at_the_corners_and_all_different(labelled: Table) -> None:
    rows = measured(labelled)
    colours = surface.beta_colours(rows)
    for corner, place in zip(surface.CORNERS, ((0.1, 0.1), (10, 0.1), (0.1, 10), (10, 10)), strict=True):
        at = (rows["beta_2"] == place[0]) & (rows["beta_1"] == place[1])
        np.testing.assert_allclose(colours[at], [corner])
    distance = np.abs(colours[:, None] - colours[None]).max(axis=2)
    assert distance[~np.eye(len(rows), dtype=bool)].min() > 0.02


# ---- single figures


def offsets(points: Collection) -> np.ndarray:
    """Where the points of a scatter lie ``[N, 2]``."""
    return np.asarray(points.get_offsets())


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """As many models as a surface needs."""
    path = tmp_path_factory.mktemp("many")
    return read_table(sweep(path, labels=True, steps=7, diverged=None, missing=None, pictures=False))


@pytest.mark.parametrize("draw", [uses.three_uses, reconstruction.reconstruction])
def test_few_models_are_not_drawn_as_a_surface(labelled: Table, many: Table, draw: Callable[[Table], Figure]) -> None:
    def spaces(table: Table) -> int:
        return sum(axes.name == "3d" for axes in draw(table).axes)

    less_one = Table(many.rows.iloc[1:].reset_index(drop=True), 1, (), "validation")
    assert [spaces(table) for table in (many, less_one, labelled)] == [1, 0, 0]


def test_three_uses_mark_the_best_models_and_draw_the_surface(many: Table) -> None:
    rows = measured(many)
    figure = uses.three_uses(many)
    (space,) = (axes for axes in figure.axes if axes.name == "3d")
    (mesh,) = (c for c in space.collections if isinstance(c, Poly3DCollection))
    assert len(mesh._faces) == len(surface.triangles(rows))  # pyright: ignore[reportAttributeAccessIssue]
    for title, column in (("PSNR", "psnr"), ("inception", "inception_score"), ("RBF", "accuracy_rbf_2")):
        axes = titled(figure, title)
        best = rows.loc[rows[column].idxmax()]
        marked = [tuple(offsets(c)[0]) for c in axes.collections if len(offsets(c)) == 1]
        assert (best["beta_2"], best["beta_1"]) in marked
        (cells,) = (c for c in axes.collections if isinstance(c, PolyCollection))
        assert len(cells.get_paths()) == len(rows)


def test_panels_show_each_metric_over_the_rates_with_its_hull(labelled: Table) -> None:
    rows = measured(labelled)
    figure = panels.generation(labelled)
    for column in ("inception_score", "diversity", "sharpness"):
        axes = titled(figure, METRICS[column].name)
        np.testing.assert_allclose(offsets(dots(axes)), rows[["rate_2", "rate_1"]])
        np.testing.assert_allclose(np.asarray(dots(axes).get_array()), rows[column])
        hull = rows.loc[sorted(hull_of(rows, METRICS[column])), ["rate_2", "rate_1"]].to_numpy()
        rings = offsets(max(axes.collections, key=lambda drawn: drawn.get_zorder()))
        np.testing.assert_allclose(rings[: len(hull)], hull)


def test_a_missing_metric_is_left_out_and_named(labelled: Table) -> None:
    rows = labelled.rows.drop(columns=["diversity", "accuracy_knn_2"])
    without = Table(rows, labelled.missing, labelled.broken, labelled.split)
    assert "not measured: diversity" in foot(panels.generation(without))
    assert "not measured: accuracy_knn_2" in foot(panels.representation(without))


def test_models_without_a_number_are_counted_in_the_panel(labelled: Table) -> None:
    rows = labelled.rows.copy()
    rows.loc[rows.index[[4, 5, 6]], "sharpness"] = np.nan
    axes = titled(panels.generation(Table(rows, 1, (), "validation")), "sharpness")
    assert axes.get_title() == "sharpness  [20 of 23 models]"
    assert len(offsets(dots(axes))) == 20


def test_accuracy_stays_under_the_ceilings_drawn_but_for_the_flagged_model(labelled: Table) -> None:
    rows = measured(labelled)
    figure = ceilings.accuracy(labelled)
    left, right = figure.axes[:2]
    np.testing.assert_allclose(offsets(dots(left)), rows[["rate", "accuracy_sample_2"]])
    (hollow,) = (c for c in left.collections if len(offsets(c)) == len(rows) and c is not dots(left))
    np.testing.assert_allclose(offsets(hollow), rows[["rate", "accuracy_rbf_2"]])
    assert len(np.asarray(hollow.get_facecolor())) == 0 and len(np.asarray(dots(left).get_facecolor())) > 0
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "on a sample of z₂, which the ceilings bind" in legend and "on the mean of z₂, which may tell more" in legend
    (dashes,) = (line for line in left.lines if line.get_marker() == "_")
    np.testing.assert_allclose(np.asarray(dashes.get_xydata()), rows[["rate", "ceiling_rate_2"]])
    (curve,) = (line for line in right.lines if line.get_linestyle() == "--")
    assert (np.diff(np.asarray(curve.get_xydata()), axis=0) >= 0).all()
    for axes in (left, right):
        (cross,) = (line for line in axes.lines if line.get_marker() == "x")
        flagged = rows[rows["flag"].notna()]
        assert len(flagged) == 1
        np.testing.assert_allclose(np.asarray(cross.get_ydata()), flagged["accuracy_sample_2"])


def test_where_no_sample_was_read_the_means_are_hollow_dots(labelled: Table) -> None:
    rows = labelled.rows.drop(columns=["accuracy_sample_2"])
    figure = ceilings.accuracy(Table(rows, 0, (), "validation"))
    FigureCanvasAgg(figure).draw()
    drawn = dots(figure.axes[0])
    np.testing.assert_allclose(offsets(drawn), measured(labelled)[["rate", "accuracy_rbf_2"]])
    assert len(np.asarray(drawn.get_facecolor())) == 0 and len(np.asarray(drawn.get_edgecolor())) == len(offsets(drawn))
    assert not any(
        "sample" in text.get_text() for text in figure.legends[0].get_texts() if "above" not in text.get_text()
    )


def test_accuracy_without_ceilings_says_so(labelled: Table) -> None:
    rows = labelled.rows.drop(columns=["ceiling_rate_2", "ceiling_information_2"])
    figure = ceilings.accuracy(Table(rows, 0, (), "test"))
    assert "not measured: ceiling_rate_2, ceiling_information_2" in foot(figure)
    assert len([axes for axes in figure.axes if axes.get_xlabel()]) == 1


def test_marked_models_are_best_psnr_best_samples_and_vae(labelled: Table) -> None:
    rows = measured(labelled)
    first, second, third = marked.marked_models(rows)
    assert (first, second) == (rows["psnr"].idxmax(), rows["inception_score"].idxmax())
    assert rows.loc[third, ["beta_2", "beta_1"]].tolist() == [1, 1]
    same = rows.assign(inception_score=rows["psnr"])
    again = marked.marked_models(same)
    assert len(again) == 3
    assert list(again.values()) == ["highest PSNR", "next highest inception score", "the plain VAE"]


def test_pictures_show_the_halves_of_the_strips(folder: SweepFolder, labelled: Table) -> None:
    figure = pictures.pictures(folder, labelled)
    shown = [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]
    run = measured(labelled)["run"][next(iter(marked.marked_models(measured(labelled))))]
    with Image.open(folder.path / "runs" / run / "reconstructions.png") as picture:
        strip = np.asarray(picture)
    assert len(shown) == 7  # originals, and reconstructions and samples of three models
    np.testing.assert_array_equal(np.concatenate(shown[:2]), strip)


def test_damaged_picture_is_one_clear_error(tmp_path: Path) -> None:
    folder = sweep(tmp_path, steps=2, diverged=None, missing=None)
    for path in tmp_path.glob("runs/*/samples.png"):
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(RecordError, match=r"samples.png is damaged: delete .* and run the same map command again"):
        pictures.pictures(folder, read_table(folder))


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of panels of which one writes or draws into the other."""
    drawn = FigureCanvasAgg(figure)
    drawn.draw()
    flat = [axes for axes in figure.axes if axes.name != "3d"]
    boxes = [(axes.get_title(), axes.get_tightbbox(drawn.get_renderer())) for axes in flat]
    return [
        (name, other)
        for (name, box), (other, its) in itertools.combinations(boxes, 2)
        if box is not None and its is not None and box.overlaps(its)
    ]


def test_panels_of_two_layers_keep_apart(labelled: Table, many: Table) -> None:
    for draw in (uses.three_uses, panels.generation, panels.all_metrics, ceilings.accuracy):
        assert overlaps(draw(labelled)) == []
    assert overlaps(uses.three_uses(many)) == []


def test_panels_of_other_layers_keep_apart(tmp_path: Path) -> None:
    deep = read_table(sweep(tmp_path, latents=(4, 4, 4), steps=2, labels=True, pictures=False))
    for draw in (panels.generation, panels.representation, ceilings.accuracy):
        assert overlaps(draw(deep)) == []


# ---- Table 1


def test_table_1_is_chosen_on_validation_and_reported_on_test(labelled: Table) -> None:
    rows, values = measured(labelled), table.table1(labelled)
    assert values.index.tolist() == ["mu_2", "mu_1"]
    assert values.columns.tolist() == ["log. reg.", "linear SVM", "RBF SVM", "kNN"]
    for mean in (2, 1):
        best = rows["accuracy_knn_" + str(mean)].idxmax()
        assert values.loc[f"mu_{mean}", "kNN"] == 100 * rows.loc[best, f"test_accuracy_knn_{mean}"]


def test_table_1_of_hand_written_numbers_with_a_gap() -> None:
    rows = pd.DataFrame(
        {"run": list("abc"), "seed": 0, "status": "ok", "beta_1": [0.1, 1, 10], "rate_1": 1.0, "rate": 1.0}
        | {"accuracy_rbf_1": [0.5, 0.75, np.nan], "accuracy_knn_1": [np.nan, 0.25, 0.5], "accuracy_logistic_1": np.nan}
    )
    written = table.as_markdown(table.table1(Table(rows, 0, (), "test")), "test")
    assert "| mu_1 | – | – | 75.00 | 50.00 |" in written
    assert "measured on test, as in the paper" in written


def test_table_1_without_labels_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="accuracies, which were not measured"):
        table.table1(read_table(sweep(tmp_path, steps=2, diverged=None, missing=None, pictures=False)))


# ---- all of them at once


def test_every_figure_and_table_1_are_written(folder: SweepFolder) -> None:
    drawn = save_paper_figures(folder, pdf=True)
    assert drawn.skipped == {}
    assert len(drawn.paths) == 2 * 7 + 2
    for path in drawn.paths:
        assert path.parent == folder.path / "figures"
        if path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF")
        if path.suffix == ".png":
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("L"))
            assert pixels.shape[1] >= 1200
            edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
            assert edge.min() == 255, f"{path.name} is clipped"
    stored = pd.read_csv(folder.path / "figures" / "table-1.csv", index_col="features")
    np.testing.assert_allclose(stored, table.table1(read_table(folder)), atol=0.006)


LABELLED = {"figure-5-generation", "figure-6-accuracy", "figure-7-representation", "table-1"}


@pytest.mark.parametrize(
    ("options", "skipped"),
    [
        ({}, LABELLED | {"figure-1-three-uses", "figure-4-pictures"}),
        ({"latents": (8,), "labels": True}, {"figure-1-three-uses", "figure-4-pictures"}),
        ({"latents": (4, 4, 4), "steps": 2}, LABELLED | {"figure-1-three-uses", "figure-4-pictures"}),
        ({"groups": (0, 0), "labels": True, "steps": 4}, {"figure-1-three-uses", "figure-4-pictures"}),
    ],
    ids=["no labels", "one layer", "three layers", "one shared beta"],
)
def test_what_cannot_be_drawn_is_skipped_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], skipped: set[str]
) -> None:
    monkeypatch.setattr(files, "save", lambda figure, folder, name, pdf: [folder / name])  # drawn, but not rendered
    few: dict[str, Any] = {"steps": 3, "pictures": False}
    drawn = save_paper_figures(sweep(tmp_path, **few | options))
    assert set(drawn.skipped) == skipped
    assert all("needs" in reason and "\n" not in reason for reason in drawn.skipped.values())
