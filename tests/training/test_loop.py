"""The one loop: packs equal single runs, and one sick member harms no other."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_training import BETAS, MODELS, SHAPE, SPEC, Recorder, Stop, model_of, run, squares, untimed

from ratescape.data.batches import Images, stream
from ratescape.model.hierarchy import PosteriorSample
from ratescape.model.packs import member, stack
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.betas.policy import StepBetas
from ratescape.training.context import Saving, TrainingContext
from ratescape.training.loop import train
from ratescape.training.optimiser import PackAdam, member_norms
from ratescape.training.schedule import learning_rate, steps_per_epoch, total_steps


@pytest.fixture(scope="module")
def images() -> Images:
    return squares()


def betas_for(name: str) -> list[tuple[float, ...]]:
    layers = MODELS[name].layers
    return [tuple(b[i % 2] for i in range(layers)) for b in BETAS]


@pytest.mark.parametrize("name", MODELS)
def test_a_pack_equals_single_runs(images: Images, name: str) -> None:
    """float64, 50 steps, to 1e-9: weights and every logged number, for every family and number of layers."""
    betas, spec = betas_for(name), dataclasses.replace(SPEC, optimiser="muon" if name == "wide" else "adam")
    pack = run(images, betas, spec, name=name)
    assert steps_per_epoch(len(images), SPEC.batch) * 10 == total_steps(SPEC, len(images)) == 50
    for index, one in enumerate(betas):
        alone = run(images, [one], spec, name=name)
        for key, weights in member(pack.parameters, index).items():
            torch.testing.assert_close(weights, alone.parameters[key][0], rtol=1e-9, atol=1e-9)
        for ours, theirs in zip(pack.history[index], alone.history[0], strict=True):
            assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-9)
            assert ours["rates"] == pytest.approx(theirs["rates"], abs=1e-9)


def test_the_loop_equals_a_plain_one(images: Images) -> None:
    """Against a loop written out with torch.optim.Adam over the module itself."""
    spec, model = SPEC, model_of()
    steps = 50
    adam = torch.optim.Adam(model.parameters(), spec.learning_rate)
    step = 0
    for epoch in range(10):
        order = images.order(7, epoch)
        for chunk in order.split(spec.batch):
            noise = model.noise(len(chunk), torch.Generator().manual_seed(stream(7, "noise", step)))
            result = model(PosteriorSample(noise), images.take(chunk))
            warm = min(1.0, (step + 1) / 15)
            loss = (result.distortion + 0.1 * warm * result.rates[:, 0] + 10 * warm * result.rates[:, 1]).mean()
            adam.param_groups[0]["lr"] = learning_rate(spec, step, steps)
            adam.zero_grad()
            loss.backward()
            adam.step()
            step += 1
    ours = run(images, [(0.1, 10.0)])
    for key, weights in model.named_parameters():
        torch.testing.assert_close(ours.parameters[key][0], weights.detach(), rtol=1e-8, atol=1e-9)


def test_training_is_repeatable_and_depends_on_the_seed(images: Images) -> None:
    one, two = run(images, BETAS), run(images, BETAS)
    other = train(SPEC, model_of(), images, FixedBetas(torch.tensor(BETAS).double(), 15, "linear"), 3, seed=8)
    for key in one.parameters:
        torch.testing.assert_close(one.parameters[key], two.parameters[key], rtol=0, atol=0)
    assert any(not torch.equal(one.parameters[key], other.parameters[key]) for key in one.parameters)


def test_one_sick_member_is_frozen_and_the_others_do_not_notice(images: Images) -> None:
    """A member whose beta is NaN from the start never moves; the rest end exactly where they would without it."""
    spec = dataclasses.replace(SPEC, max_skipped_steps=4)
    sick = run(images, [BETAS[0], (float("nan"), 1.0), BETAS[2]], spec)
    well = run(images, [BETAS[0], BETAS[1], BETAS[2]], spec)
    assert sick.diverged == [False, True, False]
    initial = stack([model_of()])
    for key in sick.parameters:
        torch.testing.assert_close(sick.parameters[key][1], initial[key][0], rtol=0, atol=0)
        for other in (0, 2):
            torch.testing.assert_close(sick.parameters[key][other], well.parameters[key][other], rtol=1e-9, atol=1e-9)
    last = sick.history[1][-1]
    assert last["status"] == "diverged" and last["skipped"] == 50 and np.isnan(last["loss"])
    assert sick.history[0][-1]["status"] == "ok" and sick.history[0][-1]["skipped"] == 0


def test_a_passing_fault_is_skipped_and_counted(images: Images) -> None:
    class Faulty(FixedBetas):
        def draw(self, step: int, images: int) -> StepBetas:
            betas = super().draw(step, images).betas.clone()
            if step in (10, 11, 30):
                betas[1] = float("inf")
            return StepBetas(betas)

    spec = dataclasses.replace(SPEC, max_skipped_steps=3)
    trained = train(spec, model_of(), images, Faulty(torch.tensor(BETAS).double(), 15, "linear"), 3, seed=7)
    assert trained.diverged == [False] * 3
    assert [history[-1]["skipped"] for history in trained.history] == [0, 3, 0]
    assert all(np.isfinite(record["loss"]) for record in trained.history[1])


def test_a_training_in_which_all_have_diverged_ends_with_its_epoch(images: Images, tmp_path: Path) -> None:
    spec = dataclasses.replace(SPEC, max_skipped_steps=2)
    trained = run(images, [(float("nan"), 1.0)], spec)
    assert trained.diverged == [True] and len(trained.history[0]) == 1
    # Interrupted after the second step, when all have diverged, it still completes the epoch.
    saving = Saving(tmp_path / "checkpoint", 0.0, "me")
    with pytest.raises(Stop):
        run(images, [(float("nan"), 1.0)], spec, context=TrainingContext(saving, Recorder(stop_at=4)))
    later = Recorder()
    resumed = run(images, [(float("nan"), 1.0)], spec, context=TrainingContext(saving, later))
    assert [done for done, _ in later.steps] == [4, 5]
    assert repr(list(map(untimed, resumed.history))) == repr(list(map(untimed, trained.history)))


def test_clipping_bounds_what_a_step_sees_and_changes_training(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    step = PackAdam.step

    def noting(adam: PackAdam, gradient: torch.Tensor, *rest: Any) -> None:
        seen.append(member_norms(gradient).max().item())
        step(adam, gradient, *rest)

    monkeypatch.setattr(PackAdam, "step", noting)
    free = run(images, [BETAS[0]])
    largest = max(seen)
    assert largest > 1
    seen.clear()
    bound = run(images, [BETAS[0]], dataclasses.replace(SPEC, clip=1e-3))
    assert max(seen) == pytest.approx(1e-3) and len(seen) == 50
    assert any(not torch.equal(free.parameters[k], bound.parameters[k]) for k in free.parameters)
    loose = run(images, [BETAS[0]], dataclasses.replace(SPEC, clip=1e9))
    for key in free.parameters:
        torch.testing.assert_close(free.parameters[key], loose.parameters[key], rtol=1e-9, atol=1e-12)


def test_the_effective_beta_is_logged(images: Images) -> None:
    history = run(images, [(0.1, 10.0)]).history[0]
    assert [record["betas"][1] for record in history[:4]] == pytest.approx([10 / 3, 20 / 3, 10, 10])
    assert [record["betas"][0] for record in history[:4]] == pytest.approx([0.1 / 3, 0.2 / 3, 0.1, 0.1])


def test_training_learns(images: Images) -> None:
    history = run(images, [(1.0, 1.0)], dataclasses.replace(SPEC, epochs=40, learning_rate=3e-3, annealing=5)).history[
        0
    ]
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


@pytest.mark.parametrize("name", ["gaussian", "learned-gaussian", "logistic-mixture"])
def test_every_likelihood_can_be_trained(name: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8)
    images = Images(pixels, binary=False, dtype=torch.float64)
    spec = resolved_model(ModelSpec(channels=4, latents=(3, 2), likelihood=name, mixtures=2), SHAPE, binary=False)
    torch.manual_seed(0)
    model = build(spec, SHAPE).double()
    recipe = TrainingSpec(epochs=6, batch=20, clip=100.0, precision="float64")
    trained = train(recipe, model, images, FixedBetas(torch.ones(2, 2).double(), 0), 2, seed=0)
    first, last = trained.history[1][0]["loss"], trained.history[1][-1]["loss"]
    assert trained.diverged == [False, False] and last < first
