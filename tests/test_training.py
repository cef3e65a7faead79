"""The one loop: packs equal single runs, resumed equals uninterrupted, and one sick member harms no other."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ratescape.data.batches import Images, stream
from ratescape.errors import CheckpointError, SpecError
from ratescape.model.hierarchy import HVAE, PosteriorSample
from ratescape.model.packs import member, pack_pass, stack, training_bytes
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.betas.policy import StepBetas
from ratescape.training.loop import train
from ratescape.training.schedule import annealing_steps, learning_rate, resolved_training, steps_per_epoch, total_steps
from ratescape.training.state import Saving, Trained

SHAPE = (1, 16, 16)
BETAS = [(1.0, 1.0), (0.1, 10.0), (5.0, 0.2)]
SPEC = TrainingSpec(epochs=10, batch=32, annealing=3, annealing_path="linear", precision="float64")
MODELS = {
    "ghvae": ModelSpec(channels=4, latents=(3, 2)),
    "lvae": ModelSpec(family="lvae", channels=4, latents=(3, 2)),
    "residual-1": ModelSpec(family="residual", channels=4, latents=(3,)),
    "residual-3": ModelSpec(family="residual", channels=4, latents=(3, 2, 1)),
    "residual-5": ModelSpec(family="residual", channels=4, latents=(3, 2, 1, 1, 1)),
}


def model_of(name: str = "ghvae", seed: int = 0) -> HVAE:
    torch.manual_seed(seed)
    return build(resolved_model(MODELS[name], SHAPE, binary=True), SHAPE).double()


@pytest.fixture(scope="module")
def images() -> Images:
    """150 images of one bright square each: something to learn, and a last batch that is not full."""
    generator = np.random.default_rng(0)
    pixels = np.zeros((150, *SHAPE), np.uint8)
    for image, (row, column, side) in zip(pixels, generator.integers(2, 8, (150, 3)), strict=True):
        image[0, row : row + side, column : column + side] = 255
    return Images(pixels, binary=True, dtype=torch.float64)


def run(
    images: Images, betas: list[tuple[float, ...]], spec: TrainingSpec = SPEC, name: str = "ghvae", **rest: object
) -> Trained:
    policy = FixedBetas(
        torch.tensor(betas, dtype=torch.float64), annealing_steps(spec, len(images)), spec.annealing_path
    )
    return train(spec, model_of(name), images, policy, len(betas), seed=7, **rest)  # type: ignore[arg-type]


def betas_for(name: str) -> list[tuple[float, ...]]:
    layers = MODELS[name].layers
    return [tuple(b[i % 2] for i in range(layers)) for b in BETAS]


@pytest.mark.parametrize("name", MODELS)
def test_a_pack_equals_single_runs(images: Images, name: str) -> None:
    """float64, 50 steps, to 1e-9: weights and every logged number, for every family and number of layers."""
    betas = betas_for(name)
    pack = run(images, betas, name=name)
    assert steps_per_epoch(len(images), SPEC.batch) * 10 == total_steps(SPEC, len(images)) == 50
    for index, one in enumerate(betas):
        alone = run(images, [one], name=name)
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


class Stop(Exception):
    """The power goes out."""


@pytest.mark.parametrize("at", [3, 5, 29, 49])
@pytest.mark.parametrize("ema", [None, 0.9])
def test_resumed_equals_uninterrupted(images: Images, tmp_path: Path, at: int, ema: float | None) -> None:
    spec = dataclasses.replace(SPEC, ema=ema)
    saving = Saving(tmp_path / "checkpoint", 0.0, "me")

    def cut(step: int, steps: int) -> None:
        if step == at:
            raise Stop

    with pytest.raises(Stop):
        run(images, BETAS, spec, saving=saving, progress=cut)
    resumed = run(images, BETAS, spec, saving=saving)
    whole = run(images, BETAS, spec)
    for key in whole.parameters:
        torch.testing.assert_close(resumed.parameters[key], whole.parameters[key], rtol=0, atol=0)
    for ours, theirs in zip(resumed.history, whole.history, strict=True):
        drop = {"seconds"}
        assert [{k: v for k, v in r.items() if k not in drop} for r in ours] == [
            {k: v for k, v in r.items() if k not in drop} for r in theirs
        ]


def test_another_trainings_checkpoint_is_refused(images: Images, tmp_path: Path) -> None:
    saving = Saving(tmp_path / "checkpoint", 0.0, "me")
    run(images, BETAS, saving=saving)
    with pytest.raises(CheckpointError, match="another training"):
        run(images, BETAS, saving=dataclasses.replace(saving, identity="you"))


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


def test_a_training_in_which_all_have_diverged_ends_early(images: Images) -> None:
    spec = dataclasses.replace(SPEC, max_skipped_steps=2)
    trained = run(images, [(float("nan"), 1.0)], spec)
    assert trained.diverged == [True] and len(trained.history[0]) == 1


def test_clipping_bounds_what_a_step_sees_and_changes_training(images: Images) -> None:
    free, held = run(images, [BETAS[0]]), run(images, [BETAS[0]], dataclasses.replace(SPEC, clip=1e-3))
    assert any(not torch.equal(free.parameters[k], held.parameters[k]) for k in free.parameters)
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


def test_open_fields_are_filled_in_for_the_images() -> None:
    many, few = resolved_training(TrainingSpec(), 60_000), resolved_training(TrainingSpec(), 3600)
    assert (many.epochs, many.annealing) == (20, 6) and total_steps(TrainingSpec(), 60_000) == 20 * 235
    assert few.epochs == 67 and total_steps(TrainingSpec(), 3600) == 67 * 15 >= 1000 > 66 * 15
    assert resolved_training(TrainingSpec(epochs=3, annealing=1), 3600) == TrainingSpec(epochs=3, annealing=1)
    with pytest.raises(SpecError, match="outlasts training"):
        resolved_training(TrainingSpec(annealing=21), 60_000)


def test_a_ramp_raises_the_learning_rate_from_nothing() -> None:
    ramped = dataclasses.replace(SPEC, lr_warmup=0.25)
    rates = [learning_rate(ramped, step, 100) for step in range(100)]
    plain = [learning_rate(SPEC, step, 100) for step in range(100)]
    assert [rate / whole for rate, whole in zip(rates[:25], plain[:25], strict=True)] == pytest.approx(
        [(step + 1) / 25 for step in range(25)]
    )
    assert rates[24:] == plain[24:]


def test_learning_rate_schedules() -> None:
    cosine = [learning_rate(SPEC, step, 100) for step in range(100)]
    assert cosine[0] == SPEC.learning_rate and cosine[50] == pytest.approx(SPEC.learning_rate / 2)
    assert all(a > b for a, b in itertools.pairwise(cosine))
    constant = dataclasses.replace(SPEC, schedule="constant")
    assert {learning_rate(constant, step, 100) for step in range(100)} == {SPEC.learning_rate}


def test_pack_pass_equals_passes_one_by_one(images: Images) -> None:
    models = [model_of(seed=s) for s in range(3)]
    batch = images.take(torch.arange(8))
    noise = models[0].noise(8, torch.Generator().manual_seed(0))
    together = pack_pass(models[0], stack(models), PosteriorSample(noise), batch)
    for index, one in enumerate(models):
        alone = one(PosteriorSample(noise), batch)
        torch.testing.assert_close(together.rates[index], alone.rates)
        torch.testing.assert_close(together.latents[1][index], alone.latents[1])
        single = pack_pass(models[0], stack([one]), PosteriorSample(noise), batch)
        torch.testing.assert_close(single.distortion[0], alone.distortion)


def test_memory_estimate_grows_with_batch_and_holds_the_weights() -> None:
    model = model_of()
    small, large = (
        training_bytes(model, torch.rand(8, *SHAPE).double()),
        training_bytes(model, torch.rand(64, *SHAPE).double()),
    )
    weights = 4 * 8 * sum(p.numel() for p in model.parameters())
    assert (large - weights) == pytest.approx(8 * (small - weights), rel=0.01)


def test_orders_are_permutations_that_depend_on_seed_and_epoch(images: Images) -> None:
    orders = [tuple(images.order(seed, epoch).tolist()) for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(orders)) == 4 and all(sorted(order) == list(range(150)) for order in orders)
    assert tuple(images.order(1, 1).tolist()) == orders[3]


def test_streams_do_not_collide() -> None:
    seeds = {stream(seed, use, position) for seed in range(20) for use in ("order", "noise") for position in range(200)}
    assert len(seeds) == 20 * 2 * 200


def test_binary_pixels_round_at_one_half() -> None:
    images = Images(np.array([0, 127, 128, 255], np.uint8).reshape(4, 1, 1, 1), binary=True)
    assert images.take(torch.arange(4)).flatten().tolist() == [0, 0, 1, 1]
    grey = Images(np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1), binary=False)
    np.testing.assert_allclose(grey.take(torch.arange(3)).flatten(), [0, 0.2, 1])


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
