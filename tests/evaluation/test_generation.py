"""The inception score against closed forms and its definition."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from ratescape.data.batches import stream
from ratescape.errors import DataError, SpecError
from ratescape.evaluation.generation import generation, inception
from ratescape.judges.cache import Judge
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.specs.judge import JudgeSpec
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)


def dirichlet(count: int, classes: int, concentration: float, seed: int) -> Tensor:
    """Random rows of probabilities; a small concentration makes most of them nearly 0, and some exactly 0."""
    rows = np.random.default_rng(seed).dirichlet(np.full(classes, concentration), count)
    return torch.tensor(rows)


@pytest.mark.parametrize("classes", [2, 7, 10])
def test_a_sure_judge_of_equally_frequent_classes_gives_their_number(classes: int) -> None:
    result = inception(torch.eye(classes).repeat(50, 1), splits=5)
    for values, expected in ((result.scores, classes), (result.diversities, classes), (result.sharpnesses, 1)):
        torch.testing.assert_close(values, torch.full((5,), expected, dtype=torch.float64), rtol=1e-12, atol=0)


def test_a_judge_that_answers_always_the_same_gives_one() -> None:
    answer = dirichlet(1, 10, 1.0, 0)
    result = inception(answer.expand(100, 10))
    assert result.score == pytest.approx(1, abs=1e-12)
    entropy = -float((answer * answer.log()).sum())
    assert result.diversity == pytest.approx(math.exp(entropy), rel=1e-12)
    assert result.sharpness == pytest.approx(math.exp(-entropy), rel=1e-12)
    sure_of_one = inception(torch.eye(3)[:1].expand(10, 3))
    assert (sure_of_one.score, sure_of_one.diversity, sure_of_one.sharpness) == (1, 1, 1)


@given(st.integers(2, 12), st.sampled_from([1e-3, 0.05, 1.0, 100.0]), st.integers(0, 10**6))
def test_the_score_is_diversity_times_sharpness_in_every_split(classes: int, concentration: float, seed: int) -> None:
    result = inception(dirichlet(60, classes, concentration, seed), splits=4)
    torch.testing.assert_close(result.diversities * result.sharpnesses, result.scores, rtol=1e-12, atol=0)
    assert ((result.scores >= 1 - 1e-12) & (result.scores <= classes * (1 + 1e-12))).all()


def test_the_score_is_its_definition() -> None:
    """Eq. 12 image by image, in each of the splits, which are consecutive; the mean over splits is reported."""
    rows = dirichlet(12, 5, 0.5, 3)
    result = inception(rows, splits=3)
    expected = []
    for part in rows.numpy().reshape(3, 4, 5):
        marginal = part.mean(0)
        expected.append(math.exp(np.mean([(row * np.log(row / marginal)).sum() for row in part])))
    np.testing.assert_allclose(result.scores.numpy(), expected, rtol=1e-12)
    assert result.score == pytest.approx(np.mean(expected), rel=1e-12)
    assert result.diversity == pytest.approx(float(result.diversities.mean()))
    assert result.sharpness == pytest.approx(float(result.sharpnesses.mean()))


def test_probabilities_too_small_for_a_mean_do_not_spoil_the_score() -> None:
    rows = torch.eye(3, dtype=torch.float64)[:2].repeat(10, 1)
    rows[0, 2] = 5e-324  # the least positive number: its mean over images is 0
    assert inception(rows, splits=1).score == pytest.approx(2, rel=1e-12)


def test_what_is_no_probability_is_refused() -> None:
    rows = dirichlet(10, 4, 1.0, 0)
    for wrong in (torch.full_like(rows, math.nan), rows * 1.01, torch.cat([rows[:, :1] - 1, rows[:, 1:] + 1 / 3], 1)):
        with pytest.raises(DataError, match="not probabilities"):
            inception(wrong)
    for shape, splits in (((10, 4), 3), ((10, 4), 0), ((0, 4), 5), ((10,), 5)):
        with pytest.raises(SpecError, match="splits"):
            inception(torch.zeros(shape), splits)


class Thirds(nn.Module):
    """Logits of three classes: the mean brightness of the left, middle and right of an image, times a hundred."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(100.0))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * torch.stack([third.mean((1, 2, 3)) for third in images.tensor_split(3, 3)], 1)


@pytest.fixture
def judge() -> Judge:
    return Judge(Thirds(), JudgeSpec(), SHAPE, ("left", "middle", "right"), "0123", 0.9, None, "key", "digest")


@pytest.fixture
def model() -> HVAE:
    torch.manual_seed(0)
    return build(resolved_model(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=True), SHAPE).requires_grad_(False)


def test_samples_are_prior_draws_decoded_to_means(model: HVAE, judge: Judge) -> None:
    """More than pass through the network at once; the chunks go on in one stream of random numbers."""
    result = generation(model, judge, count=1500, splits=3, seed=7)
    generator = torch.Generator().manual_seed(stream(7, "samples"))
    images = torch.cat([model.sample(1000, generator), model.sample(500, generator)])
    assert ((images > 0) & (images < 1)).all()
    thirds = torch.stack([t.double().mean((1, 2, 3)) for t in images.tensor_split(3, 3)], 1)
    expected = inception(torch.softmax(100 * thirds, 1), 3)
    torch.testing.assert_close(result.scores, expected.scores, rtol=1e-4, atol=0)
    assert 1 < result.score < 3


def test_a_score_repeats_with_its_seed(model: HVAE, judge: Judge) -> None:
    one, two, other = (generation(model, judge, 100, seed=seed).score for seed in (1, 1, 2))
    assert one == two != other


def test_models_in_double_precision_are_judged_too(model: HVAE, judge: Judge) -> None:
    assert generation(model.double(), judge, 100).score >= 1


def test_what_cannot_be_scored_is_refused(model: HVAE, judge: Judge) -> None:
    with pytest.raises(SpecError, match="99 samples in 5 splits"):
        generation(model, judge, 99)
    grey = ModelSpec(channels=4, latents=(3, 2))
    larger = build(resolved_model(grey, (1, 20, 20), binary=True), (1, 20, 20))
    with pytest.raises(DataError, match=r"\(1, 20, 20\).*trained on \(1, 16, 16\)"):
        generation(larger, judge, 100)
    for parameter in model.decoder.parameters():
        parameter.fill_(math.nan)
    with pytest.raises(DataError, match="NaN"):
        generation(model, judge, 100)
