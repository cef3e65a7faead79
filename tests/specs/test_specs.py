"""Specs: every field is checked and named, YAML and keys are faithful, grids are the paper's."""

import dataclasses
import importlib
import itertools
import math
import pkgutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import yaml
from helpers.sweeps import altered, sweep_spec
from hypothesis import given
from hypothesis import strategies as st

import ratescape.specs
from ratescape.errors import SpecError
from ratescape.specs.codec import from_dict, from_yaml, read_mapping, to_yaml
from ratescape.specs.conditioning import BalancedSpec, ConditioningSpec, StaggeredSpec
from ratescape.specs.control import ControlSpec
from ratescape.specs.data import DataSpec
from ratescape.specs.default_method import default_method
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.identity import key
from ratescape.specs.judge import JudgeSpec
from ratescape.specs.methods import Conditioned, Dedicated, Targeted
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import RateTarget
from ratescape.specs.runs import MergedSpec, NetworkSpec, RunSpec, TargetSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

positive = st.floats(1e-6, 1e6)
whole = st.integers(1, 10**6)
seeds = st.integers(0, 2**40)

data_specs = st.builds(
    DataSpec,
    name=st.text(min_size=1, max_size=20),
    binary=st.none() | st.booleans(),
    validation=st.floats(0, 0.99),
    test=st.floats(0.01, 0.99),
    limit=st.none() | whole,
    split_seed=seeds,
)
model_specs = st.builds(
    ModelSpec,
    family=st.sampled_from(["ghvae", "lvae", "residual"]),
    channels=st.none() | whole,
    latents=st.none() | st.tuples(whole, whole),
    likelihood=st.sampled_from([None, "bernoulli", "gaussian", "learned-gaussian", "logistic-mixture"]),
    sigma=positive,
    mixtures=whole,
)
training_specs = st.builds(
    TrainingSpec,
    epochs=st.integers(100, 1000),
    batch=whole,
    learning_rate=positive,
    schedule=st.sampled_from(["cosine", "constant"]),
    annealing=st.none() | st.floats(0, 100),
    ema=st.none() | st.floats(0.1, 0.999),
    clip=st.none() | positive,
    optimiser=st.sampled_from([None, "adam", "muon"]),
    max_skipped_steps=whole,
    precision=st.sampled_from(["float32", "tf32", "bf16", "float64"]),
)
conditioning_specs = st.builds(
    ConditioningSpec,
    low=st.none() | st.floats(1e-6, 1e-3),
    high=st.none() | st.floats(1e3, 1e6),
    width=whole,
    annealing=st.sampled_from([None, "staggered", "balanced", "linear"]),
    rise=st.integers(0, 1000),
    descent=st.floats(0, 1),
    restarts=st.integers(0, 9),
    fine=st.sampled_from([0, 2, 21]),
    refine=st.integers(0, 100),
    refine_learning_rate=st.none() | positive,
)
evaluation_specs = st.builds(EvaluationSpec, seed=seeds, draws=whole, pictures=whole)
grids = st.builds(BetaGrid, low=st.floats(1e-3, 1.0), high=st.floats(1.1, 1e3), steps=st.integers(2, 30))
run_specs = st.builds(
    RunSpec,
    data=data_specs,
    model=model_specs,
    training=training_specs,
    betas=st.tuples(positive, positive),
    seed=seeds,
)
groups = st.sampled_from([None, (0, 0), (0, 1), (1, 0)])
control_specs = st.builds(ControlSpec, start=st.floats(0.01, 100), delay=st.floats(0, 0.4), tolerance=positive)
sweep_specs = st.builds(
    SweepSpec,
    data=data_specs,
    model=model_specs,
    training=training_specs,
    method=st.builds(Dedicated, grids, groups)
    | st.builds(Conditioned, grids, groups, conditioning_specs)
    | st.builds(Targeted, st.just(("2=20,1=40", "total=60bits")), control_specs),
    seeds=st.lists(seeds, min_size=1, max_size=3, unique=True).map(tuple),
    evaluation=evaluation_specs,
)
execution_specs = st.builds(
    ExecutionSpec,
    engine=st.sampled_from(["auto", "in-process", "workers"]),
    workers=st.none() | whole,
    pack=st.none() | whole,
    checkpoint_seconds=st.floats(0, 1e6),
) | st.builds(ExecutionSpec, engine=st.just("ray"), address=st.none() | st.just("auto"), results=st.none())


def points_of(spec: SweepSpec) -> list[tuple[float, ...]]:
    """The beta points of a sweep's runs, of its first seed."""
    return [run.betas for run in spec.runs() if run.seed == spec.seeds[0]]


def box_of(spec: SweepSpec) -> tuple[float, float]:
    assert isinstance(spec.method, Conditioned)
    return spec.method.box()


# In and out


@given(st.one_of(run_specs, sweep_specs, execution_specs))
def test_yaml_reads_back_what_was_written(spec: Any) -> None:
    again = from_dict(type(spec), yaml.safe_load(to_yaml(spec)))
    assert again == spec
    if not isinstance(spec, ExecutionSpec):
        assert key(again) == key(spec)


def test_a_file_reads_back_what_was_written(tmp_path: Path) -> None:
    spec = sweep_spec(model=ModelSpec(family="residual", latents=(5, 4, 3)), grid=BetaGrid(steps=3), groups=(0, 1, 1))
    (tmp_path / "spec.yaml").write_text(to_yaml(spec))
    assert from_yaml(SweepSpec, tmp_path / "spec.yaml") == spec


def test_fields_left_out_keep_their_defaults() -> None:
    assert from_dict(SweepSpec, {"training": {"epochs": 3}}) == sweep_spec(training=TrainingSpec(epochs=3))
    assert from_dict(TrainingSpec, {"learning_rate": 1}) == TrainingSpec(learning_rate=1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"traning": {}}, "unknown key traning; did you mean training?"),
        ({"training": {"epoch": 3}}, "unknown key training.epoch; did you mean training.epochs?"),
        ({"grid": {"xyz": 1}}, "unknown key grid.xyz; known: low, high, steps"),
        ({3: 1}, "unknown key 3; known: data, model"),
        ({"training": 3}, "training is 3: it must be a table of fields"),
        ({"training": {"epochs": "3"}}, "training.epochs is '3': it must be a whole number"),
        ({"training": {"epochs": 3.0}}, "training.epochs is 3.0: it must be a whole number"),
        ({"training": {"epochs": True}}, "training.epochs is True: it must be a whole number"),
        ({"training": {"batch": None}}, "training.batch is None: it must be a whole number"),
        ({"training": {"learning_rate": "fast"}}, "training.learning_rate is 'fast': it must be a number"),
        ({"training": {"learning_rate": True}}, "training.learning_rate is True: it must be a number"),
        ({"training": {"schedule": "linear"}}, "training.schedule is 'linear': it must be one of cosine, constant"),
        ({"data": {"binary": 1}}, "data.binary is 1: it must be true or false"),
        ({"data": {"name": 5}}, "data.name is 5: it must be text"),
        ({"model": {"latents": 3}}, "model.latents is 3: it must be a list"),
        ({"model": {"latents": [3, "x"]}}, "model.latents[1] is 'x': it must be a whole number"),
        ({"seeds": [0, 1.5]}, "seeds[1] is 1.5: it must be a whole number"),
    ],
)
def test_wrong_keys_and_types_are_named(values: dict[Any, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        from_dict(SweepSpec, values)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "is not valid YAML"),
        (b"\xff\xfe\xfa", "is not valid YAML"),
        (b"when: 2001-99-99", "is not valid YAML"),
        (b"[" * 5000, "is not valid YAML"),
        (b"- a\n" * 100_000, "has more than 262,144 bytes"),
        (b"- 1\n- 2\n", "holds no table of fields"),
        (b"just words", "holds no table of fields"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=message) as caught:
        read_mapping(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named_and_an_empty_one_is_a_table(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"missing\.yaml cannot be read \(No such file"):
        read_mapping(tmp_path / "missing.yaml")
    with pytest.raises(SpecError, match="cannot be read"):
        read_mapping(tmp_path)
    (tmp_path / "empty.yaml").touch()
    assert from_yaml(SweepSpec, tmp_path / "empty.yaml") == SweepSpec()


def test_a_bad_value_in_a_file_names_the_field_and_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("training: {epochs: 0}")
    with pytest.raises(SpecError, match=r"training\.epochs is 0: it must be positive \(in .*config\.yaml\)"):
        from_yaml(SweepSpec, path)


# Ranges

NAN, INF = math.nan, math.inf

OUT_OF_RANGE: list[tuple[type[Any], str, str, list[Any]]] = [
    (DataSpec, "data.", "name", [""]),
    (DataSpec, "data.", "validation", [-0.1, 1.0, NAN]),
    (DataSpec, "data.", "test", [0.0, 1.0, NAN]),
    (DataSpec, "data.", "limit", [0, -5]),
    (DataSpec, "data.", "split_seed", [-1]),
    (ModelSpec, "model.", "channels", [0]),
    (ModelSpec, "model.", "latents", [(), (3, 0), (3,), (3, 2, 1)]),
    (ModelSpec, "model.", "bottleneck", [0.0, -0.1, 1.1, NAN]),
    (ModelSpec, "model.", "sigma", [0.0, -1.0, NAN, INF]),
    (ModelSpec, "model.", "mixtures", [0]),
    (TrainingSpec, "training.", "epochs", [0, -1]),
    (TrainingSpec, "training.", "steps", [0, -1]),
    (TrainingSpec, "training.", "batch", [0]),
    (TrainingSpec, "training.", "learning_rate", [0.0, -1.0, NAN, INF]),
    (TrainingSpec, "training.", "lr_warmup", [-0.1, 1.1, NAN]),
    (TrainingSpec, "training.", "annealing", [-1.0, NAN]),
    (TrainingSpec, "training.", "ema", [0.0, 1.0, NAN]),
    (TrainingSpec, "training.", "clip", [0.0, -1.0, NAN]),
    (TrainingSpec, "training.", "skip", [0.5, 1.0, NAN]),
    (TrainingSpec, "training.", "max_skipped_steps", [0]),
    (BetaGrid, "grid.", "low", [0.0, -1.0, NAN, INF]),
    (BetaGrid, "grid.", "high", [0.05, NAN, INF]),
    (BetaGrid, "grid.", "steps", [0, 1]),
    (BetaGrid, "grid.", "points", [0, -1]),
    (EvaluationSpec, "evaluation.", "seed", [-1]),
    (EvaluationSpec, "evaluation.", "draws", [0]),
    (EvaluationSpec, "evaluation.", "pictures", [0]),
    (EvaluationSpec, "evaluation.", "samples", [-5, 7]),
    (EvaluationSpec, "evaluation.", "judge_epochs", [0]),
    (EvaluationSpec, "evaluation.", "probe_kinds", [(), ("rbf", "rbf")]),
    (ConditioningSpec, "conditioning.", "low", [0.0, -1.0, NAN, INF]),
    (ConditioningSpec, "conditioning.", "high", [0.0, -1.0, NAN, INF]),
    (ConditioningSpec, "conditioning.", "fine_uses", [-1]),
    (ConditioningSpec, "conditioning.", "rank", [-1]),
    (ConditioningSpec, "conditioning.", "knots", [-1, 1]),
    (ConditioningSpec, "conditioning.", "width", [0]),
    (ConditioningSpec, "conditioning.", "rise", [-1]),
    (ConditioningSpec, "conditioning.", "descent", [-0.1, 1.1, NAN]),
    (ConditioningSpec, "conditioning.", "restarts", [-1]),
    (NetworkSpec, "network.", "restarts", [-1]),
    (StaggeredSpec, "staggered.", "rise", [-1]),
    (BalancedSpec, "balanced.", "hold", [-1]),
    (BalancedSpec, "balanced.", "descent", [-0.1, 1.1, NAN]),
    (StaggeredSpec, "staggered.", "descent", [-0.1, 1.1, NAN]),
    (ConditioningSpec, "conditioning.", "fine", [1, -1]),
    (ConditioningSpec, "conditioning.", "refine", [-1]),
    (ConditioningSpec, "conditioning.", "refine_recommended", [-1]),
    (ConditioningSpec, "conditioning.", "refine_learning_rate", [0.0, -1.0, NAN, INF]),
    (JudgeSpec, "judge.", "epochs", [0]),
    (JudgeSpec, "judge.", "batch", [0]),
    (JudgeSpec, "judge.", "learning_rate", [0.0, -1.0, NAN, INF]),
    (JudgeSpec, "judge.", "decay", [0.0, NAN]),
    (JudgeSpec, "judge.", "momentum", [-0.1, NAN]),
    (JudgeSpec, "judge.", "weight_decay", [-0.1, NAN]),
    (JudgeSpec, "judge.", "seed", [-1]),
    (RunSpec, "", "betas", [(1.0,), (1.0, 1.0, 1.0), (1.0, 0.0), (1.0, -1.0), (1.0, NAN), (INF, 1.0)]),
    (RunSpec, "", "seed", [-1]),
    (ControlSpec, "control.", "start", [0.0, -1.0, 1e3, NAN]),
    (ControlSpec, "control.", "others", [0.0, -1.0, 1e3, NAN]),
    (ControlSpec, "control.", "frozen", [-0.1, 1.0, NAN]),
    (ControlSpec, "control.", "delay", [-0.1, 0.8, NAN]),
    (ControlSpec, "control.", "tail", [0.0, 0.75, NAN]),
    (ControlSpec, "control.", "tolerance", [0.0, -1.0, NAN]),
    (NetworkSpec, "network.", "low", [0.0, -1.0, NAN, INF]),
    (NetworkSpec, "network.", "high", [0.0, 0.01, NAN, INF]),
    (NetworkSpec, "network.", "groups", [(0,), (0, 2), (1, 1), (0, -1), ()]),
    (NetworkSpec, "network.", "width", [0]),
    (NetworkSpec, "network.", "rank", [-1]),
    (NetworkSpec, "network.", "knots", [-1, 1]),
    (NetworkSpec, "network.", "seed", [-1]),
    (SweepSpec, "", "seeds", [(), (1, 1), (-1,)]),
    (ExecutionSpec, "execution.", "workers", [0]),
    (ExecutionSpec, "execution.", "pack", [0]),
    (ExecutionSpec, "execution.", "checkpoint_seconds", [-1.0, NAN]),
    (ExecutionSpec, "execution.", "log_pictures", [-1]),
    (ExecutionSpec, "execution.", "address", ["", "auto"]),
    (ExecutionSpec, "execution.", "results", ["", "file:///tmp/results"]),
]


@pytest.mark.parametrize(("cls", "where", "field", "values"), OUT_OF_RANGE)
def test_out_of_range_names_the_field(cls: type[Any], where: str, field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(SpecError) as caught:
            cls(**{field: value})
        assert str(caught.value).startswith(f"{where}{field} is {value!r}: it must be ")


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: TrainingSpec(epochs=cast(Any, "3")), "training.epochs is '3': it must be a whole number"),
        (lambda: TrainingSpec(clip=cast(Any, "1")), "training.clip is '1': it must be a number"),
        (lambda: BetaGrid(steps=cast(Any, 2.5)), "grid.steps is 2.5: it must be a whole number"),
        (lambda: ModelSpec(family=cast(Any, 3)), "model.family is 3: it must be text"),
        (lambda: ModelSpec(latents=cast(Any, "20")), "model.latents is '20': it must be a list"),
        (lambda: DataSpec(binary=cast(Any, "no")), "data.binary is 'no': it must be true or false"),
        (
            lambda: EvaluationSpec(probe_kinds=cast(Any, ("svm",))),
            "evaluation.probe_kinds[0] is 'svm': it must be one of",
        ),
        (lambda: SweepSpec(seeds=cast(Any, ("0",))), "seeds[0] is '0': it must be a whole number"),
        (lambda: Conditioned(grid=cast(Any, {"steps": "3"})), "grid.steps is '3': it must be a whole number"),
    ],
)
def test_a_wrong_type_names_the_field_in_python_too(make: Callable[[], object], line: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert str(caught.value).startswith(line)


def test_lists_and_numbers_of_numpy_are_taken_as_what_they_mean() -> None:
    assert ModelSpec(latents=cast(Any, [20, np.int64(16)])) == ModelSpec(latents=(20, 16))
    spec = TrainingSpec(epochs=cast(Any, np.int64(3)), learning_rate=cast(Any, np.float64(0.5)))
    assert spec == TrainingSpec(epochs=3, learning_rate=0.5) and type(spec.epochs) is int
    assert Dedicated(grid=cast(Any, {"steps": 3})) == Dedicated(grid=BetaGrid(steps=3))


CHECKED_BY_A_WHOLE: dict[tuple[type[Any], str], list[Callable[[], object]]] = {
    (Dedicated, "groups"): [partial(sweep_spec, groups=one) for one in ((0,), (0, 2), (1, 1), (0, -1), ())],
    (Conditioned, "groups"): [partial(sweep_spec, "conditioned", groups=one) for one in ((0,), (0, 2), (1, 1), ())],
    (Targeted, "target_rates"): [partial(sweep_spec, "targeted", target_rates=one) for one in ((), ("2=0",), ("3=1",))],
    (TargetSpec, "rates"): [partial(TargetSpec, ())],
    (RateTarget, "layers"): [partial(RateTarget, one, 1.0) for one in ((), (0,), (-1, 1))],
    (RateTarget, "rate"): [partial(RateTarget, (1,), one) for one in (0.0, -1.0, NAN, INF)],
    (MergedSpec, "refine"): [partial(MergedSpec, NetworkSpec(), refine=-1)],
    (MergedSpec, "refine_learning_rate"): [
        partial(MergedSpec, NetworkSpec(), refine_learning_rate=one) for one in (0.0, -1.0, NAN, INF)
    ],
}
"""Fields of specs that need others to be made at all, or that the model decides about: ways to make a wrong one."""


@pytest.mark.parametrize(("cls", "field"), CHECKED_BY_A_WHOLE)
def test_out_of_range_names_the_field_of_a_part(cls: type[Any], field: str) -> None:
    """Parts are made from specs that were checked, or read from a results folder that may have been edited."""
    for make in CHECKED_BY_A_WHOLE[cls, field]:
        with pytest.raises(SpecError) as caught:
            make()
        message = str(caught.value)
        assert field in message and (" it must be " in message or cls is Targeted), message


@pytest.mark.parametrize("groups", [(0,), (0, 2), (1, 1), (0, -1), ()])
@pytest.mark.parametrize("method", [Dedicated, Conditioned])
def test_groups_that_do_not_fit_are_named(method: type[Any], groups: tuple[int, ...]) -> None:
    with pytest.raises(SpecError) as caught:
        SweepSpec(method=method(groups=groups))
    assert str(caught.value).startswith(f"groups is {groups!r}: it must be one group for each of the 2 layers")


def test_every_number_is_checked() -> None:
    """A field that holds a number, or one added later that does, must stand in one of the tables above."""
    checked = {(cls, field) for cls, _, field, _ in OUT_OF_RANGE} | CHECKED_BY_A_WHOLE.keys()
    known = {(cls, name) for cls in spec_classes() for name in get_type_hints(cls)}
    assert checked <= known
    numbers = {
        (cls, field.name)
        for cls in spec_classes()
        for field in dataclasses.fields(cls)
        if holds_a_number(get_type_hints(cls)[field.name])
    }
    assert len(numbers) > 50 and numbers - checked == set()


def holds_a_number(hint: Any) -> bool:
    """Whether values of a type are whole or real numbers, or hold any; what is chosen from a list holds none."""
    if get_origin(hint) is Literal:
        return False
    return hint in (int, float) or any(map(holds_a_number, get_args(hint)))


def spec_classes() -> list[type[Any]]:
    """Every spec that is defined under ratescape.specs."""
    found: list[type[Any]] = []
    for module in pkgutil.iter_modules(ratescape.specs.__path__, "ratescape.specs."):
        members = vars(importlib.import_module(module.name)).values()
        found += [one for one in members if isinstance(one, type) and one.__module__ == module.name]
    return [one for one in found if dataclasses.is_dataclass(one) and not one.__name__.endswith("Facts")]


def test_annealing_that_outlasts_training_says_why() -> None:
    assert TrainingSpec(epochs=5, annealing=5).annealing == 5
    with pytest.raises(SpecError, match=r"training\.epochs \(5\): annealing that outlasts training"):
        TrainingSpec(epochs=5, annealing=5.5)


def test_only_the_residual_family_takes_other_than_two_layers() -> None:
    assert ModelSpec(family="residual", latents=(4,)).layers == 1
    assert ModelSpec(family="residual", latents=(5, 4, 3, 2, 1)).layers == 5
    with pytest.raises(SpecError, match=r"two sizes for lvae \(the residual"):
        ModelSpec(family="lvae", latents=(4,))


# Grids


def test_the_papers_grid() -> None:
    values = BetaGrid(steps=21).values()
    assert values == pytest.approx([10 ** (-1 + 0.1 * k) for k in range(21)], rel=1e-9)
    assert (values[0], values[10], values[20]) == (0.1, 1.0, 10.0)
    points = points_of(sweep_spec(grid=BetaGrid(steps=21)))
    assert len(points) == len(set(points)) == 441
    assert (points[0], points[1][0], points[-1]) == ((0.1, 0.1), 0.1, (10.0, 10.0))


@given(grids)
def test_grids_are_log_spaced_between_their_ends(grid: BetaGrid) -> None:
    values = grid.values()
    assert len(values) == grid.steps
    assert values[0] == pytest.approx(grid.low, rel=1e-9) and values[-1] == pytest.approx(grid.high, rel=1e-9)
    ratios = [b / a for a, b in itertools.pairwise(values)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=1e-8)


def test_one_step_and_extreme_grids() -> None:
    assert BetaGrid(low=2.0, high=2.0, steps=1).values() == (2.0,)
    wide = BetaGrid(low=1e-300, high=1e300, steps=3).values()
    assert wide == pytest.approx((1e-300, 1.0, 1e300))
    with pytest.raises(SpecError, match=r"grid\.steps is 3: it must be 1 where grid\.low equals grid\.high"):
        BetaGrid(low=1.0, high=1.0, steps=3)
    with pytest.raises(SpecError, match=r"grid\.steps is 3: it must be smaller: .* betas are not told apart"):
        BetaGrid(low=1.0, high=1.0 + 1e-13, steps=3)


def test_groups_share_a_beta() -> None:
    model = ModelSpec(family="residual", latents=(4, 3, 2))
    grid = BetaGrid(steps=2)
    shared = points_of(sweep_spec(model=model, grid=grid, groups=(0, 1, 1)))
    assert shared == [(0.1, 0.1, 0.1), (0.1, 10.0, 10.0), (10.0, 0.1, 0.1), (10.0, 10.0, 10.0)]
    assert points_of(sweep_spec(model=model, grid=grid, groups=(0, 0, 0))) == [(0.1,) * 3, (10.0,) * 3]
    assert len(points_of(sweep_spec(model=model, grid=grid))) == 8


def test_a_sweep_is_one_run_for_every_seed_and_point() -> None:
    spec = sweep_spec(grid=BetaGrid(steps=3), seeds=(0, 7))
    runs = spec.runs()
    assert len({key(run) for run in runs}) == len(runs) == 18
    assert {(run.seed, run.betas) for run in runs} == {(s, p) for s in (0, 7) for p in points_of(spec)}


def test_models_of_a_conditioned_sweep_name_the_network_they_come_from() -> None:
    spec = sweep_spec(grid=BetaGrid(steps=3), seeds=(0, 7), method="conditioned")
    assert [network.seed for network in spec.networks()] == [0, 7] and box_of(spec) == (0.08, 12.5)
    runs = spec.runs()
    assert len({key(run) for run in runs}) == 18 and {run.merged.network for run in runs if run.merged} == set(
        spec.networks()
    )
    assert not {key(run) for run in runs} & {key(run) for run in sweep_spec(grid=BetaGrid(steps=3)).runs()}
    assert from_dict(type(runs[0]), yaml.safe_load(to_yaml(runs[0]))) == runs[0]
    wider = altered(spec, conditioning=ConditioningSpec(low=0.01))
    assert key(wider.runs()[0]) != key(runs[0])
    assert sweep_spec(grid=BetaGrid(steps=3)).networks() == []


def test_the_fine_landscape_is_for_two_axes_of_betas() -> None:
    spec = sweep_spec(method="conditioned")
    points = spec.fine_points()
    assert len(points) == 441 and points[0] == (0.1, 0.1) and points[-1] == (10.0, 10.0)
    three = ModelSpec(family="residual", latents=(4, 3, 2))
    assert altered(spec, model=three).fine_points() == []
    assert altered(spec, model=three, groups=(0, 1, 1)).fine_points()[1] == (
        0.1,
        points[1][1],
        points[1][1],
    )
    assert altered(spec, method="dedicated").fine_points() == []
    assert altered(spec, conditioning=ConditioningSpec(fine=0)).fine_points() == []


def test_the_box_is_checked_where_it_counts() -> None:
    third = 2 / 3
    spec = sweep_spec(grid=BetaGrid(third, 2.0), method="conditioned", conditioning=ConditioningSpec(third, 2.0))
    assert box_of(spec) == (third, 2.0)
    with pytest.raises(SpecError, match=r"conditioning\.low is 0\.5: it must be at most grid\.low \(0\.1\)"):
        sweep_spec(method="conditioned", conditioning=ConditioningSpec(low=0.5))
    with pytest.raises(SpecError, match=r"conditioning\.fine is 21: it must be 0 for a grid as narrow"):
        sweep_spec(grid=BetaGrid(1.0, 1.000000001, 2), method="conditioned")
    bottom_up = sweep_spec(model=ModelSpec(family="bottom-up"), grid=BetaGrid(1.0, 1.0, 1), method="conditioned")
    assert bottom_up.networks()[0].groups == (0, 0)


@pytest.mark.parametrize("groups", [None, (0, 1), (1, 0)])
def test_a_bottom_up_sweep_needs_one_group(groups: tuple[int, ...] | None) -> None:
    model = ModelSpec(family="bottom-up")
    with pytest.raises(SpecError, match=r"^groups is .*Sec\. 3\.1.*add --groups 0 0 \(in Python groups=\(0, 0\)\)"):
        sweep_spec(model=model, groups=groups)
    assert len(sweep_spec(model=model, groups=(0, 0)).runs()) == 5
    assert len(sweep_spec(model=model, grid=BetaGrid(1.0, 1.0, 1)).runs()) == 1


def test_a_bottom_up_run_refuses_unequal_betas() -> None:
    model = ModelSpec(family="bottom-up")
    assert RunSpec(model=model, betas=(2.0, 2.0)).betas == (2.0, 2.0)
    with pytest.raises(SpecError, match=r"^betas is \(1\.0, 2\.0\).*Sec\. 3\.1 of the paper\); use ghvae or lvae"):
        RunSpec(model=model, betas=(1.0, 2.0))


def test_a_method_by_its_name_alone_is_refused_in_python() -> None:
    method: Any = "conditioned"
    with pytest.raises(
        SpecError, match=r"^method is 'conditioned': it must be Dedicated\(...\), Conditioned\(...\) or"
    ):
        SweepSpec(method=method)


# The method where none is asked for

RESIDUAL = {layers: ModelSpec(family="residual", latents=(2,) * layers) for layers in (1, 3, 4)}


@pytest.mark.parametrize(
    ("model", "grid", "groups", "kind", "why"),
    [
        (ModelSpec(), BetaGrid(), None, Conditioned, "all 25 beta points (--method dedicated"),
        (RESIDUAL[1], BetaGrid(), None, Conditioned, "--method dedicated"),
        (RESIDUAL[3], BetaGrid(), None, Conditioned, "one network"),
        (RESIDUAL[4], BetaGrid(), None, Dedicated, "--method conditioned takes more"),
        (RESIDUAL[4], BetaGrid(), (0, 0, 0, 0), Conditioned, "one network"),
        (ModelSpec(family="lvae"), BetaGrid(), None, Conditioned, "one network"),
        (ModelSpec(), BetaGrid(1, 1, 1), None, Dedicated, "there is one beta point"),
        (ModelSpec(family="bottom-up"), BetaGrid(), (0, 0), Dedicated, "cannot be tuned one by one"),
    ],
)
def test_one_network_is_the_default_wherever_it_is_possible(
    model: ModelSpec, grid: BetaGrid, groups: tuple[int, ...] | None, kind: type, why: str
) -> None:
    default = default_method(model, TrainingSpec(), grid, groups)
    assert default.method is kind and why in default.reason and "\n" not in default.reason
    SweepSpec(model=model, method=default.method(grid, groups))  # it serves


def test_epochs_and_steps_exclude_each_other() -> None:
    with pytest.raises(SpecError, match=r"training\.epochs is 3 and training\.steps is 500: give one of them"):
        TrainingSpec(epochs=3, steps=500)
    with pytest.raises(SpecError, match=r"training\.steps is 0: it must be positive"):
        TrainingSpec(steps=0)


@pytest.mark.parametrize("training", [TrainingSpec(epochs=9, annealing=2.0), TrainingSpec(annealing_path="linear")])
def test_annealing_that_the_default_would_not_heed_is_refused(training: TrainingSpec) -> None:
    with pytest.raises(SpecError, match=r"which is the default.*--method dedicated"):
        default_method(ModelSpec(), training, BetaGrid(), None)
    assert default_method(ModelSpec(), training, BetaGrid(1, 1, 1), None).method is Dedicated
