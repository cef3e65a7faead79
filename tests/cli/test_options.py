"""Every field of every spec is an option; options of another method, or that contradict one another, are refused."""

import dataclasses
import operator
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.commands import Run, refused

from ratescape.cli import commands
from ratescape.specs.control import ControlSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Conditioned, Dedicated, Method, Targeted
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec

VALUES: dict[str, Any] = {
    "conditioning.low": 0.05,
    "conditioning.high": 20.0,
    "evaluation.samples": 500,
    "groups": (1, 0),
    "model.family": "lvae",
    "training.skip": 5.0,
    "target_rates": ("2=3", "total=60bits"),
    "execution.engine": "ray",  # which address and results go with
}
"""Where the rule of :func:`another` gives a value that is out of range."""

NOT_GIVEN = {"merged", "target"}
"""Fields of a RunSpec that say where a model of a landscape comes from."""


def leaves(spec: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted name, type and value of every field of a spec at any depth."""
    hints = typing.get_type_hints(type(spec))
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{where}{field.name}.")
        elif field.name not in NOT_GIVEN:
            yield where + field.name, hints[field.name], value


def another(hint: Any, value: Any) -> Any:
    """A value of a field's type that differs from the field's."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return another(next(one for one in arguments if one is not types.NoneType), value)
    if origin is typing.Literal:
        return next(one for one in arguments if one != value)
    if origin is tuple:
        first = another(arguments[0], None)
        return (first, another(arguments[0], first))
    changed = {
        bool: lambda: not value,
        int: lambda: (value or 6) + 1,
        float: lambda: (value or 0.5) * 0.9,
        str: lambda: "another",
        Path: lambda: Path("another"),
    }
    return changed[hint]()


def as_words(name: str, hint: Any, value: Any) -> list[str]:
    """An option as one types it."""
    *outer, last = name.replace("_", "-").split(".")
    if hint is bool:
        return ["--" + ".".join([*outer, last if value else f"no-{last}"])]
    return [f"--{name}".replace("_", "-"), *map(str, value if isinstance(value, tuple) else [value])]


def check(command: str, fields: Sequence[tuple[str, str, Any, Any]], *more: str) -> None:
    """Give options other values than their own, all on one line, and find each in the command.

    Args:
        fields: where the value is found in the command, name of the option, type and own value.
    """
    given = {path: (option, hint, VALUES.get(option, another(hint, value))) for path, option, hint, value in fields}
    words = [command, *more, *(word for one in given.values() for word in as_words(*one))]
    parsed = commands.parse(words)
    own = {path: value for path, _, _, value in fields}
    for path, (option, _, value) in given.items():
        assert value != own[path], f"nothing is shown of {option}"
        assert (option, operator.attrgetter(path)(parsed)) == (option, value)


OF_FACTORIES = ("model.factory", "model.options", "model.source", "model.tied")


def options(spec: Any, where: str, outer: str = "") -> list[tuple[str, str, Any, Any]]:
    """Fields of a spec that is found somewhere in a command, for :func:`check`."""
    return [
        (f"{where}.{name}", outer + name.removeprefix("method."), hint, value)
        for name, hint, value in leaves(spec)
        # The first excludes training.epochs, see the test of it below; the others are of a family of their own, see
        # test_groups, and of networks of one's own, see test_factories and test_own_sweeps.
        if name not in ("training.steps", "model.blocks", *OF_FACTORIES)
    ]


@pytest.mark.parametrize("method", [Dedicated(), Conditioned(), Targeted(("2=1",))])
def test_every_field_of_a_sweep_is_an_option_of_map(method: Method) -> None:
    check("map", options(SweepSpec(method=method), "sweep"), "--method", method.kind)


def test_every_field_of_a_run_is_an_option_of_train() -> None:
    check("train", options(RunSpec(), "spec"))


@pytest.mark.parametrize(("command", "spec"), [("map", "sweep"), ("train", "spec")])
def test_steps_of_training_are_an_option_in_place_of_epochs(command: str, spec: str, run: Run) -> None:
    parsed = commands.parse([command, "--training.steps", "500"])
    assert operator.attrgetter(f"{spec}.training.steps")(parsed) == 500
    both = run(command, "--training.steps", "500", "--training.epochs", "3")
    refused(both, "training.epochs is 3 and training.steps is 500: give one of them")


def test_every_field_of_control_and_evaluation_is_an_option_of_train() -> None:
    check("train", options(ControlSpec(), "options.control", "control."), "--target-rates", "2=1")
    check("train", options(EvaluationSpec(), "evaluation", "evaluation."))


@pytest.mark.parametrize("command", ["map", "train"])
def test_every_field_of_execution_is_an_option(command: str) -> None:
    every = options(ExecutionSpec(), "execution", "execution.")
    for excluded in ("execution.compile", "execution.checkpointing"):  # the one excludes the other
        check(command, [one for one in every if one[1] != excluded])


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("map", []),
        ("train", []),
        ("evaluate", ["folder"]),
        ("recommend", ["folder"]),
        ("solve", ["folder", "--rates", "2=1"]),
        ("data", ["list"]),
    ],
)
def test_every_field_of_a_command_is_an_option(command: str, more: list[str]) -> None:
    parsed = commands.parse([command, *more])
    hints = typing.get_type_hints(type(parsed))
    positional = {"name", "given"}  # the last is filled in by the parser
    own = [field for field in dataclasses.fields(parsed) if field.default is not dataclasses.MISSING]
    names = {field.name: {"use": "for"}.get(field.name, field.name) for field in own if field.name not in positional}
    check(command, [(name, option, hints[name], getattr(parsed, name)) for name, option in names.items()], *more)


def test_no_options_are_the_defaults() -> None:
    command, alone = commands.parse(["map"]), commands.parse(["train"])
    assert isinstance(command, commands.Map) and command.sweep == SweepSpec(method=Conditioned())
    assert isinstance(alone, commands.Train) and alone.spec == RunSpec()


def test_target_rates_imply_their_method() -> None:
    command = commands.parse(["map", "--target-rates", "2=20,1=40", "total=60", "--control.delay", "0.2"])
    assert isinstance(command, commands.Map)
    assert command.sweep == SweepSpec(method=Targeted(("2=20,1=40", "total=60"), ControlSpec(delay=0.2)))
    alone = commands.parse(["train", "--target-rates", "2=20,1=40", "--seed", "3"])
    assert isinstance(alone, commands.Train)
    assert alone.sweep == SweepSpec(method=Targeted(("2=20,1=40",)), seeds=(3,))


def test_an_option_at_its_default_goes_with_every_method() -> None:
    words = ["map", "--target-rates", "2=1", "--grid.steps", str(BetaGrid().steps), "--conditioning.refine", "0"]
    command = commands.parse(words)
    assert isinstance(command, commands.Map) and command.sweep.method == Targeted(("2=1",))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["map", "--method", "dedicated", "--conditioning.refine", "2"],
            "conditioning.refine goes with method conditioned: leave it out, or add --method conditioned",
        ),
        (
            ["map", "--model.family", "bottom-up", "--groups", "0", "0", "--conditioning.refine", "2"],
            "conditioning.refine goes with method conditioned: leave it out, or add --method conditioned",
        ),
        (
            ["map", "--training.annealing", "2"],
            "training.annealing is 2.0: the conditioned network, which is the default, anneals its betas otherwise; "
            "leave it out, or add --conditioning.annealing linear (all betas rise over so many epochs) or --method "
            "dedicated (each model is trained alone)",
        ),
        (
            ["map", "--method", "targeted", "--target-rates", "2=1", "--conditioning.rank", "4"],
            "conditioning.rank goes with method conditioned: leave it out, or add --method conditioned",
        ),
        (
            ["map", "--method", "targeted", "--target-rates", "2=1", "--grid.steps", "3"],
            "grid.steps goes with method dedicated or conditioned: leave it out, or add --method dedicated",
        ),
        (
            ["map", "--target-rates", "2=1", "--groups", "0", "0"],
            "groups goes with method dedicated or conditioned: leave it out, or add --method dedicated",
        ),
        (
            ["map", "--method", "conditioned", "--target-rates", "2=1"],
            "target_rates goes with method targeted: leave it out, or add --method targeted",
        ),
        (
            ["map", "--control.delay", "0.2"],
            "control.delay goes with method targeted: leave it out, or add --method targeted",
        ),
        (["map", "--method", "targeted"], "target_rates is (): it must be one or more with method targeted"),
        (
            ["train", "--control.delay", "0.2"],
            "control.delay goes with target_rates: leave it out, or add --target-rates",
        ),
        (["train", "--strict"], "strict goes with target_rates: leave it out, or add --target-rates"),
        (
            ["train", "--target-rates", "2=1", "--betas", "1", "2"],
            "betas is (1.0, 2.0): with target_rates, betas are found by training; leave it out (control.others is the "
            "beta of layers without a target)",
        ),
    ],
)
def test_options_that_do_not_go_together_get_one_line(run: Run, words: list[str], line: str) -> None:
    outcome = run(*words)
    refused(outcome)
    assert outcome.err == f"ratescape: {line}\n"


def test_rates_that_cannot_be_asked_for_get_one_line(run: Run) -> None:
    for command in ("map", "train"):
        refused(run(command, "--target-rates", "3=1"), "there is no layer 3")
        refused(run(command, "--target-rates", "2=-1"), "rates must be above 0")
        refused(run(command, "--model.family", "bottom-up", "--target-rates", "2=1"), "total rate only", "Sec. 3.1")


def test_linear_annealing_heeds_the_epochs_of_annealing() -> None:
    command = commands.parse(["map", "--training.annealing", "2", "--conditioning.annealing", "linear"])
    assert isinstance(command, commands.Map) and command.sweep.method.kind == "conditioned"
