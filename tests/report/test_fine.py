"""The landscape in between: drawn and shown is what its file holds, and a damaged file is one clear line."""

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.chromium import Chromium
from helpers.sweep_on_disk import in_between, sweep
from helpers.sweeps import copied
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from PIL import Image

from ratescape.errors import RecordError
from ratescape.metrics import measured_metrics
from ratescape.records.fine import read_fine
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table, read_table
from ratescape.report import figures
from ratescape.report.fine import fine_figure, fine_of, over_grid
from ratescape.report.fine_uses import uses_figure
from ratescape.report.groups import single_layers
from ratescape.report.page import page_data, write, write_page
from ratescape.report.page.refined import refined_data
from ratescape.report.plots import palette
from ratescape.selection import measured


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return sweep(tmp_path_factory.mktemp("conditioned"), conditioned=True, pictures=False)


@pytest.fixture(scope="module")
def between(folder: SweepFolder) -> pd.DataFrame:
    found = fine_of(folder)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def figure(folder: SweepFolder, between: pd.DataFrame) -> Figure:
    return fine_figure(read_table(folder), between)


# ---- the file


def test_it_holds_every_point_to_the_last_digit(folder: SweepFolder) -> None:
    found = read_fine(folder)
    assert found is not None and len(found) == 441
    wanted = in_between((10.0, 0.1))
    row = found[(found["beta_2"] == 10) & (found["beta_1"] == 0.1)].iloc[0]
    assert [row["rate_2"], row["rate_1"]] == wanted["rates"]
    assert [row[name] for name in ("rate", "distortion", "nelbo", "psnr")] == [
        wanted[name] for name in ("rate", "distortion", "nelbo", "psnr")
    ]


def test_most_landscapes_have_none(tmp_path: Path) -> None:
    dedicated = sweep(tmp_path / "dedicated", steps=2, diverged=None, missing=None, pictures=False)
    assert read_fine(dedicated) is None
    assert page_data(dedicated, read_table(dedicated))["fine"] is None
    assert [path.name for path in figures.save_figures(dedicated)] == ["landscape.png"]
    unfinished = sweep(tmp_path / "unfinished", steps=2, conditioned=True, pictures=False)
    unfinished.fine.unlink()
    assert read_fine(unfinished) is None


def test_three_layers_are_read_but_not_drawn(tmp_path: Path) -> None:
    deep = sweep(tmp_path, latents=(4, 4, 4), groups=(0, 0, 1), steps=2, conditioned=True, pictures=False)
    found = read_fine(deep)
    assert found is not None and found["beta_3"].equals(found["beta_2"])
    assert fine_of(deep) is None


DAMAGES: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "no table": lambda text: "\x00\x01,\n3",
    "a line short": lambda text: text.rsplit("\n", 2)[0] + "\n",
    "cut within a line": lambda text: text[:-60],
    "a word for a number": lambda text: text[:-9] + "much\n",
    "a column renamed": lambda text: text.replace("psnr", "snr", 1),
    "other betas": lambda text: text.replace("\n0.1,0.1,", "\n0.1,0.11,", 1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_one_line_with_a_remedy(folder: SweepFolder, damage: Callable[[str], str]) -> None:
    whole = folder.fine.read_text()
    try:
        folder.fine.write_text(damage(whole))
        with pytest.raises(RecordError) as caught:
            fine_of(folder)
    finally:
        folder.fine.write_text(whole)
    message = str(caught.value)
    assert message == f"{folder.fine} is damaged: delete it and run the same command again"


def with_uses(folder: SweepFolder, path: Path) -> SweepFolder:
    """A copy whose fine landscape tells of restoring and anomalies: best where the lower beta is large, and small."""
    found = copied(folder, path)
    table = pd.read_csv(found.fine)
    uses = table.assign(auroc_auto=1 - 0.01 * table["beta_1"], psnr_half=np.log(table["beta_1"]))
    found.fine.write_text(uses.to_csv(index=False))
    return found


def test_columns_of_uses_are_read_where_they_are_asked_for(folder: SweepFolder, tmp_path: Path) -> None:
    one = with_uses(folder, tmp_path / "one")
    plain, whole = read_fine(one), read_fine(one, uses=True)
    assert plain is not None and whole is not None
    assert [*whole] == [*plain, "auroc_auto", "psnr_half"] and whole["psnr_half"].nunique() == 21
    drawn = figures.save_figures(one)
    assert (one.path / "figures" / "uses.png") in drawn
    fine = page_data(one, read_table(one))["fine"]
    assert np.array(fine["values"]["psnr_half"]).shape == (21, 21) and "psnr_half" in fine["values"]


def test_each_use_has_a_panel_with_its_best_point(folder: SweepFolder, tmp_path: Path) -> None:
    between = fine_of(with_uses(folder, tmp_path / "one"))
    assert between is not None
    drawn = uses_figure(between, read_table(folder), images=16)
    titles = [axes.get_title() for axes in drawn.axes]
    assert len(titles) == 3 and titles[0].startswith("PSNR (dB)")
    stars = [next(line for line in axes.lines if line.get_marker() == "*").get_xydata() for axes in drawn.axes]
    auroc, half = (np.asarray(star)[0, 1] for star in stars[1:])
    assert (auroc, half) == pytest.approx((0.1, 10.0))
    assert "16 images restored, 160 items" in " ".join(text.get_text() for text in drawn.texts)


# ---- the figure


def contours(axes: Axes, filled: bool) -> list[QuadContourSet]:
    return [c for c in axes.collections if isinstance(c, QuadContourSet) and c.filled is filled]


def bar_texts(axes: Axes) -> list[str]:
    """Numbers and name of the scale of colour beside an axes."""
    return [text.get_text() for text in axes.texts if text.get_gid() == palette.BAR]


def points_of(line: Line2D) -> np.ndarray:
    """Points of a line ``[N, 2]``."""
    return np.asarray(line.get_xydata())


def test_both_planes_are_named_and_share_one_colour_bar(figure: Figure) -> None:
    left, right = figure.axes
    assert left.get_xlabel() == "R(z₂)  (nats)" and "z₁ | z₂" in left.get_ylabel()
    assert right.get_xlabel().startswith("β₂") and right.get_ylabel().startswith("β₁")
    assert right.get_xscale() == right.get_yscale() == "log"
    assert [bar_texts(axes)[-1:] for axes in (left, right)] == [[], ["PSNR (dB)"]]


@pytest.mark.parametrize("flat", [1.0, 0.03])
def test_labels_of_betas_keep_apart(folder: SweepFolder, between: pd.DataFrame, flat: float) -> None:
    """Where lines end close together, too."""
    drawn = fine_figure(read_table(folder), between.assign(rate_1=5 + flat * between["rate_1"]))
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    texts = [text for text in drawn.axes[0].texts if isinstance(text, Annotation) and text.get_gid() is None]
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in texts]
    assert len(boxes) >= 3
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_a_contour_lies_where_the_metric_has_its_value(figure: Figure) -> None:
    """By interpolation of the made-up truth, which bends by far less than the tolerance within a cell."""
    left, right = figure.axes[:2]
    (bands,), (rates,) = contours(right, True), contours(right, False)
    levels = np.asarray(bands.levels)
    assert levels[0] <= 11.57 and levels[-1] >= 17.87 and len(levels) > 10
    np.testing.assert_array_equal(contours(left, True)[0].levels, levels)
    assert {text.get_text() for text in rates.labelTexts} <= {f"{level:g}" for level in rates.levels}
    assert len(rates.labelTexts) >= 5
    for level, path in zip(rates.levels, rates.get_paths(), strict=True):
        for beta_2, beta_1 in np.asarray(path.vertices):
            assert in_between((float(beta_2), float(beta_1)))["rate"] == pytest.approx(level, abs=0.3)


@pytest.mark.parametrize(("side", "columns"), [(0, ["rate_2", "rate_1"]), (1, ["beta_2", "beta_1"])])
def test_dots_are_the_models_and_the_dashed_line_the_beta_vaes(
    folder: SweepFolder, between: pd.DataFrame, figure: Figure, side: int, columns: list[str]
) -> None:
    axes, rows = figure.axes[side], measured(read_table(folder))
    (dots,) = [c for c in axes.collections if isinstance(c, PathCollection)]
    np.testing.assert_allclose(np.asarray(dots.get_offsets()), rows[columns])
    np.testing.assert_allclose(np.asarray(dots.get_array()), rows["psnr"])
    (dashed,) = [line for line in axes.lines if line.get_color() == palette.BETA_VAE]
    equal = between[between["beta_2"] == between["beta_1"]]
    np.testing.assert_allclose(points_of(dashed), equal[columns])
    assert len(equal) == 21


def test_lines_of_constant_beta_are_labelled_with_it(between: pd.DataFrame, figure: Figure) -> None:
    axes = figure.axes[0]
    for column, sign, style in (("beta_2", "β₂", "-"), ("beta_1", "β₁", ":")):
        drawn = [line for line in axes.lines if line.get_linestyle() == style and len(points_of(line)) == 21]
        betas = (0.1, 0.316227766, 1, 3.16227766, 10)
        assert len(drawn) == len(betas)
        for line, beta in zip(drawn, betas, strict=True):
            np.testing.assert_allclose(points_of(line), between[between[column] == beta][["rate_2", "rate_1"]])
            end = tuple(points_of(line)[0])
            assert f"{sign} {beta:.2g}" in {text.get_text() for text in axes.texts if getattr(text, "xy", None) == end}


def test_a_fold_and_a_hole_leave_a_figure(folder: SweepFolder, between: pd.DataFrame) -> None:
    """Where two betas give the same rates and PSNR the plane is painted twice, and not left blank."""
    folded = between.copy()
    folded["rate_2"] = 10 - (folded["rate_2"] - 8).abs()  # betas beyond 8 nats lie upon those before
    folded["rate"] = folded["rate_2"] + folded["rate_1"]
    folded["psnr"] = 12 + 0.1 * folded["rate"]
    folded.loc[5, folded.columns[2:]] = np.nan
    figure = fine_figure(read_table(folder), folded)
    drawn = FigureCanvasAgg(figure)
    drawn.draw()
    pixels = np.asarray(drawn.buffer_rgba())
    corners = [over_grid(folded, name) for name in ("rate_2", "rate_1")]
    middles = np.stack([(c[1:, 1:] + c[:-1, :-1] + c[1:, :-1] + c[:-1, 1:]).ravel() / 4 for c in corners], axis=1)
    known = middles[np.isfinite(middles).all(axis=1)]
    across, up = figure.axes[0].transData.transform(known).round().astype(int).T
    blank = (pixels[pixels.shape[0] - 1 - up, across, :3] > 235).all(axis=1)
    assert len(known) == 400 - 2  # a hole on the border spoils two cells
    assert blank.mean() < 0.03  # the white outlines of the dashed line and of the labels


def test_it_is_the_figure_of_the_landscape(folder: SweepFolder, figure: Figure) -> None:
    (png,) = figures.save_figures(folder)
    assert png == folder.path / "figures" / "landscape.png"
    drawn = FigureCanvasAgg(figure)
    drawn.draw()
    with Image.open(png) as picture:
        assert picture.width >= 1600
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(drawn.buffer_rgba())[..., :3])


# ---- the page


def test_the_page_holds_the_grid_by_beta_1_and_beta_2(folder: SweepFolder) -> None:
    page = page_data(folder, read_table(folder))
    data = page["fine"]
    across, up = data["betas"]
    assert len(across) == len(up) == 21
    for row, column in ((0, 0), (3, 17), (20, 5)):
        wanted = in_between((across[column], up[row]))
        assert [data["values"][f"rate_{k}"][row][column] for k in (2, 1)] == wanted["rates"]
        assert data["values"]["psnr"][row][column] == wanted["psnr"]
        weighted = across[column] * wanted["rates"][0] + up[row] * wanted["rates"][1]
        assert data["values"]["loss"][row][column] == pytest.approx(wanted["distortion"] + weighted)
    assert {metric["column"] for metric in data["metrics"]} == set(data["values"])
    assert set(data["values"]) <= {metric["column"] for metric in page["metrics"]}
    json.dumps(data, allow_nan=False)


def test_scales_and_axes_have_room_for_surface_and_models(folder: SweepFolder) -> None:
    page, rows = page_data(folder, read_table(folder)), measured(read_table(folder))
    between = read_fine(folder)
    assert between is not None
    low, high = page["ranges"]["validation"]["psnr"]
    assert low == min(between["psnr"].min(), rows["psnr"].min())
    assert high == max(between["psnr"].max(), rows["psnr"].max())
    assert "trained on" not in page["fine"]["note"]
    table = read_table(folder)
    known = page_data(folder, dataclasses.replace(table, rows=table.rows.assign(se_psnr=0.5)))
    below, above = known["limits"]["validation"]["psnr"]
    assert below < rows["psnr"].min() - 0.5 and above > rows["psnr"].max() + 0.5  # error bars are whole
    x, y = (page["rate_plane"]["splits"]["validation"][axis]["limits"] for axis in "xy")
    assert x[1] > between["rate_2"].max() and y[1] > between["rate_1"].max()


def test_each_point_of_the_surface_leads_to_the_nearest_model(folder: SweepFolder) -> None:
    page = page_data(folder, read_table(folder))
    data, runs = page["fine"], page["runs"]
    (across, up), nearest, on_grid = data["betas"], np.array(data["nearest"]), np.array(data["on_grid"])
    assert on_grid.sum() == len(runs) == 23
    for row, column in np.ndindex(nearest.shape):
        here = np.log([across[column], up[row]])
        distances = [np.abs(here - np.log(run["betas"])).max() for run in runs]
        if on_grid[row, column]:
            assert distances[nearest[row, column]] < 1e-6
        else:
            assert min(distances) > 0.1
    assert runs[nearest[1, 1]]["betas"] == [0.1, 0.1]  # of the corner's cell


def flat(grid: list[list[float]]) -> list[float]:
    return list(itertools.chain.from_iterable(grid))


TRACE = "document.getElementById('{}').data.find((trace) => trace.name === '{}')"


def choose(browser: Chromium, column: str) -> None:
    browser.evaluate(
        "(() => { const select = document.getElementById('metric'); "
        f"select.value = '{column}'; select.dispatchEvent(new Event('change')); }})()"
    )


@pytest.mark.browser
def test_the_page_opens_with_the_surface_on_a_phone_too(browser: Chromium, tmp_path: Path) -> None:
    folder = sweep(tmp_path, conditioned=True, labels=True, pictures=False)
    browser.open(write_page(folder), 390, 844, phone=True, dark=True)
    page = page_data(folder, read_table(folder))
    values, runs = page["fine"]["values"], page["runs"]
    for column in ("psnr", "nelbo", "rate_2"):
        if column != "psnr":  # with which it opens
            choose(browser, column)
        assert browser.evaluate(TRACE.format("right", "fine") + ".z") == values[column]
        assert browser.evaluate(TRACE.format("right", "models") + ".marker.symbol") == "circle"
        cells = "document.getElementById('left').data.filter((trace) => trace.name === 'cells')"
        assert browser.evaluate(f"{cells}.flatMap((trace) => trace.x).filter((x) => x === null).length") == 400
    assert browser.evaluate(TRACE.format("left", "fine") + ".y") == flat(values["rate_1"])
    note = browser.evaluate("document.getElementById('fine-note').textContent")
    assert "at 441 of them, on up to 1,000 images of validation" in note
    choose(browser, "accuracy_rbf_2")  # of the grid's models only: their cells, and no colours beneath
    assert browser.evaluate(TRACE.format("right", "fine") + " === undefined")
    assert browser.evaluate(f"{cells}.length") == 0
    assert browser.evaluate(TRACE.format("right", "models") + ".marker.symbol") == "square"
    shown = [run["values"]["validation"]["accuracy_rbf_2"] for run in runs]
    assert browser.evaluate(TRACE.format("left", "models") + ".marker.color") == shown
    assert "models of the grid only" in browser.evaluate("document.getElementById('explanation').textContent")
    assert browser.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [390, 390]
    assert browser.complaints() == []


@pytest.mark.browser
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_surface_names_its_betas_and_numbers_and_a_click_selects_the_nearest_model(
    browser: Chromium, folder: SweepFolder, side: str
) -> None:
    browser.open(write_page(folder), 1280, 900)
    data = page_data(folder, read_table(folder))["fine"]
    across, up = data["betas"]
    point = in_between((across[12], up[8]))
    place = (across[12], up[8]) if side == "right" else tuple(point["rates"])
    x, y = browser.evaluate(
        f"""(() => {{
          const node = document.getElementById('{side}');
          node.scrollIntoView({{block: 'center'}});
          const {{xaxis, yaxis}} = node._fullLayout, box = node.getBoundingClientRect();
          return [box.x + xaxis._offset + xaxis.d2p({place[0]}), box.y + yaxis._offset + yaxis.d2p({place[1]})];
        }})()"""
    )
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    browser.wait(f"document.querySelector('#{side} .hovertext') !== null")
    label = browser.evaluate(f"document.querySelector('#{side} .hovertext').textContent")
    for part in ("β₂ = 1.58, β₁ = 0.631", f"PSNR {point['psnr']:.2f} dB", "R(z₁|z₂)"):
        assert part in label
    browser.click(x, y)
    browser.wait("document.getElementById('model-title').textContent === 'β₂ = 1, β₁ = 1'")
    assert browser.complaints() == []


def refined_from(folder: SweepFolder) -> pd.DataFrame:
    """Two refined models: the plain VAE of the grid, better by 1 dB at 3 nats more, and one between its points."""
    rows = measured(read_table(folder))
    grid = rows[(rows["beta_2"] == 1) & (rows["beta_1"] == 1)]
    found = pd.concat([grid, grid.assign(beta_2=2.0)], ignore_index=True)
    before = found.drop(columns=["run", "seed", "status", "beta_2", "beta_1"]).add_prefix("before_")
    for prefix in ("", "test_"):
        found[[f"{prefix}psnr", f"{prefix}rate_1", f"{prefix}rate"]] += [1.0, 3.0, 3.0]
    own = {"run": ["refined-1", "refined-2"], "epochs": 4, "origin": [grid["run"].iloc[0], None]}
    return pd.concat([found.drop(columns="run"), before, pd.DataFrame(own)], axis=1)


def test_a_refined_model_without_some_number_is_shown(folder: SweepFolder) -> None:
    """The probe of a layer without variance has neither score nor error: JSON's null, before and after."""
    gaps = dict.fromkeys(("accuracy_rbf_2", "before_accuracy_rbf_2", "se_accuracy_rbf_2", "se_psnr", "se_gain_psnr"))
    rows = measured(read_table(folder))
    refined, groups = refined_from(folder).astype(object).assign(**gaps), single_layers(rows)
    shown, _ = refined_data(folder, refined, rows, {"validation": ""}, measured_metrics(rows), groups)
    assert "psnr" in shown["improved"] and "accuracy_rbf_2" not in shown["improved"]
    assert shown["values"]["validation"].get("accuracy_rbf_2") is None


def test_what_refining_made_worse_is_told_and_of_a_collapsed_layer_nothing(tmp_path: Path) -> None:
    folder = sweep(tmp_path, conditioned=True, labels=True, pictures=False)
    rows = measured(read_table(folder))
    changes = {"nelbo": 1e3, "se_nelbo": 1.0, "accuracy_rbf_2": 0.9, "before_accuracy_rbf_2": 0.1, "rate_2": 0.01}
    changes |= {"se_accuracy_rbf_2": 0.01, "before_se_accuracy_rbf_2": 0.01, "before_se_nelbo": 1.0}
    refined, groups = refined_from(folder).copy().assign(**changes), single_layers(rows)
    shown, _ = refined_data(folder, refined, rows, {"validation": ""}, measured_metrics(rows), groups)
    assert "nelbo" in shown["worsened"] and "psnr" in shown["improved"]
    assert not {"accuracy_rbf_2", "rate_2"} & {*shown["improved"], *shown["worsened"]}
    alive, _ = refined_data(
        folder, refined.assign(rate_2=5.0, active_2=3), rows, {"validation": ""}, measured_metrics(rows), groups
    )
    assert "accuracy_rbf_2" in alive["improved"]


def test_refined_models_are_shown_before_and_after(folder: SweepFolder) -> None:
    page = page_data(folder, read_table(folder), refined_from(folder))
    first, second = page["refined"]
    vae = next(run for run in page["runs"] if run["betas"] == [1, 1])
    assert page["runs"][first["origin"]] == vae and second["origin"] is None
    assert (first["epochs"], first["before"]) == (4, vae["values"])
    for split in ("validation", "test"):
        assert first["values"][split]["psnr"] == vae["values"][split]["psnr"] + 1
        assert first["values"][split]["rates"][1] == vae["values"][split]["rates"][1] + 3
    assert "refined-1" in first["python"]
    assert page_data(folder, read_table(folder))["refined"] == []


@pytest.mark.browser
def test_refined_models_have_marks_a_table_and_a_line_beside_the_pick(
    browser: Chromium, folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    refined, table = refined_from(folder), read_table(folder)
    refined.loc[1, "origin"] = page_data(folder, table)["selected"]
    data = page_data(folder, table, refined)
    told = Table(refined, 0, ("its file is damaged",), table.split)
    monkeypatch.setattr(write, "read_refined", lambda folder, table: told)
    browser.open(write_page(folder), 800, 900)
    assert "its file is damaged" in browser.evaluate("document.getElementById('warning-list').textContent")
    found = [one["values"]["validation"] for one in data["refined"]]
    assert browser.evaluate(TRACE.format("left", "refined") + ".x") == [one["rates"][0] for one in found]
    assert browser.evaluate(TRACE.format("right", "refined") + ".x") == [1, 2]
    assert browser.evaluate(TRACE.format("left", "refined") + ".marker.color") == [one["psnr"] for one in found]
    before, after = (data["refined"][1][when]["test"]["psnr"] for when in ("before", "values"))
    row = refined.iloc[1]
    kept = "" if row["psnr"] > row["before_psnr"] else " (not kept: no better where models are chosen)"
    line = f"refined for 4 epochs: {before:.2f} → {after:.2f} dB{kept}"
    assert browser.evaluate("document.querySelector('.refinement').textContent") == line
    cells = browser.evaluate("[...document.querySelectorAll('#refined tbody tr')].map((row) => row.textContent)")
    assert len(cells) == 2 and f"{before:.2f} → {after:.2f}" in cells[1] and "refined-2" in cells[1]
    assert browser.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [800, 800]
    assert browser.complaints() == []


@pytest.mark.browser
def test_without_a_fine_landscape_there_is_no_surface(browser: Chromium, tmp_path: Path) -> None:
    browser.open(write_page(sweep(tmp_path, steps=3, pictures=False)))
    assert browser.evaluate("document.getElementById('fine-note').getBoundingClientRect().height") == 0
    assert browser.evaluate(TRACE.format("left", "fine") + " === undefined")
    assert browser.complaints() == []
