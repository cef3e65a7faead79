"""The explorer's page as a new user has it: a browser that drags, draws, asks and keeps, on a real server."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from helpers.chromium import Chromium
from helpers.sweeps import HERE, LEAN, MODEL
from PIL import Image

import ratescape as rs
from ratescape.explorer.serving import Served, served

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
SIDE = 16
BETAS = "[...document.querySelectorAll('input.beta')].map((field) => Number(field.value))"
RATES = "[...document.querySelectorAll('.groups .got')].map((cell) => Number(cell.textContent))"
STATE = "Object.fromEntries(new URLSearchParams(location.hash.slice(1)))"
SAID = "document.getElementById('said').textContent"
DRAWN = "Number(document.getElementById('strip')?.dataset.drawn ?? 0)"


def squares(count: int) -> np.ndarray:
    """Images of one bright square each, ``[N, 16, 16]``."""
    generator = np.random.default_rng(0)
    pixels = np.zeros((count, SIDE, SIDE), np.uint8)
    for image, (row, column, side) in zip(pixels, generator.integers(2, 8, (count, 3)), strict=True):
        image[row : row + side, column : column + side] = 255
    return pixels


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> rs.Landscape:
    folder = tmp_path_factory.mktemp("explored")
    np.savez(folder / "squares.npz", images=squares(300))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rs.Landscape, "report", lambda self: self.folder.report)
        return rs.map_landscape(
            rs.DataSpec(name=str(folder / "squares.npz"), binary=True),
            model=MODEL,
            method={"kind": "conditioned", "conditioning": {"width": 8, "fine": 5, "refine_recommended": 0}},
            grid={"steps": 3},
            training={"steps": 150, "batch": 32, "learning_rate": 0.01},
            evaluation=LEAN,
            execution=HERE,
            out=folder / "squares",
        )


@pytest.fixture(scope="module")
def explorer(landscape: rs.Landscape) -> Iterator[Served]:
    with contextlib.closing(served(landscape).start()) as explorer:
        yield explorer


class Page:
    """The page, opened anew."""

    def __init__(self, browser: Chromium, explorer: Served) -> None:
        self.browser, self.explorer = browser, explorer

    def open(self, fragment: str = "", **window: Any) -> "Page":
        self.browser.visit(self.explorer.address + fragment, **window)
        self.ready()
        return self

    def ready(self) -> None:
        self.browser.wait(f"document.getElementById('app')?.ariaBusy !== 'true' && {DRAWN} > 0")

    def of(self, expression: str) -> Any:
        return self.browser.evaluate(expression)

    def middle(self, selector: str, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
        """A place in an element, in CSS pixels of the window."""
        self.of(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        box = self.of(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
        return box["x"] + across * box["width"], box["y"] + down * box["height"]

    def click(self, selector: str) -> None:
        self.browser.click(*self.middle(selector))

    def drag(self, selector: str, *places: tuple[float, float]) -> None:
        self.browser.drag([self.middle(selector, *place) for place in places])

    def pixels(self, selector: str) -> list[int]:
        """The red channel of a canvas."""
        canvas = f"document.querySelector({selector!r})"
        data = f"{canvas}.getContext('2d').getImageData(0, 0, {canvas}.width, {canvas}.height).data"
        return self.of(f"Array.from({data}).filter((_, index) => index % 4 === 0)")

    def rested(self, condition: str) -> None:
        """Wait until something holds."""
        self.browser.wait(condition)


@pytest.fixture
def page(browser: Chromium, explorer: Served) -> Iterator[Page]:
    yield Page(browser, explorer)
    assert [line for line in browser.complaints() if "status of 4" not in line] == []
    outside = [one for one in browser.requests() if urlsplit(one).netloc != urlsplit(explorer.address).netloc]
    assert outside == []


# ---- the plane


def test_pictures_and_numbers_follow_a_point_that_is_dragged(page: Page) -> None:
    page.open()
    before = page.of(BETAS), page.pixels("#strip canvas:nth-of-type(2)"), page.pixels("#sample-images canvas")
    drawn = page.of(DRAWN)
    page.drag("#plane", (0.5, 0.5), (0.4, 0.6), (0.3, 0.7), (0.25, 0.85))
    page.rested(f"{DRAWN} > {drawn}")
    page.rested(f"({STATE}).r !== undefined")
    after = page.of(BETAS), page.pixels("#strip canvas:nth-of-type(2)"), page.pixels("#sample-images canvas")
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert all(0.1 <= beta <= 10 for beta in after[0])
    assert page.of("document.getElementById('psnr').textContent").endswith("dB")
    asked = [float(rate) for rate in page.of(f"({STATE}).r").split(",")]
    shown = page.of("[...document.querySelectorAll('input.rate')].map((field) => Number(field.value))")
    assert shown == pytest.approx(asked, abs=0.01)


def test_the_page_finds_the_betas_of_every_rate_that_the_surface_has(page: Page) -> None:
    page.open()
    worst = page.of("""Math.max(...mesh.points.map((point) => {
        const found = guess(betasFor(point.rates));
        return Math.max(...found.rates.map((rate, group) => Math.abs(rate - point.rates[group]) / mesh.most[group]));
    }))""")
    assert worst < 0.01


def test_over_betas_the_point_goes_where_it_is_dragged(page: Page) -> None:
    page.open()
    page.click("label:has(#axes-betas)")
    page.drag("#plane", (0.5, 0.5), (0.55, 0.4), (0.6, 0.3))
    page.rested(f"({STATE}).axes === 'betas'")
    top, low = page.of(BETAS)
    assert 1 < top < 10 and 1 < low < 10
    assert "r" not in page.of(STATE)


def test_a_rate_is_typed_and_the_total_is_held(page: Page) -> None:
    page.open()
    page.of("document.getElementById('hold').click()")
    total = sum(page.of("state.got.rates"))
    page.of(f"""{{ const field = document.querySelectorAll('input.rate')[0];
        field.value = '{total / 4}'; field.dispatchEvent(new Event('change')); }}""")
    page.rested(f"({STATE}).r !== undefined")
    asked = [float(rate) for rate in page.of(f"({STATE}).r").split(",")]
    assert asked[0] == pytest.approx(total / 4, rel=1e-3) and sum(asked) == pytest.approx(total, rel=1e-3)


def test_keys_alone_move_the_point_and_walk_through_the_views(page: Page) -> None:
    page.open()
    for _ in range(30):
        page.browser.press("Tab")
        if page.of("document.activeElement.id") == "plane":
            break
    assert page.of("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    start = page.of("state.got.rates")
    page.browser.press("ArrowDown")
    small = page.of("state.asked")
    page.browser.press("ArrowDown", shift=True)
    large = page.of("state.asked")
    assert 0 < start[1] - small[1] < small[1] - large[1] and small[0] == pytest.approx(start[0], abs=1e-6)
    page.rested(f"!state.moving && {DRAWN} > 1")
    page.of("document.getElementById('tab-samples').focus()")
    page.browser.press("ArrowRight")
    assert page.of("document.activeElement.id") == "tab-partial"
    page.rested("document.querySelectorAll('#layer-sheets canvas').length > 1")
    assert page.of("document.getElementById('panel-samples').hidden")


def test_a_view_that_is_left_before_it_was_asked_for_says_nothing(page: Page) -> None:
    page.open()
    page.of("change({ tab: 'partial' }); change({ tab: 'samples', seed: 5 })")
    page.rested(f"{DRAWN} > 1 && !busy && waiting.size === 0")
    assert page.of(SAID) == "" and page.of("state.tab") == "samples"


def test_a_path_is_recorded_and_played_calmly_where_that_is_wished(page: Page) -> None:
    page.open(calm=True)
    page.click("#record")
    page.drag("#plane", *[(0.3 + 0.01 * step, 0.5) for step in range(20)])
    page.click("#record")
    last = page.of("path.places.at(-1).asked")
    page.of("toBetas([1, 1])")
    page.of("path.places = someOf(path.places).map((place, index) => ({ ...place, at: 10 * index }))")
    assert page.of("path.places.length") == 12
    page.click("#play")
    page.rested("!path.playing && state.asked !== null")
    assert page.of("state.asked") == last


# ---- images of one's own


def test_a_drawing_is_shown_as_the_model_sees_it(page: Page) -> None:
    page.open()
    page.click("#draw")
    page.drag("#ink", (0.3, 0.2), (0.3, 0.5), (0.3, 0.8))
    page.click("#use-drawing")
    page.rested(f"({STATE}).i?.startsWith('u')")
    page.rested(f"{DRAWN} > 1")
    seen = np.array(page.pixels("#strip canvas")).reshape(SIDE, SIDE)
    assert set(np.unique(seen)) == {0, 255}
    rows, columns = seen.nonzero()
    assert 3 <= columns.mean() <= 6 and rows.min() <= 4 and rows.max() >= 11


def test_a_file_that_is_no_picture_is_one_clear_line_and_a_picture_is_taken(page: Page, tmp_path: Path) -> None:
    page.open()
    (tmp_path / "wrong.png").write_text("no picture")
    Image.fromarray(squares(1)[0]).resize((64, 64)).save(tmp_path / "right.png")
    upload = page.browser.call("Runtime.evaluate", expression="document.getElementById('upload')")["result"]["objectId"]
    page.browser.call("DOM.setFileInputFiles", files=[str(tmp_path / "wrong.png")], objectId=upload)
    page.rested("document.getElementById('said').className === 'wrong'")
    assert len(page.of(SAID)) > 10 and "\n" not in page.of(SAID)
    assert not page.of("state.images").count("u")
    page.browser.call("DOM.setFileInputFiles", files=[str(tmp_path / "right.png")], objectId=upload)
    page.rested(f"document.getElementById('said').className === '' && {DRAWN} > 1")
    seen = np.array(page.pixels("#strip canvas")).reshape(SIDE, SIDE)
    assert np.abs(seen.astype(int) - squares(1)[0]).mean() < 20


def test_an_image_of_the_test_split_is_picked(page: Page) -> None:
    page.open("#i=t0")
    page.click("#pick")
    page.rested("document.querySelectorAll('#test-images button').length > 5")
    page.click("#test-images button:nth-child(4)")
    page.rested("state.images.join() === 't3,t0'")
    page.click("#picker .close")
    page.rested(f"document.querySelectorAll('#strip li').length === 2 && {DRAWN} > 1")


def test_what_is_erased_is_filled(page: Page) -> None:
    page.open("#view=erase&i=t0")
    page.rested("document.getElementById('erased').width === 16")
    page.rested(f"{SAID} === ''")
    page.drag("#mask", (0.3, 0.3), (0.5, 0.5), (0.7, 0.7))
    page.browser.wait("document.querySelectorAll('#restored canvas').length >= 2", 30)
    page.click("#unerase")
    assert page.of("document.querySelectorAll('#restored canvas').length") == 0


# ---- asking, keeping, sending


def test_the_point_goes_to_the_model_that_is_asked_for(page: Page) -> None:
    page.open()
    page.of("document.getElementById('use').value = 'reconstruction'")
    page.click("#ask button")
    page.rested(f"{SAID}.length > 20")
    assert page.of("document.getElementById('said').className") == ""
    assert page.of(BETAS) != [1, 1]
    page.of("document.getElementById('budget').value = '-3'")
    page.click("#ask button")
    page.rested(f"{SAID}.includes('above 0')")


def test_the_model_is_kept_and_the_line_that_is_shown_loads_it(page: Page, landscape: rs.Landscape) -> None:
    page.open("#b=0.5,2")
    page.click("#keep")
    page.rested(f"{SAID}.startsWith('Kept as')")
    file = page.of(SAID).split("Kept as ")[1].split(". In Python:")[0]
    found = [path for path in (landscape.folder.path / "kept").iterdir() if path.name == Path(file).name]
    assert len(found) == 1 and rs.load(found[0]).sample(2).shape == (2, 1, SIDE, SIDE)


def test_reloaded_the_page_shows_the_same_and_its_address_has_no_token(page: Page) -> None:
    page.open("#b=0.3,2.5&i=t4,t2&s=3&view=partial&axes=betas")
    page.rested("location.search === ''")
    drawn = page.pixels("#strip canvas:nth-of-type(2)")
    page.browser.call("Page.reload")
    page.rested("document.readyState === 'complete' && document.getElementById('strip') !== null")
    page.ready()
    page.rested("location.search === ''")
    assert page.of(BETAS) == [0.3, 2.5]
    assert page.of("[state.images.join(), state.seed, state.tab, state.mode]") == ["t4,t2", 3, "partial", "betas"]
    assert page.pixels("#strip canvas:nth-of-type(2)") == drawn


def test_an_address_that_makes_no_sense_here_opens_the_start(page: Page) -> None:
    page.open("#b=nan,1e99&i=t99999999,x&s=-1&view=nothing&colour=none&c=77&g=9")
    assert page.of(BETAS) == [1, 1] and page.of("state.images.length") > 1
    page.open("#b=-1,2,3&i=u7,t1")
    page.rested("state.images.join() === 't1'")


# ---- looks


@pytest.mark.parametrize("width", [360, 768, 1366])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    page.open(width=width, height=768, phone=width < 500)
    assert page.of("document.documentElement.scrollWidth") <= width
    plane = page.of("document.getElementById('plane').getBoundingClientRect().toJSON()")
    assert plane["width"] > 200 and plane["height"] > 200
    if width == 1366:  # a laptop shows the whole plane, its numbers and the pictures without scrolling
        assert page.of("document.documentElement.scrollHeight") <= 768


def test_in_the_dark_the_page_is_dark(page: Page) -> None:
    page.open(dark=True)
    back, front = (page.of(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    assert max(map(int, back[4:-1].split(","))) < 60 and min(map(int, front[4:-1].split(","))) > 180


LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"dark": True},
    "phone": {"width": 390, "height": 844, "phone": True},
}


@pytest.mark.parametrize("how", LOOKS)
def test_an_accessibility_engine_finds_nothing_to_say(page: Page, how: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make lint-web installs it")
    page.open(**LOOKS[how])
    page.of(AXE.read_text(encoding="utf-8") + ";0")
    names = page.of("[...document.querySelectorAll('[role=tab]')].map((tab) => tab.id.slice(4))")
    assert len(names) >= 6
    for name in names if how == "light" else ["samples", "erase"]:
        page.of(f"change({{ tab: {json.dumps(name)} }})")
        assert violations(page) == []
    page.click("#draw")
    assert violations(page) == []


def violations(page: Page) -> list[str]:
    found = page.of("axe.run().then(({ violations }) => violations)")
    return [f"{one['id']}: {node['html']}: {node['failureSummary']}" for one in found for node in one["nodes"]]
