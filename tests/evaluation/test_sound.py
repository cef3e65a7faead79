"""Numbers that mean something, and absurd ones, which count as diverged."""

import numpy as np
import pytest
import torch

from ratescape.data.catalog import ImageData, load_data
from ratescape.evaluation.subject import Subject
from ratescape.evaluation.suite import is_sound
from ratescape.model.columns import ByColumn
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.model import LikelihoodName, ModelSpec

SHAPE = (1, 16, 16)
PIXELS = np.random.default_rng(0).integers(0, 256, (40, *SHAPE)).astype(np.uint8)


def network(likelihood: LikelihoodName | None, sigma: float = 0.71) -> HVAE:
    torch.manual_seed(0)
    spec = ModelSpec(channels=4, latents=(3, 2), likelihood=likelihood, sigma=sigma)
    return build(resolved_model(spec, SHAPE, binary=likelihood == "bernoulli"), SHAPE).requires_grad_(False)


def images(model: HVAE) -> ImageData:
    return load_data(PIXELS, binary=model.spec.likelihood == "bernoulli", validation=0.25, test=0.25)


def sound(model: HVAE, data: ImageData, betas: tuple[float, float]) -> bool:
    return is_sound(Subject(model, data, betas, EvaluationSpec(samples=0)))


@pytest.mark.parametrize(
    ("likelihood", "sigma"),
    [
        *(("bernoulli", 0.71), ("gaussian", 0.71), ("gaussian", 1e-3), ("gaussian", 1e-6), ("gaussian", 1e6)),
        *(("learned-gaussian", 0.71), ("logistic-mixture", 0.71)),
    ],
)
@pytest.mark.parametrize("betas", [(1.0, 1.0), (1e6, 1e-6)])
def test_an_untrained_model_is_sound_whatever_sigma_and_betas(
    likelihood: LikelihoodName, sigma: float, betas: tuple[float, float]
) -> None:
    model = network(likelihood, sigma)
    assert sound(model, images(model), betas)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "learned-gaussian", "logistic-mixture"])
@pytest.mark.parametrize("part", ["decoder", "encoder"])
def test_a_model_that_exploded_is_not(likelihood: LikelihoodName, part: str) -> None:
    model = network(likelihood)
    for name, weights in model.named_parameters():
        if name.startswith(part):
            weights.mul_(1e3)
    assert not sound(model, images(model), (1.0, 1.0))


def test_an_outlier_among_held_out_rows_is_no_fault_of_the_model() -> None:
    data = load_data(np.random.default_rng(0).normal(size=(60, 4)), validation=0.25, test=0.25)
    data.test.pixels[0] = 1e9
    spec = resolved_model(ModelSpec(family="vector", channels=8, latents=(2, 2)), (4,), binary=False)
    model = build(spec, (4,)).requires_grad_(False)
    assert isinstance(model.likelihood, ByColumn) and data.standards is not None
    model.likelihood.stand_on(data.standards)
    assert sound(model, data, (1.0, 1.0))
