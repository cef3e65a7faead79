"""Presets of deep networks: what map and train make of them, on the images that they are for."""

import contextlib
from pathlib import Path

import pytest
from helpers.commands import Run

from ratescape.cli import commands
from ratescape.model.recomputing import recomputing
from ratescape.model.registry import build, resolved_model
from ratescape.specs.groups import resolved_groups
from ratescape.specs.methods import Conditioned
from ratescape.training import loop

SHAPES = {
    "mnist-deep-small": (1, 28, 28),
    "cifar10-deep-small": (3, 32, 32),
    "cifar10-deep": (3, 32, 32),
    "images64-deep": (3, 64, 64),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_preset_of_a_deep_network_fits_its_images(name: str) -> None:
    mapping, training = commands.parse(["map", "--config", name]), commands.parse(["train", "--config", name])
    assert isinstance(mapping, commands.Map) and isinstance(training, commands.Train)
    assert isinstance(mapping.sweep.method, Conditioned)
    assert (training.spec.model, training.spec.training) == (mapping.sweep.model, mapping.sweep.training)
    spec = resolved_model(mapping.sweep.model, SHAPES[name], binary=name.startswith("mnist"))
    assert len(build(spec, SHAPES[name]).layers) == spec.layers
    assert max(resolved_groups(None, spec)) + 1 in (2, 3)  # axes of a landscape
    assert training.spec.training.ema is not None and training.spec.training.skip is not None


@pytest.mark.parametrize("command", ["train", "map"])
def test_a_preset_works_and_so_does_checkpointing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    seen: list[bool] = []

    def noted(active: bool) -> contextlib.AbstractContextManager[None]:
        seen.append(active)
        return recomputing(active)

    monkeypatch.setattr(loop, "recomputing", noted)
    few = ["--data.name", "mnist-5k", "--data.limit", "64", "--training.epochs", "1", "--model.channels", "4"]
    lean = ["--evaluation.samples", "0", "--evaluation.probes", "none", "--evaluation.no-information"]
    how = ["--execution.engine", "in-process", "--execution.checkpointing", "--quiet", "--out", tmp_path / "out"]
    small = ["--grid.steps", "2", "--conditioning.fine", "0", "--conditioning.refine-recommended", "0"]
    more = small if command == "map" else []
    outcome = run(command, "--config", "mnist-deep-small", *few, *lean, *how, *more)
    assert outcome.status == 0, outcome.err
    assert seen and all(seen)
