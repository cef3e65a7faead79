"""Checkpoints and listeners: resumed equals uninterrupted, and who watches changes nothing."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from helpers.tiny_training import BETAS, SHAPE, SPEC, Recorder, Stop, assert_same, model_of, run, squares, untimed

from ratescape.data.batches import Images, stream
from ratescape.errors import CheckpointError
from ratescape.model.hierarchy import PosteriorSample
from ratescape.model.packs import Parameters
from ratescape.model.registry import build
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.context import Inspection, Saving, TrainingContext
from ratescape.training.epochs import EpochLog
from ratescape.training.loop import train
from ratescape.training.schedule import learning_rate
from ratescape.training.state import Trained


@pytest.fixture(scope="module")
def images() -> Images:
    return squares()


@pytest.fixture(
    scope="module", params=[(None, "adam"), (0.9, "adam"), (None, "muon")], ids=["adam", "averages", "muon"]
)
def uninterrupted(images: Images, request: pytest.FixtureRequest) -> tuple[TrainingSpec, Trained]:
    """A recipe by either optimiser, without and with a moving average of the weights, and what comes of it."""
    spec = dataclasses.replace(SPEC, ema=request.param[0], optimiser=request.param[1])
    return spec, run(images, BETAS, spec, "wide")


@pytest.mark.parametrize("at", [3, 49])
def test_resumed_equals_uninterrupted(
    images: Images, tmp_path: Path, uninterrupted: tuple[TrainingSpec, Trained], at: int
) -> None:
    spec, whole = uninterrupted
    saving = Saving(tmp_path / "checkpoint", 0.0, "me")
    with pytest.raises(Stop):
        run(images, BETAS, spec, "wide", context=TrainingContext(saving, Recorder(stop_at=at)))
    later = Recorder()
    resumed = run(images, BETAS, spec, "wide", context=TrainingContext(saving, later))
    # The last checkpoint is that of the step before: nothing earlier is trained again.
    assert later.steps == [(step, 50) for step in range(at, 51)]
    assert_same(resumed, whole)


def test_a_checkpoint_is_written_now_and_then_and_at_the_end(images: Images, tmp_path: Path) -> None:
    saving = Saving(tmp_path / "checkpoint", 3600.0, "me")
    with pytest.raises(Stop):
        run(images, BETAS, context=TrainingContext(saving, Recorder(stop_at=49)))
    assert not saving.path.exists()
    whole = run(images, BETAS, context=TrainingContext(saving))
    assert saving.path.exists()
    over = Recorder()
    assert_same(run(images, BETAS, context=TrainingContext(saving, over)), whole)
    assert over.steps == over.epochs == []


def test_another_trainings_checkpoint_is_refused(images: Images, tmp_path: Path) -> None:
    saving = Saving(tmp_path / "checkpoint", 0.0, "me")
    run(images, BETAS, context=TrainingContext(saving))
    with pytest.raises(CheckpointError, match="another training"):
        run(images, BETAS, context=TrainingContext(dataclasses.replace(saving, identity="you")))


def test_an_incomplete_checkpoint_is_refused(images: Images, tmp_path: Path) -> None:
    saving = Saving(tmp_path / "checkpoint", 0.0, "me")
    run(images, BETAS, context=TrainingContext(saving))
    averaged = dataclasses.replace(SPEC, ema=0.9)  # needs more than this one holds
    with pytest.raises(CheckpointError, match=r"is incomplete \('averages\..*delete it to start again"):
        run(images, BETAS, averaged, context=TrainingContext(saving))


def test_a_listener_gets_every_step_and_the_records_of_every_epoch(images: Images) -> None:
    spec = dataclasses.replace(SPEC, max_skipped_steps=4)
    betas = [BETAS[0], (float("inf"), 1.0)]
    recorder = Recorder()
    trained = run(images, betas, spec, context=TrainingContext(listener=recorder))
    assert recorder.steps == [(step, 50) for step in range(1, 51)]
    assert recorder.steps_before == list(range(5, 51, 5))  # the step that ends an epoch is told first
    for member_index, history in enumerate(trained.history):
        told = [records[member_index] for records in recorder.epochs]
        assert repr(told) == repr(history)  # repr, since nan is not nan
    assert [record["epoch"] for record in trained.history[0]] == list(range(1, 11))
    assert [records[1]["status"] for records in recorder.epochs] == ["diverged"] * 10
    unwatched = run(images, betas, spec)
    assert repr(list(map(untimed, unwatched.history))) == repr(list(map(untimed, trained.history)))
    for key, weights in trained.parameters.items():
        torch.testing.assert_close(weights, unwatched.parameters[key], rtol=0, atol=0)


def test_an_epoch_record_holds_the_means_over_the_epochs_images(images: Images) -> None:
    """Of the first epoch with a learning rate of nothing, whose passes can be repeated one by one."""
    spec, model = dataclasses.replace(SPEC, learning_rate=1e-30, annealing=0), model_of()
    record = run(images, [BETAS[1]], spec).history[0][0]
    order, rates, distortion = images.order(7, 0), torch.zeros(2).double(), 0.0
    for step, chunk in enumerate(order.split(32)):
        noise = model.noise(len(chunk), torch.Generator().manual_seed(stream(7, "noise", step)))
        result = model(PosteriorSample(noise), images.take(chunk))
        rates += result.rates.detach().sum(0) / 150
        distortion += result.distortion.sum().item() / 150
    assert record["rates"] == pytest.approx(rates.tolist()) and record["distortion"] == pytest.approx(distortion)
    assert record["loss"] == pytest.approx(distortion + 0.1 * rates[0].item() + 10 * rates[1].item())
    assert record["learning_rate"] == pytest.approx(learning_rate(spec, 4, 50), rel=1e-12)


def test_an_epoch_record_tells_the_steps_done_and_the_likelihoods_constant(images: Images) -> None:
    history = run(images, [BETAS[0]]).history[0]
    assert [record["steps"] for record in history] == list(range(5, 51, 5))
    assert {record["constant"] for record in history} == {0.0}  # a pixel that is certain costs nothing
    spec = dataclasses.replace(model_of().spec, likelihood="gaussian", sigma=0.5)
    policy = FixedBetas(torch.tensor([BETAS[0]], dtype=torch.float64), 0)
    trained = train(SPEC, build(spec, SHAPE).double(), images, policy, 1, 7)
    constant = 256 * math.log(0.5 * math.sqrt(2 * math.pi))
    assert [record["constant"] for record in trained.history[0]] == pytest.approx([constant] * 10)


def test_reading_records_waits_for_no_device() -> None:
    """Tensors of the device "meta" have no contents: whatever would read one fails."""
    log = EpochLog(2, 2, torch.device("meta"), per_epoch=7, constant=3.5)
    log.rows.append(torch.arange(20.0).double().reshape(2, 10))
    record = log.records(-1)[1]
    assert record == log.history()[1][0]
    assert list(record.values()) == [1, 7, [10.0, 11.0], [12.0, 13.0], 14.0, 15.0, 3.5, 16, 17.0, 18.0, "diverged"]


def test_buffers_are_kept_and_not_trained(images: Images, tmp_path: Path) -> None:
    model, saving = model_of(), Saving(tmp_path / "checkpoint", 0.0, "me")
    counts = torch.tensor([[3, 1], [4, 1]])
    model.register_buffer("counts", counts[0].clone())
    policy = FixedBetas(torch.tensor(BETAS[:2], dtype=torch.float64), 15, "linear")
    weights = {name: torch.stack([p.detach()] * 2) for name, p in model.named_parameters()}
    with_buffer = weights | {"counts": counts.clone()}
    trained = train(SPEC, model, images, policy, 2, 7, initial=with_buffer, context=TrainingContext(saving))
    assert torch.equal(trained.parameters["counts"], counts)
    plain = run(images, BETAS[:2])
    for key in plain.parameters:
        torch.testing.assert_close(trained.parameters[key], plain.parameters[key], rtol=0, atol=0)
    with_buffer = {name: p.detach().zero_() for name, p in trained.parameters.items()}
    resumed = train(SPEC, model, images, policy, 2, 7, initial=with_buffer, context=TrainingContext(saving))
    assert torch.equal(resumed.parameters["counts"], counts)


@pytest.mark.parametrize("ema", [None, 0.9])
def test_an_inspection_sees_the_weights_after_its_step_and_changes_nothing(images: Images, ema: float | None) -> None:
    spec, seen = dataclasses.replace(SPEC, ema=ema), list[Parameters]()

    def passes(parameters: Parameters) -> bool:
        seen.append({name: weights.clone() for name, weights in parameters.items()})
        return len(seen) > 1

    cut = run(images, BETAS, spec, context=TrainingContext(inspection=Inspection(12, passes)))
    assert [len(history) for history in cut.history] == [2, 2, 2]  # two whole epochs of 5 steps
    whole = run(images, BETAS, spec, context=TrainingContext(inspection=Inspection(12, passes)))
    assert_same(whole, run(images, BETAS, spec))
    assert len(seen) == 2
    for name, weights in cut.parameters.items():
        torch.testing.assert_close(weights, seen[0][name], rtol=0, atol=0)
        torch.testing.assert_close(weights, seen[1][name], rtol=0, atol=0)


def test_a_rejected_training_leaves_a_checkpoint_to_go_on_from(images: Images, tmp_path: Path) -> None:
    saving = Saving(tmp_path / "checkpoint", 3600.0, "me")
    rejecting = Inspection(12, lambda _: False)
    run(images, BETAS, context=TrainingContext(saving, inspection=rejecting))
    later = Recorder()
    resumed = run(images, BETAS, context=TrainingContext(saving, later, inspection=rejecting))
    assert later.steps == [(step, 50) for step in range(13, 51)]  # it is not inspected again
    assert_same(resumed, run(images, BETAS))


def test_what_has_diverged_is_not_inspected(images: Images) -> None:
    spec = dataclasses.replace(SPEC, max_skipped_steps=4)
    asked: list[int] = []
    inspection = Inspection(5, lambda _: bool(asked.append(1)))
    trained = run(images, [(float("inf"), 1.0)], spec, context=TrainingContext(inspection=inspection))
    assert trained.diverged == [True] and asked == []
