"""Landscapes of more than two betas: what their groups are called, and what page and figures hold of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.sweep_on_disk import strip, sweep
from helpers.sweeps import altered
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from ratescape.metrics import METRICS, measured_metrics
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table, read_table
from ratescape.report import figures
from ratescape.report.deciding import along, uses_of
from ratescape.report.groups import Group, group_betas, group_rates, groups_of
from ratescape.report.many import pairs_figure, parallel_figure
from ratescape.report.page import page_data
from ratescape.report.page.groups import groups_data
from ratescape.report.page.models import models_data, picks_data
from ratescape.selection import best, finished

PSNR = METRICS["psnr"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    """Five layers at three resolutions, 16 models of which 14 have numbers."""
    return sweep(tmp_path_factory.mktemp("deep"), blocks="1x1,7x2,14x2", points=16, labels=True, pictures=False)


@pytest.fixture(scope="module")
def table(folder: SweepFolder) -> Table:
    return read_table(folder)


@pytest.fixture(scope="module")
def data(folder: SweepFolder, table: Table) -> dict[str, Any]:
    return page_data(folder, table)


@pytest.fixture(scope="module")
def groups(folder: SweepFolder) -> list[Group]:
    return groups_of(folder.spec())


# ---- names


def test_groups_of_a_deep_network_are_named_by_resolution(folder: SweepFolder) -> None:
    spec = folder.spec()
    assert groups_of(spec) == [Group("1×1", (5,)), Group("7×7", (4, 3)), Group("14×14", (2, 1))]
    assert [group.beta for group in groups_of(spec)] == ["β(1×1)", "β(7×7)", "β(14×14)"]
    two = groups_of(altered(spec, groups=("1-7", "14")))
    assert two == [Group("1×1, 7×7", (5, 4, 3)), Group("14×14", (2, 1))]


def test_groups_that_part_a_resolution_are_named_by_their_layers(folder: SweepFolder) -> None:
    parted = groups_of(altered(folder.spec(), groups=(0, 0, 1, 1, 1)))
    assert [group.name for group in parted] == ["z₅, z₄", "z₃–z₁"]


def test_single_layers_keep_their_names(tmp_path: Path) -> None:
    spec = sweep(tmp_path, latents=(4, 4, 4), steps=2, points=9, pictures=False).spec()
    assert [(group.name, group.beta) for group in groups_of(spec)] == [("z₃", "β₃"), ("z₂", "β₂"), ("z₁", "β₁")]


def test_rates_of_a_group_are_those_of_its_layers_together(table: Table, groups: list[Group]) -> None:
    rows = finished(table)
    _, middle, _ = group_rates(rows, groups, "test_")
    np.testing.assert_allclose(middle, rows["test_rate_4"] + rows["test_rate_3"])
    row = rows[rows["beta_5"].eq(1) & rows["beta_4"].eq(1) & rows["beta_1"].eq(1)].iloc[0].copy()
    row["beta_3"] = 2.5  # rates were asked for of single layers
    assert group_betas(row, groups) == ["1", "1–2.5", "1"]


# ---- the page's data


def test_every_model_has_its_groups_and_is_named_by_them(data: dict[str, Any], table: Table) -> None:
    assert (data["axes"], data["layers"]) == (3, 5)
    assert [group["name"] for group in data["groups"]] == ["1×1", "7×7", "14×14"]
    for run in data["runs"]:
        for values in run["values"].values():
            top, four, three, two, one = values["rates"]
            assert values["group_rates"] == pytest.approx([top, four + three, two + one])
    (corner,) = [run for run in data["runs"] if run["betas"] == [10, 0.1, 0.1, 10, 10]]
    assert corner["title"] == "β(1×1) = 10, β(7×7) = 0.1, β(14×14) = 10"
    assert corner["group_betas"] == ["10", "0.1", "10"]


def test_planes_of_two_betas_go_where_there_are_more(data: dict[str, Any]) -> None:
    assert data["rate_plane"] is None and data["beta_plane"] is None and data["surface"] is None
    assert data["total_plane"]["bar"]["text"] == "share of 1×1"
    share = data["total_plane"]["splits"]["validation"]["colour"]
    values = [run["values"]["validation"] for run in data["runs"]]
    assert share == pytest.approx([one["group_rates"][0] / one["rate"] for one in values])


def test_two_groups_of_many_layers_are_a_plane(tmp_path: Path) -> None:
    folder = sweep(tmp_path, blocks="1x1,7x2,14x2", groups=("1-7", "14"), steps=3, pictures=False)
    data = page_data(folder, read_table(folder))
    assert data["many"] is None and data["axes"] == 2
    points = data["rate_plane"]["splits"]["test"]["points"]
    rates = [run["values"]["test"]["group_rates"] for run in data["runs"]]
    np.testing.assert_allclose(np.array([points["x"], points["y"]]).T, rates)
    assert data["rate_plane"]["y_title"] == "R(14×14|1×1, 7×7), nats"
    assert data["beta_plane"]["x_title"] == "β(1×1, 7×7), the price of a nat in 1×1, 7×7"
    assert data["beta_plane"]["points"]["y"] == [run["betas"][-1] for run in data["runs"]]


def test_a_point_of_the_simplex_is_the_shares_of_its_model(data: dict[str, Any]) -> None:
    simplex, runs = data["many"]["simplex"], data["runs"]
    corners = np.array(simplex["corners"])
    points = simplex["splits"]["validation"]["points"]
    for x, y, run in zip(points["x"], points["y"], runs, strict=True):
        values = run["values"]["validation"]
        np.testing.assert_allclose([x, y], np.array(values["group_rates"]) / values["rate"] @ corners)
    for share, which, start, end in simplex["lines"]:  # every point of a line has the share that it says
        for point in (start, end):
            others = np.linalg.solve(np.vstack([corners.T, np.ones(3)]), [*point, 1])
            assert others[which] == pytest.approx(share)


def test_a_model_that_carries_nothing_is_not_in_the_simplex(table: Table, groups: list[Group]) -> None:
    rows = finished(table)
    rows.loc[2, [name for name in rows if name.startswith("rate")]] = 0.001
    many = groups_data(rows, groups, {"validation": ""}, [], {})
    assert many is not None
    simplex = many["simplex"]
    assert simplex["splits"]["validation"]["points"]["x"][2] is None
    assert "Not shown: 1 of less than 0.1 nats" in simplex["note"]


def test_parallel_axes_are_rates_then_the_whole_then_what_decides_for_uses(data: dict[str, Any], table: Table) -> None:
    axes = data["many"]["parallel"]
    uses = [name for name in uses_of(table) if name != "psnr"]
    assert [axis["id"] for axis in axes] == ["group 0", "group 1", "group 2", "rate", "distortion", "psnr", *uses]
    assert len(uses) == 2 and axes[1]["title"] == "rate of 7×7"
    for axis in axes:
        for split in data["splits"]:
            known = [
                run["values"][split]["group_rates"][axis["group"]]
                if axis["column"] is None
                else run["values"][split][axis["column"]]
                for run in data["runs"]
            ]
            assert axis["scales"][split]["ends"] == [min(known), max(known)]


def test_of_many_layers_the_best_is_picked_and_not_each(tmp_path: Path) -> None:
    folder = sweep(tmp_path, blocks="1x2,7x3,14x2", points=9, labels=True, pictures=False)
    table = read_table(folder)
    picks = picks_data(table, measured_metrics(finished(table)), uses_of(table))
    (knn,) = [pick for pick in picks if pick["metric"].startswith("accuracy_knn")]
    chosen = best(table, "accuracy_knn")
    assert (knn["metric"], knn["best"]) == (chosen.metric.column, chosen.run)
    (representation,) = [pick for pick in picks if pick["metric"].startswith("accuracy_rbf")]
    assert representation["heading"].startswith("For representation")


def test_pictures_by_group_are_shown_where_they_are(folder: SweepFolder, table: Table) -> None:
    rows = finished(table).head(2)
    path = folder.path / "runs" / str(rows["run"].iloc[1]) / "samples_by_group.png"
    strip(rows=3, blur=0).save(path)
    without, shown = models_data(folder, rows, {"validation": ""}, [], groups_of(folder.spec()))
    path.unlink()
    assert "by_group" not in without
    assert shown["by_group"][0] is None and shown["by_group"][1].startswith("data:image/png")


# ---- figures


def scatters(figure: Figure, panel: int) -> np.ndarray:
    """Where the points of a panel lie ``[N, 2]``."""
    found = [one for one in figure.axes[panel].collections if isinstance(one, PathCollection)]
    (points,) = [one for one in found if one.get_array() is not None]
    return np.asarray(points.get_offsets())


def test_pairs_show_the_rates_of_every_two_groups(table: Table, groups: list[Group]) -> None:
    figure, rows = pairs_figure(table, groups, PSNR), finished(table)
    rates = group_rates(rows, groups)
    for panel, (x, y) in enumerate(((0, 1), (0, 2), (1, 2))):
        np.testing.assert_allclose(scatters(figure, panel), np.stack([rates[x], rates[y]], axis=1))
    assert len(figure.axes) == 3
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "1×1  (nats)", "7×7  (nats)"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["7×7  (nats)", "14×14  (nats)", ""]


def test_the_simplex_is_beside_the_total_rate(table: Table, groups: list[Group]) -> None:
    figure, rows = figures.landscape_figure(table, PSNR, groups), finished(table)
    one, _, three = (rate / rows["rate"] for rate in group_rates(rows, groups))
    np.testing.assert_allclose(scatters(figure, 1), np.stack([three + one / 2, one * 3**0.5 / 2], axis=1))
    assert {"1×1", "7×7", "14×14", "25 %"} <= {text.get_text() for text in figure.axes[1].texts}


def test_parallel_lines_cross_each_axis_at_their_number(table: Table, groups: list[Group]) -> None:
    figure, rows = parallel_figure(table, groups, PSNR), finished(table)
    (lines,) = [one for one in figure.axes[0].collections if isinstance(one, LineCollection)]
    drawn = np.array([np.asarray(line)[:, 1] for line in lines.get_segments()])  # [N, axes]
    shown = along(measured_metrics(rows), uses_of(table))
    columns = [*group_rates(rows, groups), *(rows[one.column] for one in shown)]
    for values, heights in zip(columns, drawn.T, strict=True):
        np.testing.assert_allclose(heights, (values - values.min()) / (values.max() - values.min()))
    assert drawn.shape == (len(rows), 8)


@pytest.mark.parametrize("drawing", [pairs_figure, parallel_figure, figures.landscape_figure])
def test_nothing_is_drawn_outside_the_figures(table: Table, groups: list[Group], drawing: Any) -> None:
    arguments = (table, PSNR, groups) if drawing is figures.landscape_figure else (table, groups, PSNR)
    drawn = FigureCanvasAgg(drawing(*arguments))
    drawn.draw()
    box = drawn.figure.get_tightbbox(drawn.get_renderer())
    assert box.x0 >= 0 and box.y0 >= 0
    assert box.x1 <= drawn.figure.get_figwidth() and box.y1 <= drawn.figure.get_figheight()


def test_figures_of_many_betas_are_saved(folder: SweepFolder, unrendered: None) -> None:
    assert [path.name for path in figures.save_figures(folder)] == ["landscape.png", "pairs.png", "parallel.png"]
