"""A conditioned network that loses a layer is trained again, exactly, however often it is interrupted, and says so."""

import dataclasses
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.commands import TINY
from helpers.sweeps import Recorder, sweep_spec

from ratescape import checkpoint
from ratescape.cli import output
from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData, load_data
from ratescape.evaluation.grid import measured_grid
from ratescape.execution import networks
from ratescape.execution.networks import attempted, checked_images, complete_network, going_on, group_rates
from ratescape.execution.progress import Reporter, Tell
from ratescape.execution.progress.messages import Message
from ratescape.execution.sweep import resolved_sweep, run_sweep
from ratescape.execution.workspace import Workspace
from ratescape.landscape import Landscape
from ratescape.model.conditioning import Conditioned
from ratescape.model.registry import build
from ratescape.records.attempts import Attempt, GroupRate, read_attempts, verdict
from ratescape.records.files import read_json_lines
from ratescape.records.folders import NetworkFolder, SweepFolder
from ratescape.records.table import read_table
from ratescape.report.page.notes import warnings
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.identity import key
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import NetworkSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

LEAN = EvaluationSpec(samples=0, information=False, probes="none")
OFTEN = ExecutionSpec(engine="in-process", checkpoint_seconds=0)
EPOCHS, PER_EPOCH = 3, 2
CHECKED_AFTER = 2
"""Steps of annealing: 0.4 of 6, rounded."""
RATE = 1e-3
USUAL: dict[str, Any] = {"restarts": 3, "width": 8, "fine": 0, "descent": 0.4}


@pytest.fixture(autouse=True)
def two_steps_are_enough_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "EARLY", 0)


@pytest.fixture(scope="module")
def data(images_file: Path) -> ImageData:
    return load_data(images_file)


def asked(data: ImageData, **conditioning: Any) -> SweepSpec:
    spec = sweep_spec(
        data=data.spec,
        model=ModelSpec(channels=4, latents=(3, 2)),
        training=TrainingSpec(epochs=EPOCHS, batch=-(-len(data.train.pixels) // PER_EPOCH), learning_rate=RATE),
        grid=BetaGrid(steps=2),
        method="conditioned",
        conditioning=ConditioningSpec(**USUAL | conditioning),
        evaluation=LEAN,
    )
    return resolved_sweep(spec, data)


def network_of(data: ImageData, **conditioning: Any) -> NetworkSpec:
    (network,) = asked(data, **conditioning).networks()
    return network


def trained(spec: NetworkSpec, data: ImageData, path: Path, tell: Tell = lambda _: None) -> NetworkFolder:
    """Train a network into a folder, or go on with what is there."""
    sweep = SweepFolder(path)
    complete_network(spec, sweep.network(spec), Workspace(data, sweep, LEAN, OFTEN), tell)
    return sweep.network(spec)


def dying(monkeypatch: pytest.MonkeyPatch, dead: Callable[[int], bool]) -> None:
    """Have the top layer found dead in some attempts (counted from 1), whatever it carries, and alive in all others."""
    current = 0

    def noted(training: TrainingSpec, number: int) -> TrainingSpec:
        nonlocal current
        current = number
        return attempted(training, number)

    def found(network: Conditioned, images: Images) -> tuple[GroupRate, ...]:
        top, *others = [dataclasses.replace(group, rate=5.0, active=None) for group in group_rates(network, images)]
        return dataclasses.replace(top, rate=0.0 if dead(current) else 5.0), *others

    monkeypatch.setattr(networks, "attempted", noted)
    monkeypatch.setattr(networks, "group_rates", found)


def weights_of(folder: NetworkFolder) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder.weights)[0]


# Starting again


def test_a_dead_layer_starts_the_training_again_with_a_third_of_the_learning_rate(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = network_of(data)
    dying(monkeypatch, lambda number: number < 3)
    folder = trained(spec, data, tmp_path / "again")
    known = read_attempts(folder.attempts)
    assert [one.learning_rate for one in known] == pytest.approx([RATE, RATE / 3, RATE / 9])
    assert [bool(one.dead) for one in known] == [True, True, False]
    log = read_json_lines(folder.training)
    assert [(line["epoch"], line["attempt"]) for line in log] == [(1, 3), (2, 3), (3, 3)]
    header = checkpoint.load_network(folder.weights)[1]
    assert [(one["attempt"], one["dead"]) for one in header["attempts"]] == [(1, True), (2, True), (3, False)]
    assert header["attempts"][0]["checked"][0]["rate"] == 0 and header["network"] == spec
    assert [len(one.end) for one in known] == [0, 0, 2]  # brought to its end was the last alone
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "attempts.jsonl",
        "training.jsonl",
        "weights.safetensors",
    ]
    # The third attempt is the training that would have been asked for with its learning rate.
    third = dataclasses.replace(spec, training=attempted(spec.training, 3), restarts=0)
    alone = trained(third, data, tmp_path / "alone")
    for name, tensor in weights_of(folder).items():
        assert torch.equal(tensor, weights_of(alone)[name])


def test_a_layer_that_fades_after_annealing_starts_the_training_again(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two attempts pass their check; the top is gone when the first is over, and there when the second is."""
    rates = iter([5.0, 0.0, 5.0, 5.0])

    def found(network: Conditioned, images: Images) -> tuple[GroupRate, ...]:
        top, *others = [dataclasses.replace(group, rate=5.0, active=None) for group in group_rates(network, images)]
        return dataclasses.replace(top, rate=next(rates)), *others

    monkeypatch.setattr(networks, "group_rates", found)
    spec, told = network_of(data), list[Message]()
    folder = trained(spec, data, tmp_path / "again", told.append)
    known = read_attempts(folder.attempts)
    assert [(bool(one.dead), bool(one.lost), len(one.end)) for one in known] == [(False, True, 2), (False, False, 2)]
    assert {line["attempt"] for line in read_json_lines(folder.training)} == {2}
    (restart,) = [message for message in told if message["kind"] == "restart"]
    assert (restart["attempt"], restart["attempts"]) == (2, 4) and restart["learning_rate"] == pytest.approx(RATE / 3)
    assert restart["why"] == "z₂ carried 0.00 nats at betas (0.08, 12.5)"
    assert verdict(known) == f"{restart['why']}: trained again with learning rate 0.000333"


def test_where_all_attempts_fade_the_first_is_kept(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = iter([5.0, 0.0] * 2)

    def found(network: Conditioned, images: Images) -> tuple[GroupRate, ...]:
        top, *others = [dataclasses.replace(group, rate=5.0, active=None) for group in group_rates(network, images)]
        return dataclasses.replace(top, rate=next(rates, 0.0)), *others

    monkeypatch.setattr(networks, "group_rates", found)
    folder = trained(network_of(data, restarts=1), data, tmp_path)
    known = read_attempts(folder.attempts)
    assert {line["attempt"] for line in read_json_lines(folder.training)} == {1}
    assert verdict(known) == (
        "z₂ carried 0.00 nats at betas (0.08, 12.5) in the end, though alive when annealing ended: gave up after 1 "
        "more attempt (learning rate 0.000333), kept learning rate 0.001: this landscape has a dead layer"
    )


def test_nothing_is_said_of_a_layer_after_a_few_steps(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "EARLY", CHECKED_AFTER + 1)
    dying(monkeypatch, lambda _: True)
    folder = trained(network_of(data), data, tmp_path)
    assert not read_attempts(folder.attempts) and len(read_json_lines(folder.training)) == EPOCHS


def test_where_none_lives_the_first_goes_on_to_its_end(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying(monkeypatch, lambda _: True)
    folder = trained(network_of(data), data, tmp_path / "default")
    assert [len(one.end) for one in read_attempts(folder.attempts)] == [2, 0, 0, 0]
    log = read_json_lines(folder.training)
    assert [(line["epoch"], line["attempt"]) for line in log] == [(1, 1), (2, 1), (3, 1)]
    never = trained(network_of(data, restarts=0), data, tmp_path / "never")
    assert len(read_attempts(never.attempts)) == 1 and len(read_json_lines(never.training)) == EPOCHS
    for name, tensor in weights_of(folder).items():
        assert torch.equal(tensor, weights_of(never)[name])


def test_the_attempt_that_lost_the_fewest_groups_goes_on() -> None:
    alive, dead = GroupRate((2,), (0.1, 10.0), 3.0), GroupRate((1,), (10.0, 0.1), 0.0)
    none, one, both = Attempt(1e-3, (alive, alive)), Attempt(1e-3, (alive, dead)), Attempt(1e-3, (dead, dead))
    assert [going_on([], restarts) for restarts in (0, 3)] == [1, 1]
    assert [going_on([both, one], restarts) for restarts in (1, 2, 3)] == [2, 3, 3]
    assert going_on([one, both, both, both], 3) == going_on([one, both, one, both], 3) == 1
    assert going_on([both, both, one, both], 3) == 3
    assert going_on([both, one, none], 3) == 3 and going_on([none], 0) == going_on([both], 0) == 1


def test_a_network_that_lives_is_trained_once(data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dying(monkeypatch, lambda _: False)
    folder = trained(network_of(data), data, tmp_path)
    assert len(read_attempts(folder.attempts)) == 1
    assert {line["attempt"] for line in read_json_lines(folder.training)} == {1}
    # Looking at it changes nothing.
    monkeypatch.setattr(networks, "Inspection", lambda *_: None)
    unseen = trained(network_of(data), data, tmp_path / "unseen")
    for name, tensor in weights_of(folder).items():
        assert torch.equal(tensor, weights_of(unseen)[name])


# What is checked


def test_each_group_is_measured_at_the_corner_that_favours_it(data: ImageData) -> None:
    torch.manual_seed(0)
    model = build(ModelSpec("residual", 4, (3, 2, 2), likelihood="bernoulli"), data.shape)
    network = Conditioned(model, 0.1, 10.0, 8, groups=(0, 1, 1))
    images = Images(data.train.pixels[:20], True)
    top, low = group_rates(network, images)
    at_top, at_low = measured_grid(network, images, [(0.1, 10.0, 10.0), (10.0, 0.1, 0.1)])
    assert (top.layers, top.betas) == ((3,), (0.1, 10.0, 10.0)) and top.rate == pytest.approx(at_top.rates[0])
    assert (low.layers, low.betas) == ((2, 1), (10.0, 0.1, 0.1)) and low.rate == pytest.approx(sum(at_low.rates[1:]))


def test_it_is_checked_on_validation_images_or_on_those_of_training(
    images_file: Path, data: ImageData, tmp_path: Path
) -> None:
    network = networks.initial_network(network_of(data), data)
    without = load_data(images_file, validation=0.0)
    assert data.validation is not None and without.validation is None
    for one, split in ((data, data.validation), (without, without.train)):
        found = checked_images(network, Workspace(one, SweepFolder(tmp_path), LEAN, OFTEN))
        np.testing.assert_array_equal(found.pixels.numpy(), Images(split.pixels, True).pixels.numpy())


@pytest.mark.parametrize(
    ("conditioning", "annealing", "step"),
    [({}, None, CHECKED_AFTER), ({"annealing": "linear"}, 1.0, 2), ({"annealing": "linear"}, 0.0, 2)],
)
def test_it_is_checked_when_annealing_ends(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conditioning: Any, annealing: Any, step: int
) -> None:
    """Without annealing when 0.3 of the steps are over, which is when annealing would end by default."""
    steps: list[int] = []
    kept = networks.Inspection
    monkeypatch.setattr(networks, "Inspection", lambda step, passes: steps.append(step) or kept(step, passes))
    spec = network_of(data, **conditioning)
    trained(dataclasses.replace(spec, training=dataclasses.replace(spec.training, annealing=annealing)), data, tmp_path)
    assert set(steps) == {step}


# Interrupted


class Stop(Exception):
    """The power goes out."""


@pytest.mark.parametrize(("dead", "attempts", "kept"), [(2, 3, 3), (9, 4, 1)], ids=["cured", "given up"])
@pytest.mark.parametrize("steps", [2, 3, 4, 5])
def test_interrupted_over_and_over_it_ends_as_if_it_had_not_been(
    data: ImageData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    dead: int,
    attempts: int,
    kept: int,
) -> None:
    """After every so many steps, in every attempt; and between the record of an attempt and the next attempt."""
    spec, written = network_of(data), networks.write_attempts
    dying(monkeypatch, lambda number: number <= dead)
    whole = trained(spec, data, tmp_path / "whole")
    left, cut = steps, set[tuple[int, bool]]()

    class Cut(Reporter):
        def step(self, done: int, total: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Stop

    def write_and_stop(path: Path, known: list[Attempt]) -> None:
        written(path, known)
        moment = len(known), any(one.end for one in known)
        if moment not in cut:
            cut.add(moment)
            raise Stop

    monkeypatch.setattr(networks, "Reporter", Cut)
    monkeypatch.setattr(networks, "write_attempts", write_and_stop)
    sessions = 0
    while not whole_again(spec, data, tmp_path / "cut"):
        sessions, left = sessions + 1, steps
        assert sessions < 50
    assert cut == {(number, False) for number in range(1, attempts + 1)} | {(attempts, True)}
    assert {line["attempt"] for line in read_json_lines(whole.training)} == {kept}
    again = SweepFolder(tmp_path / "cut").network(spec)
    assert again.weights.read_bytes() == whole.weights.read_bytes()
    assert again.attempts.read_bytes() == whole.attempts.read_bytes()
    assert sorted(path.name for path in again.path.iterdir()) == sorted(path.name for path in whole.path.iterdir())


def whole_again(spec: NetworkSpec, data: ImageData, path: Path) -> bool:
    """Go on with a training; whether it came to its end."""
    try:
        trained(spec, data, path)
    except Stop:
        return False
    return True


DYING = """
import sys
from ratescape.records import attempts
attempts.ACTIVE_RATE = 1e9
from ratescape.execution import networks
networks.EARLY = 0
from ratescape.cli import commands
sys.exit(commands.main(sys.argv[1:]))
"""
"""A process in which every layer is found dead."""


@pytest.mark.campaign
def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(images_file: Path, tmp_path: Path) -> None:
    words = ["map", "--data.name", str(images_file), "--method", "conditioned", "--grid.steps", "2", *TINY]
    words += ["--conditioning.fine", "0", "--conditioning.width", "8", "--training.epochs", "10", "--quiet"]
    words += ["--execution.engine", "in-process", "--execution.checkpoint-seconds", "0"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-c", DYING, *words, "--out"]
    subprocess.run([*command, str(whole)], check=True, stdout=subprocess.DEVNULL)
    generator = np.random.default_rng(0)
    for _ in range(3):
        process = subprocess.Popen([*command, str(killed)], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not list(killed.glob("networks/*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(generator.uniform(0, 1.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, str(killed)], check=True, stdout=subprocess.DEVNULL)
    assert (killed / "landscape.csv").read_bytes() == (whole / "landscape.csv").read_bytes()
    (one,), (other,) = whole.glob("networks/*/attempts.jsonl"), killed.glob("networks/*/attempts.jsonl")
    assert one.read_bytes() == other.read_bytes() and len(read_attempts(one)) == 4
    assert not list(killed.rglob("checkpoint*"))


# Told


def test_report_summary_and_observers_tell_of_it(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying(monkeypatch, lambda number: number < 2)
    spec, folder, seen = asked(data), SweepFolder(tmp_path), Recorder()
    run_sweep(spec, data, folder, OFTEN, seen)
    told = "z₂ carried 0.00 nats at betas (0.08, 12.5): trained again with learning rate 0.000333"
    assert read_table(folder).retrained == (told,)
    assert f"{told}." in warnings(read_table(folder))
    assert f"warning: {told}" in output.summary(Landscape(folder.path))
    page = Landscape(folder.path).report().read_text(encoding="utf-8")
    assert "carried 0.00 nats at betas (0.08, 12.5): trained again" in page
    # The first attempt ends one epoch in, at its check; steps and epochs are then told anew.
    (network,) = spec.networks()
    epochs = [(epoch.attempt, epoch.epoch) for epoch in seen.epochs if epoch.run == key(network)]
    assert epochs == [(1, 1), (2, 1), (2, 2), (2, 3)]
    assert seen.steps[-1].steps == seen.steps[-1].total


def test_giving_up_is_told_for_each_network(
    images_file: Path, data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying(monkeypatch, lambda _: True)
    spec, folder = asked(data), SweepFolder(tmp_path / "one")
    run_sweep(spec, data, folder, OFTEN)
    (told,) = read_table(folder).retrained
    assert "gave up after 3 more attempts" in told and told.endswith("this landscape has a dead layer")
    two = SweepFolder(tmp_path / "two")
    run_sweep(dataclasses.replace(asked(data, restarts=0), seeds=(0, 1)), data, two, OFTEN)
    assert [line.split(":")[0] for line in read_table(two).retrained] == ["network of seed 0", "network of seed 1"]


def test_a_damaged_record_of_attempts_is_told_and_stops_nothing(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying(monkeypatch, lambda _: False)
    spec, folder = asked(data), SweepFolder(tmp_path)
    run_sweep(spec, data, folder, OFTEN)
    assert read_table(folder).retrained == ()
    (network,) = spec.networks()
    folder.network(network).attempts.write_text("[]\n")
    (told,) = read_table(folder).retrained
    assert "attempts.jsonl is damaged: delete" in told
    folder.network(network).attempts.unlink()  # as in a landscape of an older version
    assert read_table(folder).retrained == ()
