"""The explorer's page in use, as an animation of 30 seconds; and how many pictures a second it draws while dragging.

    python benchmarks/explorer_animation.py demo docs/explorer/explorer.webp
    python benchmarks/explorer_animation.py demo --frames 10

Serves the landscape, drives the real page in headless Chromium with mouse and keys, and takes a picture of each step.
With --frames it drags for so many seconds instead, and prints what was drawn.
"""

import argparse
import base64
import contextlib
import io
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

import ratescape as rs
from ratescape.explorer.serving import served

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.chromium import Chromium

SIZE = (1280, 720)
WIDTH = 900
"""CSS pixels of the window; pixels of the pictures' width."""

RATE, SECONDS = 8, 30
"""Pictures a second, and how long they last."""

LARGEST = 3_000_000
"""Bytes of the file; quality goes down until it is smaller."""

DRAWN = "Number(document.getElementById('strip')?.dataset.drawn ?? 0)"
RESTED = "!busy && waiting.size === 0"
"""Nothing is asked of the server: names of the page's own script."""


class Film:
    """Pictures of the page, one for each step."""

    def __init__(self, browser: Chromium) -> None:
        self.browser = browser
        self.pictures: list[Image.Image] = []

    def shoot(self, times: int = 1) -> None:
        """Take the page as it is, once it has drawn what it was asked for."""
        self.browser.wait(RESTED, 300)
        shot = self.browser.call("Page.captureScreenshot", format="jpeg", quality=92)
        picture = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
        picture = picture.resize((WIDTH, WIDTH * SIZE[1] // SIZE[0]), Image.Resampling.LANCZOS)
        self.pictures += [picture] * times

    def mouse(self, kind: str, place: tuple[float, float]) -> None:
        held = 0 if kind == "mouseReleased" else 1
        self.browser.call(
            "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", buttons=held, clickCount=1
        )

    def drag(self, places: list[tuple[float, float]]) -> None:
        """Move the pressed mouse over places of the window, a picture at each."""
        self.mouse("mousePressed", places[0])
        for place in places:
            self.mouse("mouseMoved", place)
            self.shoot()
        self.mouse("mouseReleased", places[-1])

    def click(self, selector: str) -> None:
        self.browser.evaluate(f"document.querySelector({selector!r}).click()")

    def inside(self, selector: str, places: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """Places in parts of an element, as those of the window."""
        box = self.browser.evaluate(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
        return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]


def over_surface(browser: Chromium, logs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Places of the window of betas, which are given in parts of the box (by logarithms), from 0 to 1."""
    return browser.evaluate(f"""{json_of(logs)}.map((parts) => {{
        const betas = facts.box.map(([low, high], group) => low * (high / low) ** parts[group]);
        const box = element('plane').getBoundingClientRect();
        const [x, y] = placeOf(drawn.frame, coordinates({{ ...guess(betas), betas }}));
        return [box.x + x, box.y + y];
    }})""")


def json_of(pairs: list[tuple[float, float]]) -> str:
    return str([list(pair) for pair in pairs])


def circle(steps: int, turns: float, size: float = 0.42) -> list[tuple[float, float]]:
    """A way over the box of betas that begins and ends in its middle."""
    phases = [step / (steps - 1) for step in range(steps)]
    return [
        (
            0.5 + size * math.sin(math.pi * p) * math.cos(2 * math.pi * turns * p),
            0.5 + size * math.sin(math.pi * p) * math.sin(2 * math.pi * turns * p),
        )
        for p in phases
    ]


def arc(steps: int, middle: tuple[float, float], size: float, begin: float, end: float) -> list[tuple[float, float]]:
    """Part of a circle, with angles in turns; in parts of an element."""
    angles = [2 * math.pi * (begin + (end - begin) * step / (steps - 1)) for step in range(steps)]
    return [(middle[0] + size * math.cos(a), middle[1] + size * math.sin(a)) for a in angles]


def perform(film: Film) -> None:
    """Drag; look by layer; ask; draw a three and drag again; erase and fill."""
    browser = film.browser
    film.shoot(4)
    film.drag(over_surface(browser, circle(72, 2)))
    film.click("#tab-partial")
    film.shoot(14)
    browser.evaluate("element('budget').value = '40'")
    film.click("#ask button")
    film.shoot(14)
    film.click("#draw")
    film.shoot(4)
    three = arc(9, (0.47, 0.33), 0.17, -0.45, 0.22) + arc(10, (0.47, 0.66), 0.18, -0.24, 0.42)
    film.drag(film.inside("#ink", three))
    film.shoot(4)
    film.click("#use-drawing")
    film.shoot(1)
    film.click("#tab-samples")
    film.shoot(8)
    film.drag(over_surface(browser, circle(48, 1)))
    film.click("#tab-erase")
    film.shoot(6)
    film.drag(film.inside("#mask", [(0.2 + 0.05 * step, 0.62) for step in range(13)]))
    film.shoot(max(1, RATE * SECONDS - len(film.pictures)))


def dragged(browser: Chromium, seconds: float) -> None:
    """Drag as fast as a mouse tells where it is, 60 times a second, and print how many pictures were drawn."""
    places = over_surface(browser, circle(600, 8))
    film = Film(browser)
    film.mouse("mousePressed", places[0])
    before, begun = browser.evaluate(DRAWN), time.perf_counter()
    moves = 0
    while time.perf_counter() - begun < seconds:
        film.mouse("mouseMoved", places[moves % len(places)])
        moves += 1
        time.sleep(max(0.0, begun + moves / 60 - time.perf_counter()))
    drawn, took = browser.evaluate(DRAWN) - before, time.perf_counter() - begun
    film.mouse("mouseReleased", places[0])
    print(f"{drawn / took:.1f} pictures a second, each of 8 reconstructions and 16 samples: {drawn} in {took:.1f} s")


def write(pictures: list[Image.Image], out: Path) -> None:
    """An animation that is small enough."""
    for quality in (70, 55, 40, 28, 18):
        pictures[0].save(
            out, save_all=True, append_images=pictures[1:], duration=1000 // RATE, loop=0, quality=quality, method=3
        )
        if out.stat().st_size < LARGEST:
            break
    print(f"{out}: {len(pictures) / RATE:.0f} s, {out.stat().st_size / 1e6:.2f} MB, quality {quality}")


@contextlib.contextmanager
def page_of(landscape: Path) -> Iterator[Chromium]:
    """The page of a landscape in a browser, ready."""
    with (
        contextlib.closing(served(rs.Landscape(landscape)).start()) as shown,
        tempfile.TemporaryDirectory() as profile,
        Chromium(Path(profile)) as browser,
    ):
        browser.visit(shown.address, *SIZE)
        browser.wait(f"{DRAWN} > 0", 60)
        yield browser


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landscape", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--frames", type=float, metavar="SECONDS", help="drag for so long, and count what is drawn")
    given = parser.parse_args()
    with page_of(given.landscape) as browser:
        if given.frames:
            dragged(browser, given.frames)
        if given.out:
            film = Film(browser)
            perform(film)
            given.out.parent.mkdir(parents=True, exist_ok=True)
            write(film.pictures, given.out)


if __name__ == "__main__":
    main()
