"""Words of a command line: help, and every wrong word as one line that names it and the remedy."""

import dataclasses
import itertools
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from helpers.commands import Run, refused
from tyro.conf import Positional, Suppress

from ratescape.cli import commands
from ratescape.cli.words import named

# Help


def test_options_that_were_given_are_known_by_the_fields_they_fill() -> None:
    words = ["runs/a", "--evaluation.no-information", "--quiet", "--evaluation.probe-kinds=rbf", "--betas", "1", "2"]
    assert named(words) == {"evaluation.information", "quiet", "evaluation.probe_kinds", "betas"}


def expected(cls: Any, where: str = "") -> Iterator[str]:
    """Every option of a command, as one types it."""
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        inner = typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint
        outer = where if name == "options" else f"{where}{name}."
        if dataclasses.is_dataclass(inner):
            yield from expected(inner, outer)
        elif Positional[inner] != hint and Annotated[inner, Suppress] != hint:
            yield "--" + (where + {"use": "for"}.get(name, name)).replace("_", "-")


@pytest.mark.parametrize("command", commands.COMMANDS)
def test_help_shows_every_option(run: Run, command: str) -> None:
    outcome = run(command, "--help")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"usage: ratescape {command}")
    shown = [line.strip("│ ") for line in outcome.out.splitlines()]
    starts = [i for i, line in enumerate(shown) if line.startswith("-")] + [len(shown)]
    said: dict[str, str] = {}
    for i, j in itertools.pairwise(starts):
        option, *beside = re.split(
            " {2,}", shown[i], maxsplit=1
        )  # where options are short, the help stands beside them
        said[re.split("[ ,]", option)[0]] = " ".join([*beside, *shown[i + 1 : j]])
    for option in expected(commands.COMMANDS[command]):
        text, default, _ = re.split(r"(\(default: |\(required\))", said[option], maxsplit=1)
        assert text.strip() and default, f"{option} has no help"


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_overall_help_lists_the_commands(run: Run, words: list[str]) -> None:
    outcome = run(*words)
    assert outcome.status == 0
    for command in commands.COMMANDS:
        assert re.search(rf"^  {command} +[A-Z]", outcome.out, re.MULTILINE)


def test_no_words_are_a_wrong_command_line_and_get_help(run: Run) -> None:
    assert run()[:2] == (2, run("--help").out)


def test_version(run: Run) -> None:
    assert re.fullmatch(r"ratescape \d+\.\d+\.\d+\n", run("--version").out)


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys; from ratescape.cli.commands import main\ntry: main(['map', '--help'])\nexcept SystemExit: pass\n"
    )
    code += "sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


# Wrong words


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (
            ["mapp"],
            [
                "unknown command 'mapp'",
                "map, train, evaluate, report, compare, recommend, solve, ",
            ],
        ),
        (["map", "--nonsense", "3"], ["--nonsense", "ratescape map --help"]),
        (["map", "--training.epoch", "3"], ["--training.epoch", "did you mean --training.epochs?"]),
        (["map", "--epochs", "3"], ["did you mean --training.epochs?"]),
        (["map", "--epochs=3"], ["did you mean --training.epochs?"]),
        (["map", "--data", "photos"], ["did you mean --data.name?"]),
        (["map", "--steps", "3"], ["did you mean --grid.steps?"]),
        (["map", "--seed", "3"], ["did you mean --seeds?"]),
        (["map", "--lr", "3"], ["did you mean --training.learning-rate?"]),
        (["recommend", "somewhere", "--use", "psnr"], ["did you mean --for?"]),
        (["train", "--betas", "0.5,x"], ["--betas takes numbers, such as 0.5 2 or 0.5,2, and not '0.5', 'x'"]),
        (["map", "--groups", "0,x"], ["groups is ('0,x',): it must be one group for each of the 2 layers"]),
        (
            ["map", "--grid.steps", "1"],
            ["grid.steps is 1: it must be 2 or more for a grid from 0.1 to 10 (for one beta"],
        ),
        (
            ["map", "--grid.low", "1", "--grid.high", "1"],
            ["grid.steps is 5: it must be 1 where grid.low equals grid.high (1); or choose a larger grid.high"],
        ),
        (["recommend", "somewhere", "--between", "--tries", "0"], ["tries is 0: it must be at least 1 with --between"]),
        (["map", "--training.epochs", "three"], ["--training.epochs", "three"]),
        (["map", "--training.epochs", "-1"], ["ratescape: training.epochs is -1: it must be positive"]),
        (["map", "--model.family", "vae"], ["'vae'", "--model.family", "'ghvae'"]),
        (["map", "--grid.low", "0"], ["ratescape: grid.low is 0.0: it must be above 0"]),
        (["map", "--grid.low", "-1"], ["grid.low is -1.0: it must be above 0"]),
        (["map", "--seeds", "-1"], ["seeds is (-1,): it must be distinct numbers, at least 0"]),
        (
            ["map", "--training.epochs", "3", "--training.annealing", "4"],
            ["training.annealing is 4.0", "outlasts training"],
        ),
        (["map", "--model.family", "bottom-up"], ["groups", "Sec. 3.1", "add --groups 0 0"]),
        (["map", "--out"], ["--out"]),
        (["train", "--betas", "1", "0"], ["betas is (1.0, 0.0): it must be all above 0"]),
        (["train", "--betas", "1", "-2"], ["betas is (1.0, -2.0): it must be all above 0"]),
        (["train", "--betas", "1"], ["betas is (1.0,)", "one number for each of the 2 layers"]),
        (["train", "--model.family", "bottom-up", "--betas", "1", "2"], ["betas", "Sec. 3.1", "use ghvae or lvae"]),
        (["train", "--seed", "-3"], ["seed is -3: it must be at least 0"]),
        (["evaluate"], ["evaluate needs PATH"]),
        (["evaluate", "/missing/run"], ["/missing/run", "is not a results folder", "check the path"]),
        (["report", "/missing/sweep"], ["/missing/sweep", "is not a results folder"]),
        (["recommend", "/missing/sweep"], ["/missing/sweep", "is not a results folder"]),
        (["report", "somewhere", "--config", "x.yaml"], ["--config goes with map and train"]),
        (
            ["map", "--training.epochs", "three"],
            ["--training.epochs takes a whole number, such as 20, or None, and not 't"],
        ),
        (["map", "--training.batch", "2.5"], ["--training.batch takes a whole number, such as 20, and not '2.5'"]),
        (
            ["train", "--training.learning-rate=fast"],
            ["--training.learning-rate takes a number, such as 0.5, and not 'f"],
        ),
        (["map", "--config"], ["--config takes one FILE.yaml"]),
        (["map", "--config", "a.yaml", "--config=b.yaml"], ["--config takes one FILE.yaml"]),
        (["map", "--config", "/missing.yaml"], ["/missing.yaml cannot be read", "check the path"]),
        (["data", "explode"], ["'explode'", "'list'"]),
        (["data", "show"], ["data show needs a name"]),
        (["data", "fetch", "nonsense"], ["unknown data set 'nonsense'", "mnist-5k"]),
    ],
)
def test_wrong_words_get_one_line(run: Run, words: list[str], parts: list[str]) -> None:
    refused(run(*words), *parts)


def test_commas_stand_between_numbers() -> None:
    words = ["--betas=0.5,2", "--model.latents", "8,", "4", "--seed", "3", "--data.name", "a,b"]
    command = commands.parse(["train", *words])
    assert isinstance(command, commands.Train)
    assert (command.spec.betas, command.spec.model.latents, command.spec.data.name) == ((0.5, 2.0), (8, 4), "a,b")
    swept = commands.parse(["map", "--seeds", "0,1,2", "--groups=0,0", "--method", "dedicated"])
    assert isinstance(swept, commands.Map)
    assert (swept.sweep.seeds, swept.sweep.grouping()) == ((0, 1, 2), (0, 0))


@pytest.mark.parametrize(
    ("words", "information", "binary"),
    [
        (["--evaluation.information", "false"], False, None),
        (["--evaluation.information=No"], False, None),
        (["--evaluation.no_information", "--data.binary", "true"], False, True),
        (["--evaluation.information", "true", "--data.binary=no"], True, False),
    ],
)
def test_options_are_turned_on_and_off_by_words(words: list[str], information: bool, binary: bool | None) -> None:
    command = commands.parse(["map", "--data.name", "mnist-5k", *words])
    assert isinstance(command, commands.Map)
    assert (command.options.evaluation.information, command.sweep.data.binary) == (information, binary)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", "A"], "compare needs PATH (Folder of another, B) ("),
        (["compare"], "compare needs PATH (Folder of a landscape, A) and PATH (Folder of another, B) ("),
        (["decompress", "a.rate"], "decompress needs --out PATH (Folder to write to, new or empty) ("),
        (["push"], "push needs PATH (A landscape, which goes as a whole"),
    ],
)
def test_what_is_missing_is_one_sentence(run: Run, words: list[str], said: str) -> None:
    outcome = run(*words)
    refused(outcome, f"ratescape: {said}")
    assert "required" not in outcome.err
