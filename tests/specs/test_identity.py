"""Keys: what a spec says names its results, and goes on naming them when fields are added."""

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
import yaml

from ratescape.specs.codec import from_dict, to_dict, to_yaml
from ratescape.specs.conditioning import BalancedSpec, ConditioningSpec, StaggeredSpec
from ratescape.specs.control import ControlSpec
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.identity import FORMAT, content, differences, key
from ratescape.specs.judge import JudgeSpec
from ratescape.specs.methods import Conditioned, Dedicated, Targeted
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import requested
from ratescape.specs.runs import MergedSpec, NetworkSpec, RunSpec, TargetSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

WHAT_TO_DO = """
Folders that people have are named by these keys. If a *new field* changed one, give the field a default that means what
was done before: its key then stays. If the meaning of a spec did change (a default, a name, what a value stands for),
raise FORMAT in ratescape/specs/identity.py, so that old folders are refused in one line, and pin the new keys here.
"""


# Keys that last

RESOLVED = RunSpec(
    data=DataSpec(name="mnist", binary=True),
    model=ModelSpec(channels=16, latents=(20, 16), likelihood="bernoulli"),
    training=TrainingSpec(epochs=20, annealing=6.0),
    betas=(0.1, 10.0),
)
NETWORK = NetworkSpec(data=RESOLVED.data, model=RESOLVED.model, training=RESOLVED.training, seed=1)

THREE_LAYERS = ModelSpec(family="residual", latents=(8, 4, 2))
LATE = ControlSpec(delay=0.2)

PINNED: dict[str, tuple[Any, str]] = {
    "a run of defaults": (RunSpec(), "65643c92a115"),
    "the plain VAE": (RunSpec(betas=(1.0, 1.0)), "0a5b36e1983f"),
    "a resolved run": (RESOLVED, "1d23934984f6"),
    "another seed": (dataclasses.replace(RESOLVED, seed=7), "562b0d30f94d"),
    "three layers": (
        RunSpec(model=ModelSpec(family="residual", latents=(8, 4, 2)), betas=(1.0, 2.0, 4.0)),
        "43c7c374072b",
    ),
    "a run that is merged": (dataclasses.replace(RESOLVED, merged=MergedSpec(NETWORK)), "91ec8f6497cb"),
    "a run that is merged and refined": (
        dataclasses.replace(RESOLVED, merged=MergedSpec(NETWORK, 2, 1e-3)),
        "4451d0f099d0",
    ),
    "a run of wanted rates": (
        RunSpec(target=TargetSpec(requested("2=20,1=40", 2), ControlSpec(delay=0.2))),
        "293d1c57c8d8",
    ),
    "a network of defaults": (NetworkSpec(), "2f0aaf92f239"),
    "a resolved network": (NETWORK, "36c1a9a90096"),
    "a sweep of defaults": (SweepSpec(), "24f1589cc2fb"),
    "the paper's grid": (SweepSpec(method=Dedicated(BetaGrid(steps=21), (0, 1)), seeds=(0, 1)), "0b7c0d26308e"),
    "a conditioned sweep": (SweepSpec(method=Conditioned(conditioning=ConditioningSpec(refine=2))), "d4e3c147e499"),
    "a targeted sweep": (SweepSpec(method=Targeted(("2=20,1=40", "total=60"))), "abb99d224d46"),
}


@pytest.mark.parametrize("name", PINNED)
def test_published_keys_stay(name: str) -> None:
    spec, pinned = PINNED[name]
    assert key(spec) == pinned, WHAT_TO_DO


def test_defaults_are_part_of_the_format() -> None:
    """A key leaves out what stands at its default: a default that changes would give old keys a new meaning."""
    specs: dict[str, Any] = {"run": RunSpec(), "network": NetworkSpec(), "sweep": SweepSpec(), "judge": JudgeSpec()}
    specs |= {"conditioning": ConditioningSpec(), "control": ControlSpec()}
    found = {f"{name}.{field}": value for name, spec in specs.items() for field, value in flattened(to_dict(spec))}
    assert (FORMAT, found) == (3, DEFAULTS), WHAT_TO_DO


def flattened(values: dict[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of a nested table."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{where}{name}.")
        else:
            yield where + name, value


DEFAULTS: dict[str, Any] = {
    "run.data.name": "mnist-5k",
    "run.data.binary": None,
    "run.data.validation": 0.1,
    "run.data.test": 0.2,
    "run.data.limit": None,
    "run.data.split_seed": 0,
    "run.data.target": None,
    "run.model.family": "ghvae",
    "run.model.channels": None,
    "run.model.latents": None,
    "run.model.blocks": None,
    "run.model.bottleneck": 0.25,
    "run.model.likelihood": None,
    "run.model.sigma": 0.71,
    "run.model.mixtures": 5,
    "run.model.factory": None,
    "run.model.options": None,
    "run.model.source": None,
    "run.model.tied": False,
    "run.training.epochs": None,
    "run.training.steps": None,
    "run.training.batch": 256,
    "run.training.learning_rate": 0.003,
    "run.training.schedule": "cosine",
    "run.training.lr_warmup": 0.1,
    "run.training.annealing": None,
    "run.training.annealing_path": "geometric",
    "run.training.ema": None,
    "run.training.clip": None,
    "run.training.skip": None,
    "run.training.max_skipped_steps": 50,
    "run.training.precision": "float32",
    "run.training.optimiser": None,
    "run.betas": [],
    "run.seed": 0,
    "run.merged": None,
    "run.target": None,
    "network.data.name": "mnist-5k",
    "network.data.binary": None,
    "network.data.validation": 0.1,
    "network.data.test": 0.2,
    "network.data.limit": None,
    "network.data.split_seed": 0,
    "network.data.target": None,
    "network.model.family": "ghvae",
    "network.model.channels": None,
    "network.model.latents": None,
    "network.model.blocks": None,
    "network.model.bottleneck": 0.25,
    "network.model.likelihood": None,
    "network.model.sigma": 0.71,
    "network.model.mixtures": 5,
    "network.model.factory": None,
    "network.model.options": None,
    "network.model.source": None,
    "network.model.tied": False,
    "network.training.epochs": None,
    "network.training.steps": None,
    "network.training.batch": 256,
    "network.training.learning_rate": 0.003,
    "network.training.schedule": "cosine",
    "network.training.lr_warmup": 0.1,
    "network.training.annealing": None,
    "network.training.annealing_path": "geometric",
    "network.training.ema": None,
    "network.training.clip": None,
    "network.training.skip": None,
    "network.training.max_skipped_steps": 50,
    "network.training.precision": "float32",
    "network.training.optimiser": None,
    "network.low": 0.08,
    "network.high": 12.5,
    "network.groups": [0, 1],
    "network.width": 64,
    "network.rank": 8,
    "network.knots": 5,
    "network.seed": 0,
    "network.staggered": None,
    "network.balanced": None,
    "network.restarts": 0,
    "sweep.data.name": "mnist-5k",
    "sweep.data.binary": None,
    "sweep.data.validation": 0.1,
    "sweep.data.test": 0.2,
    "sweep.data.limit": None,
    "sweep.data.split_seed": 0,
    "sweep.data.target": None,
    "sweep.model.family": "ghvae",
    "sweep.model.channels": None,
    "sweep.model.latents": None,
    "sweep.model.blocks": None,
    "sweep.model.bottleneck": 0.25,
    "sweep.model.likelihood": None,
    "sweep.model.sigma": 0.71,
    "sweep.model.mixtures": 5,
    "sweep.model.factory": None,
    "sweep.model.options": None,
    "sweep.model.source": None,
    "sweep.model.tied": False,
    "sweep.training.epochs": None,
    "sweep.training.steps": None,
    "sweep.training.batch": 256,
    "sweep.training.learning_rate": 0.003,
    "sweep.training.schedule": "cosine",
    "sweep.training.lr_warmup": 0.1,
    "sweep.training.annealing": None,
    "sweep.training.annealing_path": "geometric",
    "sweep.training.ema": None,
    "sweep.training.clip": None,
    "sweep.training.skip": None,
    "sweep.training.max_skipped_steps": 50,
    "sweep.training.precision": "float32",
    "sweep.training.optimiser": None,
    "sweep.method": "dedicated",
    "sweep.grid.low": 0.1,
    "sweep.grid.high": 10.0,
    "sweep.grid.steps": 5,
    "sweep.grid.layout": "auto",
    "sweep.grid.points": 64,
    "sweep.groups": None,
    "sweep.seeds": [0],
    "sweep.evaluation.seed": 0,
    "sweep.evaluation.draws": 1,
    "sweep.evaluation.pictures": 8,
    "sweep.evaluation.samples": 10000,
    "sweep.evaluation.judge": "small",
    "sweep.evaluation.judge_epochs": None,
    "sweep.evaluation.information": True,
    "sweep.evaluation.probes": "heldout",
    "sweep.evaluation.probe_kinds": ["logistic", "linear_svm", "rbf", "knn", "clustering", "sample"],
    "sweep.evaluation.outliers": None,
    "sweep.evaluation.restoration": [],
    "conditioning.low": None,
    "conditioning.high": None,
    "conditioning.width": 64,
    "conditioning.rank": 8,
    "conditioning.knots": 5,
    "conditioning.annealing": None,
    "conditioning.rise": 170,
    "conditioning.descent": None,
    "conditioning.restarts": None,
    "conditioning.fine": 21,
    "conditioning.fine_uses": 0,
    "conditioning.refine": 0,
    "conditioning.refine_learning_rate": None,
    "conditioning.refine_recommended": 4,
    "control.start": 1.0,
    "control.others": 1.0,
    "control.delay": 0.1,
    "control.frozen": 0.2,
    "control.tail": 0.1,
    "control.tolerance": 0.02,
    "judge.architecture": "small-cnn",
    "judge.epochs": 14,
    "judge.batch": 64,
    "judge.optimiser": "adadelta",
    "judge.learning_rate": 1.0,
    "judge.momentum": 0.0,
    "judge.weight_decay": 0.0,
    "judge.schedule": "exponential",
    "judge.decay": 0.7,
    "judge.augment": False,
    "judge.seed": 0,
}


def test_a_new_field_with_a_default_changes_no_key() -> None:
    @dataclasses.dataclass(frozen=True)
    class Older:
        KIND = "toy"
        size: int = 3

    @dataclasses.dataclass(frozen=True)
    class Newer:
        KIND = "toy"
        size: int = 3
        colour: str = "grey"

    assert key(Older(4)) == key(Newer(4)) != key(Newer(4, "blue"))
    assert key(Older()) == key(Newer()) != key(Older(4))


def test_content_is_what_differs_from_the_defaults() -> None:
    assert content(RunSpec()) == {}
    assert content(RunSpec(training=TrainingSpec(epochs=3))) == {"training": {"epochs": 3}}
    assert content(SweepSpec(method=Conditioned(BetaGrid(steps=3)))) == {
        "method": {"kind": "conditioned", "grid": {"steps": 3}}
    }
    assert content(RunSpec(merged=MergedSpec(NetworkSpec()))) == {"merged": {"network": {}}}


def test_kinds_of_specs_have_keys_of_their_own() -> None:
    assert len({key(RunSpec()), key(SweepSpec()), key(NetworkSpec())}) == 3


# Every field counts


def changed(spec: Any) -> list[tuple[str, Any]]:
    """For every field at any depth, its name as in a file, and the spec with that field alone changed."""
    other: dict[type, Any] = {bool: lambda v: not v, int: lambda v: v + 1, float: lambda v: v * 0.9 or 0.5}
    options: dict[str, Any] = {"family": "lvae", "likelihood": "learned-gaussian", "schedule": "constant"}
    options |= {"precision": "float64", "annealing_path": "linear", "probes": "paper", "samples": 500}
    options |= {
        "judge": "paper",
        "merged": MergedSpec(NetworkSpec()),
        "staggered": StaggeredSpec(),
        "balanced": BalancedSpec(),
        "annealing": "balanced" if isinstance(spec, ConditioningSpec) else 0.5,
        "target": "kind" if isinstance(spec, DataSpec) else TargetSpec(requested("2=3", 2)),
    }
    options |= {"layout": "scattered", "skip": 10.0, "optimiser": "adam", "refine_learning_rate": 0.01}
    options |= {"groups": (0, 0), "target_rates": ("2=3",), "probe_kinds": ("rbf",), "outliers": "mnist"}
    options |= {"restoration": ("half",)}
    found: list[tuple[str, Any]] = []
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if isinstance(spec, TrainingSpec) and field.name == "steps":
            continue  # epochs and steps exclude each other: see the test of steps below
        if dataclasses.is_dataclass(value):
            where = "" if hasattr(value, "kind") else f"{field.name}."
            found += [(where + name, dataclasses.replace(spec, **{field.name: new})) for name, new in changed(value)]
            continue
        if field.name == "blocks":  # for a deep network alone: see below
            continue
        if field.name in ("factory", "options", "source", "tied"):  # in place of a family: see test_factories.py
            continue
        if field.name in options:
            new = options[field.name]
        elif isinstance(value, tuple):
            new = (*value[:-1], value[-1] + 1)
        elif isinstance(value, str):
            new = value + "x"
        else:
            new = other[type(value)](value)
        found.append((field.name, dataclasses.replace(spec, **{field.name: new})))
    return found


FULL: dict[str, Any] = {
    "data": DataSpec(binary=True, limit=100),
    "model": ModelSpec(channels=4, latents=(3, 2), likelihood="gaussian"),
    "training": TrainingSpec(epochs=20, annealing=3.0, ema=0.9, clip=1.0),
}
EVALUATION = EvaluationSpec(judge_epochs=3)
CONDITIONED = Conditioned(groups=(0, 1), conditioning=ConditioningSpec(0.05, 20.0, descent=0.4, restarts=3))
VARIED: dict[str, Any] = {
    "run": RunSpec(**FULL, betas=(1.0, 1.0)),
    "network": NetworkSpec(**FULL),
    "dedicated": SweepSpec(**FULL, method=Dedicated(groups=(0, 1)), evaluation=EVALUATION),
    "conditioned": SweepSpec(**FULL, method=CONDITIONED, evaluation=EVALUATION),
    "targeted": SweepSpec(**FULL, method=Targeted(("2=7",)), evaluation=EVALUATION),
}


@pytest.mark.parametrize("name", VARIED)
def test_every_field_changes_the_key_and_is_named_as_a_difference(name: str) -> None:
    spec = VARIED[name]
    variants = changed(spec)
    assert len(variants) > 20
    keys = [key(variant) for _, variant in variants]
    assert len({key(spec), *keys}) == len(keys) + 1
    for field, variant in variants:
        assert differences(spec, variant) == [field]
    assert differences(spec, spec) == []


def test_the_blocks_of_a_deep_network_change_the_key() -> None:
    specs = [RunSpec(model=ModelSpec(family="deep", blocks=blocks)) for blocks in (None, "1x1,7x2", "1x1,7x3")]
    assert len({key(spec) for spec in specs}) == 3
    assert differences(specs[1], specs[2]) == ["model.blocks"]


def test_steps_of_training_are_part_of_the_key() -> None:
    bare, asked = RunSpec(), RunSpec(training=TrainingSpec(steps=500))
    assert len({key(bare), key(asked), key(RunSpec(training=TrainingSpec(epochs=500)))}) == 3
    assert differences(bare, asked) == ["training.steps"]


def test_another_method_is_another_sweep() -> None:
    specs = [VARIED[name] for name in ("dedicated", "conditioned", "targeted")]
    assert len({key(spec) for spec in specs}) == 3
    assert differences(specs[0], specs[1]) == ["method", "conditioning"]
    runs = [{key(run) for run in spec.runs()} for spec in specs]
    assert not runs[0] & runs[1] and not runs[1] & runs[2] and not runs[0] & runs[2]


def test_every_request_of_rates_has_its_key() -> None:
    asked = [("2=3,1=4",), ("2=3",), ("total=7",), ("2=3,1=4", "2=3")]
    specs = [SweepSpec(**FULL, method=Targeted(rates)) for rates in asked]
    assert len({key(spec) for spec in specs}) == 4 and len({key(run) for spec in specs for run in spec.runs()}) == 3
    assert differences(specs[0], specs[1]) == ["target_rates"]


def test_keys_do_not_depend_on_the_process() -> None:
    code = "from ratescape.specs.identity import key; from ratescape.specs.runs import RunSpec; "
    code += "from ratescape.specs.sweep import SweepSpec; print(key(SweepSpec()), key(RunSpec(seed=3)))"
    keys = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert keys == {f"{key(SweepSpec())} {key(RunSpec(seed=3))}\n"}


def test_numbers_of_other_types_are_the_same_spec() -> None:
    whole = SweepSpec(training=TrainingSpec(annealing=3, learning_rate=1), method=Dedicated(BetaGrid(1, 10, 3)))
    real = SweepSpec(training=TrainingSpec(annealing=3.0, learning_rate=1.0), method=Dedicated(BetaGrid(1.0, 10.0, 3)))
    assert key(whole) == key(real) == key(from_dict(SweepSpec, yaml.safe_load(to_yaml(whole))))
    seed, beta = cast(int, np.int64(3)), cast(float, np.float32(2))
    assert key(RunSpec(seed=seed, betas=(1, beta))) == key(RunSpec(seed=3, betas=(1.0, 2.0)))


def test_run_and_sweep_specs_have_keys_of_their_own() -> None:
    assert key(RunSpec()) != key(SweepSpec())
    assert len(key(RunSpec())) == 12
    assert to_dict(RunSpec(betas=(1.0, 2.0)))["betas"] == [1.0, 2.0]
