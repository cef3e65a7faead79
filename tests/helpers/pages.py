"""The command lines of README and docs, and how they are run at a size that takes seconds."""

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

from ratescape.cli.commands import parse
from ratescape.cli.commands.evaluate import Evaluate
from ratescape.cli.commands.map import Map
from ratescape.cli.commands.train import Train

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")

TRAINED = "a landscape that was trained for minutes, as that of `make demo`"

ONLY_PARSED = {
    "--execution.device cuda": "a GPU",
    "--execution.engine ray": "Ray, which tests of its engine start once",
    "data fetch": "a network; tests of fetching ask a mirror on this machine",
    "explore": "somebody who ends it; tests of the explorer start it",
    "--for generation": TRAINED + ": of no other can it be said which generates best",
    "--for representation": TRAINED,
    "photos --rates 2=20 1=40": TRAINED + ": others do not have such rates",
    "photos --rates total=40": TRAINED,
    "--bytes-per-image": TRAINED,
    "solve deep": TRAINED,
    "pull me/": "what an earlier command has pushed; tests of the hub do both",
    "package.module:function": "a network of the reader's own; docs/own-network.md has one that is run",
}
"""What a command of the pages may need besides this machine, by a text in it: such a command is parsed, and not run."""

AFAR = {
    "mnist": "mnist-5k",
    "fashion-mnist": "mnist-5k",
    "cifar-8k.npz": "photos.npz",
    "photos": "photos.npz",
    "pictures": "photos.npz",
}
"""Sets of images that need a network or lie with the reader, and what stands for them."""


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page that are in one of the languages."""
    return [text for language, text in FENCED.findall(page.read_text(encoding="utf-8")) if language in languages]


def spans(page: Path) -> list[str]:
    """What stands between single backquotes, outside of fenced blocks, each in one line."""
    return [" ".join(span.split()) for span in SPAN.findall(FENCED.sub("", page.read_text(encoding="utf-8")))]


def command_lines(page: Path) -> list[str]:
    """Every ``ratescape ...`` of a page: lines of blocks, with those that go on from them, and spans."""
    found = [span for span in spans(page) if span.startswith("ratescape ")]
    for block in blocks(page, "", "bash", "yaml"):
        joined = re.sub(r"\\?\n\s+(?=--)", " ", block)  # an option on a line of its own belongs to the one before
        found += [line.strip() for line in joined.splitlines() if line.strip().startswith("ratescape ")]
    return found


def why_only_parsed(line: str) -> str | None:
    """What a command needs that is not here; None for one that is run."""
    return next((reason for text, reason in ONLY_PARSED.items() if text in line), None)


class Small(NamedTuple):
    """A command line that was made small."""

    words: list[str]
    out: Path | None
    """What it writes."""


SMALL = (
    "--data.limit 200 --training.epochs 1 --evaluation.samples 0 --evaluation.probes none --evaluation.no-information"
)
CONDITIONED = "--conditioning.fine 0 --conditioning.refine-recommended 0 --conditioning.restarts 0"


def small(line: str, number: int, world: Path) -> Small:
    """The same command on what lies in a folder, writing where nothing is yet, with networks that train in no time."""
    words = shlex.split(line, comments=True)[1:]
    out = world / "made" / str(number)
    out.parent.mkdir(exist_ok=True)
    if "--out" in words:
        at = words.index("--out") + 1
        out = out.with_name(f"{number}-{Path(words[at]).name}")
        words[at] = str(out)
    elif words[0] in ("map", "train"):
        words += ["--out", str(out)]
    words = [_key(word, world) if word != "mnist" else AFAR[word] for word in words]
    command = parse(words)
    if isinstance(command, (Map, Train)):
        words += _tiny(words, command)
    if isinstance(command, Evaluate):
        words += [word for option in SMALL.split(" --") if "evaluation" in option for word in f"--{option}".split()]
    return Small(words, out if "--out" in words else None)


def _key(word: str, world: Path) -> str:
    """A path with the key that a run or network has here."""
    if not word.endswith("/KEY"):
        return word
    return str(next(path for path in sorted((world / word).parent.iterdir())))


def _tiny(words: list[str], command: Map | Train) -> list[str]:
    """Options that come last, and so hold."""
    more: list[str] = [*SMALL.split()]
    given = {word: words[i + 1] for i, word in enumerate(words[:-1]) if word.startswith("--")}
    name = given.get("--data.name", "mnist-5k" if "--config" in given else None)
    if name is not None:
        more += ["--data.name", AFAR.get(name, name)]
    if "--evaluation.outliers" in given:
        more += ["--evaluation.outliers", "self-made"]
    kind = command.sweep.method.kind if isinstance(command, Map) else None
    if kind is not None:
        more += ["--grid.points", "3"] if "--grid.points" in given else ["--grid.steps", "2"]
        more += ["--execution.engine", "in-process"]
    if kind == "conditioned":
        more += CONDITIONED.split()
    if "--conditioning.fine-uses" in given:
        more += ["--conditioning.fine", "2", "--conditioning.fine-uses", "2"]
    if "--model.blocks" not in given and "--model.factory" not in given and "wine.csv" not in given.values():
        more += ["--model.channels", "4"]
    return more


def page_images(folder: Path) -> None:
    """Images and rows by the names that the pages have for them."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    import ratescape as rs

    digits = rs.load_data("mnist-5k", limit=300)
    pixels = (np.asarray(digits.test.pixels[:8]) > 0.5).astype(np.uint8) * 255
    for name, size in (("photos", 28), ("others", 28), ("thumbnails", 14)):
        (folder / name).mkdir()
        for number, image in enumerate(pixels):
            Image.fromarray(image.reshape(28, 28)).resize((size, size)).save(folder / name / f"{number}.png")
    colours = np.random.default_rng(0).integers(0, 256, (120, 32, 32, 3), dtype=np.uint8)
    np.savez(folder / "photos.npz", images=colours)
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 4)), columns=list("abcd"))
    rows.assign(quality=np.arange(200) % 3).to_csv(folder / "wine.csv", index=False)
    shutil.copy(ROOT / "examples" / "attention.py", folder)
