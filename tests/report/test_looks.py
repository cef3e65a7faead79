"""How the page looks: planes that fill their place, the hull where it belongs, large pictures, errors, many models."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.chromium import Chromium
from helpers.sweep_on_disk import refine_on_disk, sweep

from ratescape.records.folders import SweepFolder
from ratescape.records.refined import read_refined
from ratescape.records.table import read_table
from ratescape.report.page import page_data, render, write_page

Page = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return sweep(tmp_path_factory.mktemp("sweep"), labels=True)


@pytest.fixture
def page_of(folder: SweepFolder, tmp_path: Path) -> Page:
    """The page over the sweep, after a function has changed its data."""

    def made(change: Callable[[dict[str, Any]], None] = lambda data: None) -> Path:
        data = page_data(folder, read_table(folder))
        change(data)
        path = tmp_path / "report.html"
        path.write_text(render(data))
        return path

    return made


def text(browser: Chromium, name: str) -> str:
    return browser.evaluate(f"document.getElementById('{name}').textContent")


def trace(side: str, name: str) -> str:
    return f"document.getElementById('{side}').data.find((trace) => trace.name === '{name}')"


def stretched(up: float) -> Callable[[dict[str, Any]], None]:
    """Rates of 20 nats in z_2, and so many in z_1."""

    def change(data: dict[str, Any]) -> None:
        for plane in data["rate_plane"]["splits"].values():
            plane |= {"x": {"limits": [0, 20]}, "y": {"limits": [0, up]}, "diagonals": []}
            plane["points"] = {"x": [5] * len(data["runs"]), "y": [up / 2] * len(data["runs"])}

    return change


# ---- planes


@pytest.mark.browser
@pytest.mark.parametrize(("width", "up"), [(390, 0.5), (390, 20), (1200, 4), (1200, 45), (1600, 10)])
def test_a_plane_of_rates_is_never_a_strip_and_says_when_a_nat_is_not_as_long(
    browser: Chromium, page_of: Page, width: int, up: float
) -> None:
    browser.open(page_of(stretched(up)), width, 1000, phone=width < 500)
    layout = "document.getElementById('left')._fullLayout"
    length, height = (browser.evaluate(f"{layout}.{axis}._length") for axis in ("xaxis", "yaxis"))
    place = [browser.evaluate(f"{layout}._size.{side}") for side in ("w", "h")]
    assert length >= 0.59 * place[0] and height >= 0.59 * place[1]
    shared = abs(length / 20 - height / up) < 0.02 * length / 20
    title = browser.evaluate(f"{layout}.yaxis.title.text")
    assert title.endswith("; own scale") is not shared


@pytest.mark.browser
def test_the_hull_is_joined_over_the_total_rate_and_only_marked_over_the_layer_rates(
    browser: Chromium, page_of: Page, folder: SweepFolder
) -> None:
    page = page_of()
    data = page_data(folder, read_table(folder))
    browser.open(page)
    hull = data["hulls"]["validation"]["psnr"]
    points = data["rate_plane"]["splits"]["validation"]["points"]
    assert browser.evaluate(f"{trace('left', 'hull line')} === undefined")
    assert browser.evaluate(f"{trace('left', 'hull')}.x") == [points["x"][index] for index in hull]
    browser.wait("document.getElementById('total').data !== undefined")
    total = [data["runs"][index]["values"]["validation"]["rate"] for index in hull]
    assert browser.evaluate(f"{trace('total', 'hull line')}.x") == total == sorted(total)
    assert "on the hull of PSNR over total rate" in text(browser, "key")
    assert "Dotted: the hull" in text(browser, "total-note")


@pytest.mark.parametrize(("steps", "drawn"), [(7, True), (6, False)])
def test_few_models_are_not_drawn_in_three_dimensions(tmp_path: Path, steps: int, drawn: bool) -> None:
    folder = sweep(tmp_path, labels=True, steps=steps, diverged=None, missing=None, pictures=False)
    assert (page_data(folder, read_table(folder))["surface"] is not None) is drawn


def test_where_no_sample_was_read_the_dots_under_the_ceilings_are_hollow(folder: SweepFolder) -> None:
    table = read_table(folder)
    less = table.rows.drop(columns=[name for name in table.rows if "accuracy_sample" in name])
    plane = page_data(folder, dataclasses.replace(table, rows=less))["ceiling_plane"]
    assert plane["metric"] == "accuracy_rbf_2" and plane["hollow"]
    assert "A sample of z₂ was not read" in plane["note"]
    assert page_data(folder, table)["ceiling_plane"]["hollow"] is False


@pytest.mark.browser
def test_the_key_names_the_frame_of_the_selected_cell_where_there_are_cells(browser: Chromium, page_of: Page) -> None:
    browser.open(page_of())
    frames = "document.querySelectorAll('#key .ring.frame').length"
    assert browser.evaluate(frames) == 1
    assert "highlighted" in text(browser, "table1-note")
    browser.open(page_of(lambda data: data["beta_plane"].update(seeds=None)))
    assert browser.evaluate(frames) == 0


# ---- pictures and tables


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1200, 1600])
def test_pictures_are_enlarged_by_whole_factors_and_show_every_image_once(
    browser: Chromium, page_of: Page, width: int
) -> None:
    browser.open(page_of(), width, 1000, phone=width < 500)
    browser.wait("[...document.querySelectorAll('#pictures img')].every((image) => image.naturalWidth > 0)")
    lines = browser.evaluate(
        """[...document.querySelectorAll('#pictures figure')].map((figure) =>
          [...figure.querySelectorAll('.line')].map((line) => {
            const image = line.firstChild;
            const box = line.getBoundingClientRect();
            return [image.clientWidth / image.naturalWidth, box.left - image.getBoundingClientRect().left, box.width];
          }))"""
    )
    assert len(lines) == 2
    for strip in lines:
        (factor,) = {factor for factor, _, _ in strip}
        assert factor == int(factor) and 80 <= 28 * factor <= 128
        starts, widths = [start for _, start, _ in strip], [wide for _, _, wide in strip]
        assert starts == [sum(widths[:index]) for index in range(len(widths))]
        assert sum(widths) == 8 * 28 * factor
    names = browser.evaluate(
        "[...document.querySelectorAll('#pictures img')].map((image) => image.alt).filter(Boolean)"
    )
    assert names == ["Originals above, their reconstructions below", "Samples from the prior"]


@pytest.mark.browser
def test_the_table_of_refined_models_is_whole_at_1200_pixels(browser: Chromium, tmp_path: Path) -> None:
    folder = sweep(tmp_path, labels=True, conditioned=True, steps=3, pictures=False)
    refine_on_disk(folder, (10.0, 0.1), 2.0)
    browser.open(write_page(folder), 1200)
    assert browser.evaluate("document.querySelectorAll('#refined tbody tr').length") == 1
    known = page_data(folder, read_table(folder), read_refined(folder, read_table(folder)).rows)
    (refined,) = known["refined"]
    assert "nelbo" in refined["improved"]
    choose = (
        "(() => {{ const chooser = document.getElementById('chooser'); chooser.value = '{}'; "
        "chooser.dispatchEvent(new Event('change')); }})()"
    )
    browser.evaluate(choose.format(refined["origin"]))  # its card offers the better one first, and says so
    assert browser.evaluate("document.querySelector('#better code').textContent") == refined["python"]
    assert "better by −ELBO" in text(browser, "better").replace("PSNR, ", "")
    browser.evaluate(choose.format((refined["origin"] + 1) % len(known["runs"])))
    assert text(browser, "better") == ""
    wide, place = browser.evaluate(
        "(() => { const t = document.getElementById('refined'); return [t.scrollWidth, t.parentNode.clientWidth]; })()"
    )
    assert wide <= place


# ---- errors


def with_errors(folder: SweepFolder) -> dict[str, Any]:
    table = read_table(folder)
    known = {"se_psnr": 0.0412, "test_se_psnr": 0.031, "se_accuracy_rbf_1": 0.0141, "se_nelbo": 1e-5, "se_rate_2": 0.3}
    return page_data(folder, dataclasses.replace(table, rows=table.rows.assign(**known)))


def test_errors_of_the_table_reach_the_page_and_nothing_where_there_are_none(folder: SweepFolder) -> None:
    values = with_errors(folder)["runs"][0]["values"]
    known = {"psnr": 0.0412, "accuracy_rbf_1": 0.0141, "nelbo": 1e-5, "rate_2": 0.3}
    assert values["validation"]["errors"] == known and values["test"]["errors"] == {"psnr": 0.031}
    without = page_data(folder, read_table(folder))
    assert {len(run["values"]["validation"]["errors"]) for run in without["runs"]} == {0}
    assert "standard error" in with_errors(folder)["total_plane"]["note"]
    assert "standard error" not in without["total_plane"]["note"]


@pytest.mark.browser
def test_a_number_stands_beside_its_error(browser: Chromium, folder: SweepFolder, page_of: Page) -> None:
    data = with_errors(folder)
    browser.open(page_of(lambda shown: shown.update(data)))
    run = data["runs"][0]["values"]["validation"]
    hover = browser.evaluate(f"{trace('left', 'models')}.text[0]")
    assert f"PSNR {run['psnr']:.2f} ± 0.04 dB" in hover
    assert f"μ₁ {100 * run['accuracy_rbf_1']:.1f} ± 1.4 %" in hover
    assert "± 0.03" in text(browser, "values") and "± <0.1" in text(browser, "values")
    assert "± 0.30" in text(browser, "layers")
    browser.wait("document.getElementById('total').data !== undefined")
    assert browser.evaluate(f"{trace('total', 'models')}.error_y.array") == [0.0412] * len(data["runs"])
    browser.open(page_of())
    assert "±" not in browser.evaluate("document.body.innerText")
    browser.wait("document.getElementById('total').data !== undefined")
    assert browser.evaluate(f"{trace('total', 'models')}.error_y === undefined")


# ---- many models


@pytest.mark.browser
def test_441_models_stay_light_and_a_click_waits_for_two_plots_alone(browser: Chromium, tmp_path: Path) -> None:
    folder = sweep(tmp_path, labels=True, steps=21, diverged=None, missing=None, pictures=False)
    data = page_data(folder, read_table(folder))
    few = data | {"runs": data["runs"][:1]}
    assert (len(render(data)) - len(render(few))) / 440 < 2_600  # bytes a model
    page = write_page(folder)
    browser.open(page)
    browser.wait("document.getElementById('ceiling').data !== undefined")
    drawn = browser.evaluate(
        """(() => {
          const drawn = [];
          const react = Plotly.react;
          Plotly.react = (node, ...how) => { drawn.push(node.id); return react(node, ...how); };
          const chooser = document.getElementById('chooser');
          chooser.value = '220';
          chooser.dispatchEvent(new Event('change'));
          window.drawn = drawn;
          return [...drawn];
        })()"""
    )
    assert drawn == ["left", "right"]
    assert text(browser, "model-title") == "β₂ = 1, β₁ = 1"
    browser.wait("['total', 'ceiling'].every((one) => window.drawn.includes(one))")
    for side in ("left", "total", "ceiling"):
        models = browser.evaluate(f"{trace(side, 'models')}.x")
        assert len(models) == 441
        assert browser.evaluate(f"{trace(side, 'selected')}.x") == [models[220]]
    assert browser.complaints() == []
