"""Config files: the spec.yaml of results, presets, options that override them, and wrong ones in one line."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.commands import Run, refused

from ratescape.cli import commands
from ratescape.specs.codec import to_yaml
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.control import ControlSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.identity import FORMAT, key
from ratescape.specs.methods import Conditioned, Dedicated, Method, Targeted
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

METHODS = [
    Dedicated(BetaGrid(steps=3), groups=(0, 0)),
    Conditioned(BetaGrid(0.5, 2.0, 3), conditioning=ConditioningSpec(low=0.25, refine=2)),
    Targeted(("2=20,1=40", "total=60"), ControlSpec(delay=0.2)),
]


def mapping(*words: str | Path) -> commands.Map:
    """What `ratescape map` is asked for."""
    command = commands.parse(["map", *map(str, words)])
    assert isinstance(command, commands.Map)
    return command


def training(*words: str | Path) -> commands.Train:
    """What `ratescape train` is asked for."""
    command = commands.parse(["train", *map(str, words)])
    assert isinstance(command, commands.Train)
    return command


def written(path: Path, spec: Any) -> Path:
    """The spec.yaml of a results folder."""
    path.write_text(f"version: {FORMAT}\n{to_yaml(spec)}")
    return path


# Right ones


@pytest.mark.parametrize("method", METHODS)
def test_the_spec_of_a_landscape_is_a_config_of_map(tmp_path: Path, method: Method) -> None:
    spec = SweepSpec(training=TrainingSpec(epochs=7), method=method, seeds=(1, 2))
    path = written(tmp_path / "spec.yaml", spec)
    assert mapping("--config", path).sweep == spec
    other = mapping("--config", path, "--seeds", "3").sweep
    assert other == dataclasses.replace(spec, seeds=(3,))


def test_the_spec_of_a_model_is_a_config_of_train(tmp_path: Path) -> None:
    spec = RunSpec(betas=(0.5, 2.0), seed=3)
    command = training(f"--config={written(tmp_path / 'spec.yaml', spec)}")
    assert command.spec == spec and key(command.spec) == key(spec)


def test_a_config_asks_train_for_rates(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "target_rates: ['2=20,1=40']\nseed: 5\ncontrol: {tail: 0.2}\nevaluation: {draws: 3}\nstrict: true\n"
    )
    command = training("--config", path, "--control.delay", "0.05")
    assert command.sweep.method == Targeted(("2=20,1=40",), ControlSpec(tail=0.2, delay=0.05))
    assert (command.sweep.seeds, command.sweep.evaluation.draws, command.strict) == ((5,), 3, True)


def test_options_override_a_config(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    values = {"training": {"epochs": 7, "batch": 64}, "grid": {"steps": 3}, "execution": {"pack": 3}, "quiet": True}
    path.write_text(yaml.safe_dump(values | {"method": "dedicated", "out": "somewhere"}))
    command = mapping("--training.epochs", "9", "--config", path, "--grid.high", "20")
    assert (command.sweep.training.epochs, command.sweep.training.batch) == (9, 64)
    assert command.sweep.method == Dedicated(BetaGrid(steps=3, high=20.0))
    assert (command.execution.pack, command.quiet, command.out) == (3, True, Path("somewhere"))


def test_an_option_makes_sense_of_a_config(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("conditioning: {refine: 2}")
    assert mapping("--config", path, "--method", "conditioned").sweep.method == Conditioned(
        conditioning=ConditioningSpec(refine=2)
    )


# Wrong ones


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("traning: {epochs: 3}", ["unknown key traning; did you mean training?", "config.yaml"]),
        ("training: {epoch: 3}", ["unknown key training.epoch; did you mean training.epochs?", "config.yaml"]),
        ("training: {epochs: many}", ["training.epochs is 'many': it must be a whole number", "config.yaml"]),
        ("execution: {pack: 0}", ["execution.pack is 0: it must be positive", "config.yaml"]),
        ("grid: {low: -1.0}", ["grid.low is -1.0: it must be above 0", "config.yaml"]),
        ("training: [", ["config.yaml is not valid YAML", "correct the file"]),
        ("- 3", ["config.yaml holds no table of fields"]),
        ("version: 99\nnew: 3", ["config.yaml was made by a newer ratescape (format 99,", "upgrade"]),
        ("version: two", ["config.yaml has version: two: it must be 3, the format of configs, or left out"]),
        (
            "version: 1\nmethod: dedicated",
            ["was made by an older ratescape (format 1, this one reads", "fields of this"],
        ),
        ("method: guessed", ["method is 'guessed': it must be one of dedicated, conditioned, targeted", "config.yaml"]),
        ("seed: 3", ["unknown key seed; did you mean seeds?", "config.yaml"]),
        (
            "method: dedicated\nconditioning: {refine: 2}",
            ["conditioning.refine goes with method conditioned: leave it out, or add"],
        ),
        ("method: targeted\ntarget_rates: [2=3]\ngrid: {steps: 3}", ["grid.steps goes with method dedicated or cond"]),
    ],
)
def test_a_wrong_config_gets_one_line(run: Run, tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    refused(run("map", "--config", path), *parts)


@pytest.mark.parametrize(
    ("command", "spec", "part"),
    [
        ("map", RunSpec(betas=(1.0, 2.0)), "describes one model (it has betas): give it to train"),
        ("train", SweepSpec(), "describes a landscape (it has method): give it to map"),
        ("train", SweepSpec(method=METHODS[2]), "describes a landscape (it has method): give it to map"),
        (
            "train",
            SweepSpec(method=METHODS[1]).runs()[0],
            "describes a model taken from a conditioned network: give map",
        ),
        ("train", SweepSpec(method=METHODS[2]).runs()[0], "describes a model trained for target rates: give map"),
        ("map", SweepSpec(method=METHODS[1]).runs()[0], "describes a model taken from a conditioned network: give map"),
    ],
)
def test_a_spec_of_something_else_says_which_command(
    run: Run, tmp_path: Path, command: str, spec: Any, part: str
) -> None:
    refused(run(command, "--config", written(tmp_path / "spec.yaml", spec)), part, "spec.yaml")


# Presets

PRESETS = ["cifar10-ghvae", "mnist-ghvae", "svhn-ghvae", "svhn-lvae"]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_the_papers_grids(name: str) -> None:
    data, family = name.split("-")
    sweep = mapping("--config", name).sweep
    assert (sweep.data.name, sweep.model.family, sweep.data.validation) == (data, family, 0)
    assert len(sweep.runs()) == 441 and sweep.runs()[220].betas == (1.0, 1.0)
    recipe = sweep.training
    assert (recipe.epochs, recipe.batch, recipe.learning_rate, recipe.schedule) == (500, 256, 3e-4, "constant")
    assert (recipe.annealing, recipe.annealing_path if recipe.annealing else None) == (
        (100, "linear") if family == "lvae" else (0, None)
    )
    small = mapping("--config", f"{name}-small", "--grid.steps", "4").sweep
    assert (small.data.name, small.model.family, len(small.runs())) == (data, family, 16)
    assert small.data.validation > 0


def test_an_unknown_preset_names_the_known_ones(run: Run) -> None:
    refused(run("map", "--config", "mnist"), "config mnist is neither a file nor one of the presets", *PRESETS)
