"""What README and docs say is true: commands parse, names exist, examples run, the table of rooms is complete."""

import ast
import contextlib
import importlib
import inspect
import io
import re
import shlex
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from helpers.pages import PAGES, SPAN, blocks, command_lines, spans

import ratescape
from ratescape import metrics
from ratescape.cli.commands import COMMANDS, parse
from ratescape.cli.commands.map import Map
from ratescape.cli.commands.train import Train
from ratescape.cli.config import preset
from ratescape.errors import SpecError
from ratescape.evaluation import suite
from ratescape.execution import engines
from ratescape.execution.progress import Epoch
from ratescape.landscape import Landscape
from ratescape.model import registry
from ratescape.specs import families
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Conditioned, Dedicated, Method

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ratescape"
STRUCTURE = ROOT / "docs" / "structure.md"


# Command lines


def options(page: Path) -> list[str]:
    """Spans of options alone, but for those of benchmarks, which have no dots."""
    found = [span for span in spans(page) if span.startswith("--")]
    return [span for span in found if "." in span.split()[0] or page.name != "scale.md"]


LINES = [pytest.param(line, id=f"{page.stem}: {line}") for page in PAGES for line in command_lines(page)]
OPTIONS = [pytest.param(line, id=f"{page.stem}: {line}") for page in PAGES for line in options(page)]


@pytest.fixture(scope="module")
def names() -> set[str]:
    """The options of all commands, as their help shows them."""
    shown = io.StringIO()
    for command in COMMANDS:
        with contextlib.redirect_stdout(shown), pytest.raises(SystemExit):
            parse([command, "--help"])
    return {"--config", *re.findall(r"--[a-z][\w.-]*", shown.getvalue())}


TAKING = (
    "map",
    "map --execution.engine ray",
    "train",
    "evaluate KEY",
    "recommend FOLDER",
    "solve FOLDER --rates 1=1",
    "compress FOLDER IMAGES --out FILE.rsc",
    "restore KEY IMAGES --out FOLDER",
)
"""Commands that options may belong to, with what they need besides."""


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_parses(line: str) -> None:
    command = parse(shlex.split(line, comments=True)[1:])
    if isinstance(command, Map):
        assert command.sweep
    if isinstance(command, Train):
        assert command.sweep if command.options.target_rates else command.spec


@pytest.mark.parametrize("line", OPTIONS)
def test_an_option_exists_and_takes_its_value(line: str, names: set[str]) -> None:
    words = shlex.split(line)
    assert {word for word in words if word.startswith("--")} <= names
    if words[-1].startswith("--") or words[-1] == "FILE.yaml":
        return
    for command in TAKING:
        with contextlib.suppress(SpecError):
            assert parse([*command.split(), *words])
            return
    pytest.fail(f"none of {', '.join(TAKING)} takes {line}")


def test_the_options_of_the_demo_parse() -> None:
    written = re.search(r"^DEMO_OPTIONS \?= (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert written is not None and parse(["map", *shlex.split(written[1])])


def test_command_lines_and_options_are_found() -> None:
    assert len(LINES) > 25 and len(OPTIONS) > 25
    assert any("--out /results/svhn" in str(line.values[0]) for line in LINES), "of more than one line"


def test_an_option_of_another_name_is_refused(names: set[str]) -> None:
    with pytest.raises(SpecError, match="warmup"):
        parse(["map", "--training.warmup", "2"])
    assert "--training.warmup" not in names and "--training.annealing" in names


# Python


def snippets(page: Path) -> list[str]:
    """The Python of a page: its blocks, and spans that call or name something of ratescape."""
    return [*blocks(page, "python"), *(span for span in spans(page) if re.match(r"(rs|ratescape)\.\w", span))]


SNIPPETS = [pytest.param(text, id=f"{page.stem}: {text[:40]}") for page in PAGES for text in snippets(page)]


@pytest.mark.parametrize("text", SNIPPETS)
def test_python_compiles_and_uses_what_is_exported(text: str) -> None:
    used = {"rs": ratescape, "ratescape": ratescape}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and (called := _public(node.func, used)) is not None:
            taken = inspect.signature(called).parameters
            assert {word.arg for word in node.keywords} <= set(taken), f"{ast.unparse(node)}: it takes {list(taken)}"
        elif isinstance(node, ast.Attribute):
            _public(node, used)


def _public(node: ast.AST, modules: dict[str, Any]) -> Any:
    """What ``rs.NAME`` is; None for anything else."""
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules):
        return None
    assert node.attr in ratescape.__all__, f"{node.attr} is not exported"
    return getattr(ratescape, node.attr)


def test_presets_that_are_named_come_with_the_package() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:--config )?((?:mnist|svhn|cifar10)-(?:ghvae|lvae)(?:-small)?)`", readme))
    assert len(named) == 4 and all(preset(name).exists() and preset(f"{name}-small").exists() for name in named)
    deep = set(re.findall(r"`([a-z0-9]+-deep(?:-small)?)`", readme))
    assert len(deep) == 4 and all(preset(name).exists() for name in deep)


# docs/structure.md


def rooms() -> dict[str, set[str]]:
    """The table of rooms: the files of each, as paths from ``src/ratescape`` without their endings."""
    rows = re.findall(r"^\| \d+ \| `([^`]+)` \|[^|]+\|([^|]*)\|$", STRUCTURE.read_text(encoding="utf-8"), re.MULTILINE)
    return {room: {room + file for file in SPAN.findall(files)} or {room} for room, files in rows}


def test_every_file_stands_in_the_table_of_rooms() -> None:
    there = {str(path.relative_to(SOURCE).with_suffix("")) for path in SOURCE.rglob("*.py")}
    listed = set[str]().union(*rooms().values())
    assert listed == {path for path in there if not path.rpartition("/")[2].startswith("__")}


def test_floors_are_those_that_imports_are_checked_by() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    floors = re.findall(r'"([^"]+)"', text.partition("layers = [")[2].partition("]")[0])
    rows = re.findall(r"^\| (\d+) \| `(\w+)/?` ", STRUCTURE.read_text(encoding="utf-8"), re.MULTILINE)
    shared: dict[int, set[str]] = {}
    for floor, room in rows:
        shared.setdefault(int(floor), set()).add(room)
    assert [shared[floor] for floor in sorted(shared, reverse=True)] == [set(floor.split(" | ")) for floor in floors]


def test_names_and_paths_in_the_text_exist() -> None:
    names = [span for span in spans(STRUCTURE) if re.fullmatch(r"\w+(\.\w+)+", span)]
    modules = [name for name in names if (SOURCE / name.partition(".")[0]).is_dir() or _is_file(name)]
    assert len(modules) > 20
    for name in modules:
        assert _resolved(name) is not None
    paths = [span for span in spans(STRUCTURE) if "/" in span and span.endswith((".py", "/", ".md"))]
    assert len(paths) > 20
    for path in paths:
        assert any((base / path).exists() for base in (ROOT, SOURCE)) or path == "judges/", path


def _is_file(name: str) -> bool:
    module, _, rest = name.partition(".")
    return (SOURCE / f"{module}.py").exists() and rest != "py"


def _resolved(name: str) -> Any:
    """What a dotted name below ``ratescape`` stands for; its module is imported."""
    found: Any = ratescape
    for depth, part in enumerate(parts := name.split(".")):
        with contextlib.suppress(ModuleNotFoundError):
            found = importlib.import_module(".".join(["ratescape", *parts[: depth + 1]]))
            continue
        found = getattr(found, part)
    return found


class Tried(NamedTuple):
    """The examples of the page, run, and a landscape that was mapped with all of them."""

    names: dict[str, Any]
    landscape: Landscape
    observer: Any
    calls: list[str]
    """Functions on the stack when the first epoch ended, outermost first."""


@pytest.fixture(scope="module")
def tried(images: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    known: list[dict[str, Any]] = [metrics.METRICS, metrics.LAYER_METRICS, engines.ENGINES]
    known += [families._registered, registry._families]
    before, measured = [dict(one) for one in known], list(suite.MEASUREMENTS)
    names: dict[str, Any] = {"__name__": "examples"}
    try:
        for block in blocks(STRUCTURE, "python"):
            exec(compile(block, str(STRUCTURE), "exec", dont_inherit=True), names)
        calls: list[str] = []

        class Watching(names["Losses"]):
            def epoch(self, epoch: Epoch) -> None:
                super().epoch(epoch)
                calls[:] = calls or [frame.name for frame in traceback.extract_stack()]

        observer = Watching()
        landscape = small(images, tmp_path_factory.mktemp("docs") / "dedicated", observer=observer)
        yield Tried(names, landscape, observer, calls)
    finally:
        for one, content in zip(known, before, strict=True):
            one.clear()
            one.update(content)
        suite.MEASUREMENTS[:] = measured


DEDICATED = Dedicated(grid=BetaGrid(steps=2))


def small(
    images: np.ndarray, out: Path, method: Method = DEDICATED, observer: ratescape.Observer | None = None
) -> Landscape:
    """A landscape of four models, by the family and the engine of the page."""
    return ratescape.map_landscape(
        images,
        model=ratescape.ModelSpec(family="linear", latents=(3, 2)),
        training=ratescape.TrainingSpec(epochs=2, batch=32),
        evaluation=ratescape.EvaluationSpec(samples=0, information=False, probes="none"),
        execution=ratescape.ExecutionSpec(engine="one-by-one"),  # pyright: ignore[reportArgumentType]
        method=method,
        observer=observer,
        out=out,
    )


def test_the_metric_of_the_page_is_in_table_choice_and_page(tried: Tried) -> None:
    table = tried.landscape.table
    assert (table["worst_distortion"] > table["distortion"]).all() and table["test_worst_distortion"].notna().all()
    best = tried.landscape.best("worst_distortion")
    assert best.choice.value(best.choice.row) == table["worst_distortion"].min()
    assert "worst_distortion" in tried.landscape.folder.report.read_text(encoding="utf-8")


def test_the_family_of_the_page_trains_and_is_conditioned(tried: Tried, images: np.ndarray, tmp_path: Path) -> None:
    model = tried.landscape.best("nelbo").load()
    assert model.spec.family == "linear" and model.sample(2).shape == (2, 1, 16, 16)
    method = Conditioned(grid=BetaGrid(steps=2), conditioning=ratescape.ConditioningSpec(width=8, fine=0))
    conditioned = small(images, tmp_path / "conditioned", method=method)
    assert list(conditioned.table["status"]) == ["ok"] * 4
    assert conditioned.network().at((0.5, 2.0)).spec.family == "linear"


def test_the_engine_of_the_page_carries_out_what_is_left(tried: Tried) -> None:
    assert tried.landscape.folder.provenance()["sessions"][0]["device"] == tried.names["OneByOne"].title
    assert len(tried.landscape.table) == 4


def test_the_observer_of_the_page_sees_every_epoch(tried: Tried) -> None:
    assert set(tried.observer.losses) == set(tried.landscape.table["run"])
    assert {len(losses) for losses in tried.observer.losses.values()} == {2}


def test_the_path_of_a_batch_is_the_one_that_the_page_names(tried: Tried) -> None:
    named = re.findall(r"^\d\. `([\w.]+)`", STRUCTURE.read_text(encoding="utf-8"), re.MULTILINE)
    path = [name.rpartition(".")[2] for name in named]
    begin = tried.calls.index("map_landscape")
    assert len(path) == 6
    assert tried.calls[begin : begin + 7] == [*path, "train"]
