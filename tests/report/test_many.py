"""The page of more than two betas in a real headless browser: linked clicks, ranges by mouse and keys, many layers."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.chromium import Chromium
from helpers.sweep_on_disk import sweep

from ratescape.report.page import write_page

COUNT = "[...document.querySelectorAll('#parallel .line')]"
TWELVE: dict[str, Any] = {"blocks": "1x2,4x2,7x3,14x5", "groups": ("1", "4", "7", "14"), "points": 20}
OVERFLOW = "[document.documentElement.scrollWidth, innerWidth]"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 16 deep models, of which 14 have numbers, over three betas."""
    return write_page(sweep(tmp_path_factory.mktemp("deep"), blocks="1x1,7x2,14x2", points=16, labels=True))


@pytest.fixture(scope="module")
def data(page: Path) -> dict[str, Any]:
    return json.loads(page.read_text().split('<script type="application/json" id="data">')[1].split("</script>")[0])


@pytest.fixture(scope="module")
def desktop(browser: Chromium, page: Path) -> Chromium:
    browser.open(page)
    browser.wait("document.getElementById('total').data !== undefined")
    return browser


def models(side: str) -> str:
    return f"document.getElementById('{side}').data.filter((trace) => trace.name === 'models')"


def marked(browser: Chromium, side: str) -> list[list[float]]:
    """Where the selected model is marked in each panel of a plot."""
    return browser.evaluate(
        f"document.getElementById('{side}').data.filter((one) => one.name === 'selected')"
        ".map((one) => [one.x[0], one.y[0]])"
    )


def assert_selected(browser: Chromium, data: dict[str, Any], index: int) -> None:
    """The model is marked in every view, and its card is shown."""
    run = data["runs"][index]
    browser.wait(f"document.getElementById('python').textContent.includes('{run['run']}')")
    one, two, three = run["values"]["validation"]["group_rates"]
    assert marked(browser, "left") == [[one, two], [one, three], [two, three]]
    points = data["many"]["simplex"]["splits"]["validation"]["points"]
    assert marked(browser, "right") == [[points["x"][index], points["y"][index]]]
    browser.wait(
        f"document.getElementById('total').data.find((one) => one.name === 'selected').x[0] === "
        f"{run['values']['validation']['rate']}"
    )
    assert browser.evaluate(f"{COUNT}.filter((line) => line.classList.contains('selected')).length") == 1
    assert browser.evaluate("document.getElementById('model-title').textContent") == run["title"]


def choose(browser: Chromium, index: int) -> None:
    browser.evaluate(
        "(() => { const c = document.getElementById('chooser'); "
        f"c.value = '{index}'; c.dispatchEvent(new Event('change')); }})()"
    )


def axis_box(browser: Chromium, name: str) -> tuple[float, float, float]:
    """Middle, top and bottom of an axis on the screen."""
    browser.evaluate("document.getElementById('parallel').scrollIntoView({block: 'center'})")
    return tuple(
        browser.evaluate(
            f"(() => {{ const b = document.querySelector('[data-axis=\"{name}\"] .rule').getBoundingClientRect(); "
            "return [b.x + b.width / 2, b.y, b.y + b.height]; })()"
        )
    )


def drag(browser: Chromium, x: float, start: float, end: float) -> None:
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=start)
    browser.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=start, button="left", clickCount=1)
    for y in ((start + end) / 2, end):
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
    browser.call("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=end, button="left", clickCount=1)


def within(data: dict[str, Any], ranges: dict[int, tuple[float, float]]) -> list[int]:
    """Models whose group rates lie within ranges."""
    rates = [run["values"]["validation"]["group_rates"] for run in data["runs"]]
    return [i for i, one in enumerate(rates) if all(low <= one[k] <= high for k, (low, high) in ranges.items())]


def ranges_of(browser: Chromium) -> dict[str, tuple[float, float]]:
    """The range of every axis, as those hear it who do not see."""
    found = browser.evaluate(
        "[...document.querySelectorAll('.axis.ranged')].map((axis) => [axis.dataset.axis, "
        "...[...axis.querySelectorAll('[role=slider]')].map((end) => Number(end.getAttribute('aria-valuenow')))])"
    )
    return {name: (low, high) for name, low, high in found}


@pytest.mark.browser
def test_a_click_in_any_view_marks_the_model_in_all(desktop: Chromium, data: dict[str, Any]) -> None:
    values = [run["values"]["validation"]["group_rates"] for run in data["runs"]]
    for side, panel, index in (("left", 0, 3), ("left", 2, 11), ("right", 0, 7)):
        choose(desktop, 0)
        place = desktop.evaluate(
            f"""(() => {{
              const node = document.getElementById('{side}');
              node.scrollIntoView({{block: 'center'}});
              const trace = {models(side)}[{panel}];
              const x = node._fullLayout[(trace.xaxis ?? 'x').replace('x', 'xaxis').replace(/axis1$/, 'axis')];
              const y = node._fullLayout[(trace.yaxis ?? 'y').replace('y', 'yaxis').replace(/axis1$/, 'axis')];
              const box = node.getBoundingClientRect();
              return [box.x + x._offset + x.d2p(trace.x[{index}]), box.y + y._offset + y.d2p(trace.y[{index}])];
            }})()"""
        )
        desktop.click(*place)
        desktop.wait("document.getElementById('chooser').value !== '0'")
        found = int(desktop.evaluate("document.getElementById('chooser').value"))
        assert found == index or values[found] == pytest.approx(values[index], abs=1)  # one may hide another
        assert_selected(desktop, data, found)
    assert desktop.complaints() == []


@pytest.mark.browser
def test_a_click_on_a_line_selects_its_model(desktop: Chromium, data: dict[str, Any]) -> None:
    choose(desktop, 0)
    highest = max(range(len(data["runs"])), key=lambda i: data["runs"][i]["values"]["validation"]["group_rates"][0])
    x, top, _ = axis_box(desktop, "group 0")
    desktop.click(x, top + 1)
    assert_selected(desktop, data, highest)


@pytest.mark.browser
def test_ranges_by_mouse_narrow_all_views_and_name_the_best_within(desktop: Chromium, data: dict[str, Any]) -> None:
    for name, (start, end) in (("group 0", (0.0, 0.85)), ("group 2", (0.3, 1.0))):
        x, top, bottom = axis_box(desktop, name)
        drag(desktop, x, top + start * (bottom - top), top + end * (bottom - top))
    ranges = {int(name[-1]): range_ for name, range_ in ranges_of(desktop).items()}
    assert set(ranges) == {0, 2}
    inside = within(data, ranges)
    assert 0 < len(inside) < len(data["runs"])
    note = desktop.evaluate("document.getElementById('brush-note').textContent")
    assert note.startswith(f"{len(inside)} of 14 models {'is' if len(inside) == 1 else 'are'} in both ranges.")
    for side in ("left", "right", "total"):
        desktop.wait(f"Array.isArray({models(side)}[0].marker.opacity)")
        opacity = desktop.evaluate(f"{models(side)}[0].marker.opacity")
        assert [i for i, one in enumerate(opacity) if one == 1] == inside
    assert desktop.evaluate(f"{COUNT}.filter((line) => !line.classList.contains('outside')).length") == len(inside)
    best = max(inside, key=lambda i: data["runs"][i]["values"]["validation"]["psnr"])
    offered = "[...document.querySelectorAll('#brushed button')].map((one) => [one.textContent, one.dataset.run])"
    (first, run), *others = desktop.evaluate(offered)
    assert first.startswith("for reconstruction") and run == data["runs"][best]["run"] and len(others) == 2
    desktop.evaluate("document.querySelector('#brushed button').click()")
    assert_selected(desktop, data, best)
    x, top, bottom = axis_box(desktop, "group 0")
    for clicks in (1, 2):
        for kind in ("mousePressed", "mouseReleased"):
            desktop.call("Input.dispatchMouseEvent", type=kind, x=x, y=bottom, button="left", clickCount=clicks)
    assert set(ranges_of(desktop)) == {"group 2"}
    desktop.evaluate("document.getElementById('clear').click()")
    assert ranges_of(desktop) == {} and desktop.evaluate(f"{models('left')}[0].marker.opacity") == 1
    assert desktop.complaints() == []


@pytest.mark.browser
def test_ranges_by_keys(desktop: Chromium, data: dict[str, Any]) -> None:
    desktop.evaluate("document.querySelectorAll('[data-axis=\"group 1\"] [role=slider]')[0].focus()")
    low, high = data["many"]["parallel"][1]["scales"]["validation"]["ends"]
    desktop.press("PageUp")
    desktop.press("ArrowUp")
    assert ranges_of(desktop)["group 1"] == pytest.approx((low + 0.12 * (high - low), high))
    inside = within(data, {1: (low + 0.12 * (high - low), high)})
    text = desktop.evaluate("document.getElementById('brush-note').textContent")
    assert text.startswith(f"{len(inside)} of 14 models are in the range.")
    spoken = desktop.evaluate("document.activeElement.getAttribute('aria-valuetext')")
    assert spoken.endswith("nats") and " to " in spoken
    desktop.press("Escape")
    assert ranges_of(desktop) == {}


@pytest.mark.browser
def test_many_layers_are_folded_and_nothing_is_clipped_on_a_phone(browser: Chromium, tmp_path: Path) -> None:
    """Twelve layers in four groups: a row for each group, the layers below."""
    browser.open(
        write_page(sweep(tmp_path, **TWELVE, pictures=False)),
        420,
        900,
        phone=True,
    )
    assert browser.evaluate(OVERFLOW) == [420, 420]
    rows = "document.querySelectorAll('#{} tbody tr').length"
    assert browser.evaluate(rows.format("layers")) == 4
    assert browser.evaluate("document.getElementById('all-layers').open") is False
    assert browser.evaluate(rows.format("layer-rows")) == 12
    browser.evaluate("document.getElementById('all-layers').open = true")
    assert browser.evaluate(OVERFLOW) == [420, 420]
    assert len(browser.evaluate(f"{models('left')}")) == 6
    assert browser.evaluate(
        "document.getElementById('right').data.find((one) => one.name === 'hull line') !== undefined"
    )
    assert browser.complaints() == []
