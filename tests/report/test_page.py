"""The page: its data, its safety against names, and its behaviour in a real headless browser."""

import base64
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from helpers.chromium import Chromium
from helpers.sweep_on_disk import damage, sweep

from ratescape.errors import SpecError
from ratescape.metrics import measured_metrics
from ratescape.records.folders import SweepFolder
from ratescape.records.table import read_table
from ratescape.report.page import notes, page_data, write_page
from ratescape.report.page.notes import warnings, with_not_drawn
from ratescape.report.paper import save_paper_figures
from ratescape.selection import best, hull_of, measured


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    folder = sweep(tmp_path_factory.mktemp("sweep"))
    write_page(folder)
    return folder


def embedded(page: Path) -> dict[str, Any]:
    """The data as a browser would find them: from their tag up to the first closing tag."""
    return json.loads(page.read_text().split('<script type="application/json" id="data">')[1].split("</script>")[0])


# ---- the data


def test_data_hold_every_model_with_its_numbers_on_both_splits(folder: SweepFolder) -> None:
    data, table = embedded(folder.report), read_table(folder)
    rows = measured(table)
    assert [run["run"] for run in data["runs"]] == rows["run"].tolist()
    for run, (_, row) in zip(data["runs"], rows.iterrows(), strict=True):
        assert run["betas"] == [row["beta_2"], row["beta_1"]]
        for split, prefix in (("validation", ""), ("test", "test_")):
            values = run["values"][split]
            assert values["rates"] == [row[prefix + "rate_2"], row[prefix + "rate_1"]]
            assert values["active"] == [row[prefix + "active_2"], row[prefix + "active_1"]]
            for metric in measured_metrics(rows):
                assert values[metric.column] == row[prefix + metric.column]


def test_hulls_and_picks_are_those_of_selection(folder: SweepFolder) -> None:
    data, table = embedded(folder.report), read_table(folder)
    for metric in measured_metrics(measured(table)):
        assert data["hulls"]["validation"][metric.column] == hull_of(measured(table), metric)
        assert data["hulls"]["test"][metric.column] == hull_of(measured(table), metric, "test_")
    assert data["selected"] == best(table, "reconstruction").run
    assert {pick["metric"] for pick in data["picks"]} == {"psnr", "nelbo", "distortion"}


def test_pictures_are_those_of_the_run_folder(folder: SweepFolder) -> None:
    run = embedded(folder.report)["runs"][3]
    kind, _, content = run["reconstructions"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content) == (folder.path / "runs" / run["run"] / "reconstructions.png").read_bytes()


def test_warnings_tell_of_all_that_is_wrong(tmp_path: Path) -> None:
    folder = sweep(tmp_path, pictures=False)
    damage(folder, 7)
    (tmp_path / "provenance.json").unlink()
    data = page_data(folder, read_table(folder))
    diverged, missing, broken, collapsed = data["warnings"]
    assert "1 training diverged" in diverged and "(0.1, 0.316)" in diverged
    assert "1 run not done" in missing
    assert folder.run(folder.spec().runs()[7]).path.name in broken
    assert re.match(r"z₂ has collapsed in \d of 22 models", collapsed)
    assert "provenance.json is missing" in data["provenance"]["unknown"]


def test_a_layer_that_is_dead_everywhere_is_told_on_top_with_a_remedy(folder: SweepFolder) -> None:
    table = read_table(folder)
    assert page_data(folder, table)["alarms"] == []  # z₂ has collapsed in some models only
    died = "z₂ carried 0.00 nats at betas (0.1, 10): not trained again: this landscape has a dead layer"
    again = "network of seed 1: z₂ carried 0.00 nats at betas (0.1, 10): trained again with learning rate 0.000333"
    data = page_data(folder, dataclasses.replace(table, retrained=(died, again)))
    (alarm,) = data["alarms"]
    assert alarm.startswith(f"In training, {died}. ") and "smaller --training.learning-rate" in alarm
    assert f"{again}." in data["warnings"] and not any(died in line for line in data["warnings"])
    nowhere = dataclasses.replace(table, rows=table.rows.assign(active_2=0.0))
    (alarm,) = page_data(folder, nowhere)["alarms"]
    assert alarm.startswith("z₂ has collapsed in every model. ")


def test_collapsed_layers_are_those_below_a_tenth_of_a_nat_or_without_active_units(folder: SweepFolder) -> None:
    runs = embedded(folder.report)["runs"]
    low = [
        r for r in runs if r["values"]["validation"]["rates"][0] < 0.1 or r["values"]["validation"]["active"][0] == 0
    ]
    assert low and [r["run"] for r in runs if r["collapsed"] == [2]] == [r["run"] for r in low]


def test_nothing_to_show_is_one_clear_error(tmp_path: Path) -> None:
    nothing = sweep(tmp_path, latents=(4,), steps=2, diverged=0, missing=1)
    with pytest.raises(SpecError, match=r"no finished model .1 diverged, 1 not done"):
        write_page(nothing)


EVIL = "data/</script><script>document.title='broken'</script><img src=x onerror=alert(1)>{{PLOTLY}}"


def test_names_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    page = write_page(sweep(tmp_path / "a'b $(x)", name=EVIL, steps=2, diverged=None, missing=None, pictures=False))
    text = page.read_text()
    assert embedded(page)["title"] == f"Rate landscape of {EVIL}"
    assert "<script>document.title" not in text and "<img src=x" not in text
    run = embedded(page)["runs"][0]
    assert run["shell"].startswith("ratescape evaluate '")
    assert f'/runs/{run["run"]}")' in run["python"]


def test_table_1_flags_and_ceilings_reach_the_page(tmp_path: Path) -> None:
    folder = sweep(tmp_path, labels=True, flagged=20, pictures=False)
    table = read_table(folder)
    data, rows = page_data(folder, table), measured(table)
    best = rows["accuracy_knn_1"].idxmax()
    cell = data["table1"]["cells"][1][data["table1"]["classifiers"].index("kNN")]
    assert cell == {"value": 100 * rows["test_accuracy_knn_1"][best], "run": rows["run"][best]}
    flagged = [run for run in data["runs"] if run["flag"]]
    assert [run["betas"] for run in flagged] == [[10.0, 0.1]]
    assert any("1 model with an accuracy on samples" in line and "(10, 0.1)" in line for line in data["warnings"])
    for run, ceiling in zip(data["runs"], rows["ceiling_rate_2"], strict=True):
        assert run["values"]["validation"]["ceiling_rate_2"] == ceiling
    assert [pick["metric"] for pick in data["picks"][:3]] == ["psnr", "inception_score", "accuracy_rbf_1"]


def test_ties_layers_and_what_has_no_winner_are_told(tmp_path: Path) -> None:
    folder = sweep(tmp_path, labels=True, pictures=False)
    table = read_table(folder)
    rows = table.rows.assign(inception_score=1.02, se_inception_score=0.01, score_of_data=9.0, se_psnr=5.0)
    picks = {pick["metric"]: pick for pick in page_data(folder, dataclasses.replace(table, rows=rows))["picks"]}
    nobody = picks["inception_score"]
    assert nobody["best"] is None and nobody["heading"].startswith("For generation")
    assert nobody["notes"][0].startswith("No model generates yet: the best inception score is 1.02")
    choice = best(dataclasses.replace(table, rows=rows), "reconstruction")
    assert picks["psnr"]["best"] == choice.run and len(choice.ties) > 5
    assert "Within one error of the best value: " in picks["psnr"]["notes"][0]
    layered = best(table, "representation")
    assert picks[layered.metric.column]["best"] == layered.run
    assert picks[layered.metric.column]["praise"] == "recommended for representation"
    simpler = picks[layered.metric.column]["simpler"]
    assert simpler["vae"] == {"run": layered.vae.run, "metric": layered.vae.metric.column}


def test_what_needs_labels_is_one_warning(folder: SweepFolder) -> None:
    """Eight lines said so of images without labels: one for what was not measured, and one for each figure."""
    absent = "not measured: inception_score, information, accuracy (the images have no labels)"
    table = dataclasses.replace(read_table(folder), absent=(absent,))
    skipped = save_paper_figures(folder).skipped
    assert len(skipped) >= 5
    lines = with_not_drawn(warnings(table), table, skipped | {"figure-9": "needs three layers"})
    (told,) = [line for line in lines if "labels" in line or "figure-5-generation" in line]
    assert told.startswith("Not measured: inception_score, information, accuracy (the images have no labels). For want")
    assert all(name in told for name in skipped) and lines[-1] == "Not drawn: figure-9 needs three layers."
    several = dataclasses.replace(table, absent=(absent, "not measured: x (y)"))
    assert sum("figure-5-generation" in line for line in with_not_drawn(warnings(several), several, skipped)) == 1


def test_without_labels_there_is_no_table_1(folder: SweepFolder) -> None:
    data = embedded(folder.report)
    assert data["table1"] is None
    assert not any(run["flag"] for run in data["runs"])


def test_metrics_carry_their_names_units_and_colours_with_bright_for_good(tmp_path: Path) -> None:
    folder = sweep(tmp_path, labels=True, steps=2, diverged=None, missing=None, pictures=False)
    metrics = {metric["column"]: metric for metric in page_data(folder, read_table(folder))["metrics"]}
    accuracy, nelbo = metrics["accuracy_rbf_1"], metrics["nelbo"]
    assert (accuracy["label"], accuracy["axis"]) == ("RBF SVM accuracy on μ₁ (%)", "RBF SVM accuracy on μ₁")
    assert (accuracy["layer"], accuracy["kind"], accuracy["percent"]) == (1, "RBF SVM accuracy on μ (%)", True)
    assert (nelbo["label"], nelbo["unit"]) == ("−ELBO (nats)", "nats")
    assert nelbo["colours"] == accuracy["colours"][::-1] and accuracy["colours"][-1] == "#fde725"
    assert {metric["use"]: metric["mark"] for metric in metrics.values() if metric["use"]} == {
        "reconstruction": "▲",
        "generation": "★",
        "representation": "◆",
    }


def test_seeds_share_a_cell_and_a_diverged_one_has_its_cross_in_it(tmp_path: Path) -> None:
    folder = sweep(tmp_path, seeds=(0, 1), steps=3, missing=None, pictures=False)
    data = page_data(folder, read_table(folder))
    plane, betas = data["beta_plane"], [run["betas"] for run in data["runs"]]
    assert (plane["seeds"], plane["x"]["cells"], plane["y"]["cells"]) == (2, 3, 3)
    for x, y, (top, below), run in zip(plane["points"]["x"], plane["points"]["y"], betas, data["runs"], strict=True):
        assert y == below
        assert x == pytest.approx(top * 10 ** (0.225 if run["seed"] else -0.225))  # a quarter of 0.9 of a decade
    assert plane["crosses"] == {"x": [pytest.approx(0.1 * 10**-0.225)], "y": [1.0]}


def test_layers_are_named_top_down(tmp_path: Path) -> None:
    folder = sweep(tmp_path, latents=(4, 4, 4), steps=2, diverged=None, missing=None, pictures=False)
    data = page_data(folder, read_table(folder))
    assert data["names"] == {
        "latents": ["z₃", "z₂", "z₁"],
        "betas": ["β₃", "β₂", "β₁"],
        "rates": ["R(z₃)", "R(z₂|z₃)", "R(z₁|z₂,…)"],
    }
    assert data["runs"][1]["title"] == "β₃ = 0.1, β₂ = 0.1, β₁ = 10"
    assert data["rate_plane"] is None  # three betas are no plane
    shared = sweep(tmp_path / "shared", latents=(4, 4, 4), groups=(0, 0, 0), steps=2, pictures=False)
    plane = page_data(shared, read_table(shared))["rate_plane"]
    assert plane["y_title"] == "R(z₂, z₁|z₃), nats"


# ---- the browser


@pytest.fixture(scope="module")
def desktop(browser: Chromium, folder: SweepFolder) -> Chromium:
    """The page on a desktop, opened once; a test brings it into the state that it needs."""
    browser.open(folder.report)
    return browser


MODELS = "document.getElementById('{}').data.find((trace) => trace.name === 'models')"
OVERFLOW = "[document.documentElement.scrollWidth, innerWidth]"


def models(browser: Chromium, side: str, what: str) -> Any:
    return browser.evaluate(MODELS.format(side) + "." + what)


def text(browser: Chromium, name: str) -> str:
    return browser.evaluate(f"document.getElementById('{name}').textContent")


def place_of(browser: Chromium, side: str, index: int) -> tuple[float, float]:
    """Centre of a model's mark on the screen; the models' trace is the only one with so many marks."""
    return tuple(
        browser.evaluate(
            f"""(() => {{
              const count = {MODELS.format(side)}.x.length;
              const group = [...document.querySelectorAll('#{side} .scatterlayer .trace')]
                .find((trace) => trace.querySelectorAll('path.point').length === count);
              group.scrollIntoView({{block: 'center'}});
              const box = group.querySelectorAll('path.point')[{index}].getBoundingClientRect();
              return [box.x + box.width / 2, box.y + box.height / 2];
            }})()"""
        )
    )


@pytest.mark.browser
def test_both_plots_show_every_model_without_complaint_or_network(desktop: Chromium, folder: SweepFolder) -> None:
    assert desktop.evaluate("document.querySelectorAll('.plot .main-svg').length") > 0
    for side in ("left", "right"):
        assert len(models(desktop, side, "x")) == 23
        drawn = desktop.evaluate(f"document.querySelectorAll('#{side} path.point').length")
        assert drawn > 23
    assert desktop.complaints() == []
    assert desktop.requests() == [folder.report.resolve().as_uri()]
    assert desktop.evaluate(OVERFLOW) == [1440, 1440]


@pytest.mark.browser
def test_recommended_model_is_selected_at_first(desktop: Chromium, folder: SweepFolder) -> None:
    assert text(desktop, "python").endswith(f'/runs/{embedded(folder.report)["selected"]}")')
    assert "recommended for reconstruction" in text(desktop, "badges")
    desktop.wait(
        "[...document.querySelectorAll('#pictures figure')]"
        ".filter((one) => one.querySelector('img').naturalWidth === 224).length === 2"
    )
    assert desktop.evaluate("getComputedStyle(document.querySelector('#pictures img')).imageRendering") == "pixelated"


@pytest.mark.browser
def test_metric_and_split_switch_the_colours(desktop: Chromium, folder: SweepFolder) -> None:
    runs = embedded(folder.report)["runs"]
    for metric, split in (("psnr", "validation"), ("distortion", "validation"), ("distortion", "test")):
        desktop.evaluate(
            f"""(() => {{
              const metric = document.getElementById('metric');
              metric.value = '{metric}'; metric.dispatchEvent(new Event('change'));
              document.querySelector('input[value={split}]').click();
            }})()"""
        )
        for side in ("left", "right"):
            assert models(desktop, side, "marker.color") == [run["values"][split][metric] for run in runs]
    assert "distortion" in text(desktop, "left-title")
    assert desktop.complaints() == []


@pytest.mark.browser
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_click_selects_a_model_in_both_plots(desktop: Chromium, folder: SweepFolder, side: str) -> None:
    choose(desktop, 0)
    click_on_the_vae(desktop, folder, side)


def choose(browser: Chromium, index: int) -> None:
    browser.evaluate(
        "(() => { const c = document.getElementById('chooser'); "
        f"c.value = '{index}'; c.dispatchEvent(new Event('change')); }})()"
    )


def click_on_the_vae(browser: Chromium, folder: SweepFolder, side: str) -> None:
    """Click on run 10, the one with all betas 1, and see both plots and the panel follow."""
    run = embedded(folder.report)["runs"][10]
    browser.click(*place_of(browser, side, 10))
    browser.wait(f"document.getElementById('python').textContent.includes('{run['run']}')")
    assert text(browser, "model-title") == "β₂ = 1, β₁ = 1"
    for other in ("left", "right"):
        ring = browser.evaluate(f"document.getElementById('{other}').data.find((t) => t.name === 'selected').x")
        assert ring == [models(browser, other, "x[10]")]
    assert browser.evaluate("document.querySelector('#pictures img').src") == run["reconstructions"]
    split = browser.evaluate("document.querySelector('input[name=split]:checked').value")
    assert browser.evaluate("document.querySelector('#layers tbody tr:nth-child(2) td').textContent") == (
        f"{run['values'][split]['rates'][0]:.2f}"
    )


@pytest.mark.browser
def test_hovering_shows_the_numbers(desktop: Chromium, folder: SweepFolder) -> None:
    desktop.evaluate("document.querySelector('input[value=test]').click()")
    x, y = place_of(desktop, "left", 10)
    desktop.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    desktop.wait("document.querySelector('#left .hovertext') !== null")
    label = desktop.evaluate("document.querySelector('#left .hovertext').textContent")
    values = embedded(folder.report)["runs"][10]["values"]["test"]
    for part in ("β₂ = 1, β₁ = 1", f"total {values['rate']:.2f} nats", f"PSNR {values['psnr']:.2f} dB"):
        assert part in label


@pytest.mark.browser
def test_keyboard_alone_reaches_every_part(desktop: Chromium, folder: SweepFolder) -> None:
    choose(desktop, next(i for i, run in enumerate(embedded(folder.report)["runs"]) if run["betas"] == [10.0, 0.1]))
    desktop.evaluate("document.getElementById('right').focus()")
    desktop.press("ArrowLeft")
    assert text(desktop, "model-title") == "β₂ = 3.16, β₁ = 0.1"
    desktop.press("ArrowUp")
    assert text(desktop, "model-title") == "β₂ = 3.16, β₁ = 0.316"
    desktop.evaluate(
        "[...document.querySelectorAll('.pick button')].find((b) => b.textContent.includes('plain VAE')).click()"
    )
    assert text(desktop, "model-title") == "β₂ = 1, β₁ = 1"
    choose(desktop, 0)
    assert text(desktop, "model-title") == "β₂ = 0.1, β₁ = 0.1"


@pytest.mark.browser
def test_a_phone_stacks_the_plots_and_clips_nothing(browser: Chromium, folder: SweepFolder) -> None:
    browser.open(folder.report, 390, 844, phone=True)
    assert browser.evaluate(OVERFLOW) == [390, 390]
    below, above = (
        browser.evaluate(f"document.getElementById('{s}').getBoundingClientRect().y") for s in ("right", "left")
    )
    assert below > above + 300
    # a strip of pictures is wider than its line, which is a window onto it
    outside = """[...document.querySelectorAll('body *')].filter((node) => {
      const box = node.getBoundingClientRect();
      return box.width > 0 && !node.closest('svg, .line > img') && (box.right > innerWidth + 0.5 || box.left < -0.5);
    }).map((node) => node.tagName + '#' + node.id)"""
    assert browser.evaluate(outside) == []
    small = """[...document.querySelectorAll('main *')]
      .filter((node) => !node.children.length && node.textContent.trim()
      && node.getBoundingClientRect().width > 0 && parseFloat(getComputedStyle(node).fontSize) < 11).length"""
    assert browser.evaluate(small) == 0
    click_on_the_vae(browser, folder, "right")
    assert browser.complaints() == []


@pytest.mark.browser
@pytest.mark.parametrize(
    ("options", "points"),
    [
        ({"latents": (16,), "steps": 7}, 5),
        ({"latents": (8, 8, 8), "steps": 2}, 6),
        ({"groups": (0, 0), "steps": 5}, 3),
        ({"validation": 0.0, "steps": 3, "pictures": False}, 7),
        ({"seeds": (0, 1), "steps": 3}, 16),
    ],
    ids=["one layer", "three layers", "one shared beta", "paper's protocol, no pictures", "two seeds"],
)
def test_other_sweeps_are_shown_too(browser: Chromium, tmp_path: Path, options: dict[str, Any], points: int) -> None:
    page = write_page(sweep(tmp_path, **options))
    browser.open(page)
    assert [len(models(browser, side, "x")) for side in ("left", "right")] == [points, points]
    choose(browser, 1)
    browser.click(*place_of(browser, "right", 0))
    browser.wait(f"document.getElementById('python').textContent.includes('{embedded(page)['runs'][0]['run']}')")
    assert browser.complaints() == []
    if "pictures" in options:
        assert "No pictures" in text(browser, "pictures")
        assert browser.evaluate("document.querySelectorAll('#splits input').length") == 1
        assert "as the paper does" in text(browser, "picks-note")


@pytest.mark.browser
def test_evil_names_are_shown_as_text(browser: Chromium, tmp_path: Path) -> None:
    browser.open(write_page(sweep(tmp_path, name=EVIL, steps=2, pictures=False)))
    assert browser.evaluate("document.title") == f"Rate landscape of {EVIL}"
    assert browser.evaluate("document.querySelector('h1').textContent") == f"Rate landscape of {EVIL}"
    assert EVIL in text(browser, "spec").replace("''", "'")
    assert browser.complaints() == []


@pytest.mark.browser
def test_the_surface_and_the_accuracies_are_drawn_when_there_are_labels(browser: Chromium, tmp_path: Path) -> None:
    swept = sweep(tmp_path, labels=True, flagged=20, steps=7, diverged=None, missing=None, pictures=False)
    page = write_page(swept)
    browser.open(page, 390, 844, phone=True)
    runs = embedded(page)["runs"]
    browser.wait("document.getElementById('ceiling').data !== undefined")
    assert models(browser, "ceiling", "y") == [run["values"]["validation"]["accuracy_sample_2"] for run in runs]
    hollow = "document.getElementById('ceiling').data.find((t) => t.name === 'means')"
    assert browser.evaluate(f"{hollow}.y") == [run["values"]["validation"]["accuracy_rbf_2"] for run in runs]
    assert browser.evaluate(f"{hollow}.marker.symbol") == "circle-open"
    assert "sample of z₂" in text(browser, "ceiling-note") and "mean of z₂" in text(browser, "ceiling-note")
    ceilings = browser.evaluate("document.getElementById('ceiling').data.find((t) => t.name === 'ceilings').y")
    assert ceilings == [run["values"]["validation"]["ceiling_rate_2"] for run in runs]
    crossed = browser.evaluate("document.getElementById('ceiling').data.find((t) => t.name === 'flagged').y")
    assert crossed == [run["values"]["validation"]["accuracy_sample_2"] for run in runs if run["flag"]]
    cell = browser.evaluate(
        "(() => { const b = document.querySelector('#table1 button'); b.click(); return b.dataset.run; })()"
    )
    assert cell in text(browser, "python")
    browser.evaluate("document.getElementById('surface').scrollIntoView()")
    browser.wait("document.querySelector('#surface canvas') !== null", seconds=40)
    assert models(browser, "surface", "x") == [run["values"]["validation"]["psnr"] for run in runs]
    assert browser.evaluate(OVERFLOW) == [390, 390]
    assert browser.complaints() == []


def test_a_session_says_how_long_each_phase_took(tmp_path: Path) -> None:
    folder = sweep(tmp_path)
    session = {"begun": "2030-01-01T10:00:00", "seconds": 75.2, "device": "a processor", "processes": 2}
    session |= {"versions": {"torch": "2.13.0"}, "phases": {"network": 42.0, "measuring": 33.2}}
    folder.write_provenance({"fingerprint": "f", "sessions": [session]})
    shown = notes.provenance(folder)["session 1"]
    assert shown == ("2030-01-01T10:00:00, 75 s (network 40 s, measuring 35 s), a processor, 2 processes; torch 2.13.0")
