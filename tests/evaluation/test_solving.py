"""Betas for wanted rates, on a stand-in whose rates are known functions of the betas."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from ratescape.data.batches import Images
from ratescape.evaluation.grid import GridPoint
from ratescape.evaluation.rates import Rates
from ratescape.model.conditioning import Conditioned
from ratescape.model.registry import build, resolved_model
from ratescape.records.answers import Answer
from ratescape.search import by_rates
from ratescape.search.by_rates import betas_for, coarse_points
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import RateTarget, requested

LOW, HIGH = 0.1, 10.0
IMAGES = Images(np.zeros((4, 1, 16, 16), np.uint8), binary=True)


def known(betas: tuple[float, ...]) -> tuple[float, float]:
    """Rates that fall with their own beta and rise a little with the other."""
    top, lower = betas
    return 20 * top**-0.8 * lower**0.2, 30 * lower**-0.9 * top**0.1


def asked(rates: dict[int, float]) -> list[RateTarget]:
    return [RateTarget((layer,), rate) for layer, rate in rates.items()]


def statuses(answer: Answer) -> dict[int, str]:
    return {outcome.layers[0]: outcome.status for outcome in answer.outcomes}


def degenerate(betas: tuple[float, ...]) -> tuple[float, float]:
    """Rates that hang on the product of the betas alone."""
    top, lower = betas
    return 10 / math.sqrt(top * lower), 10 / math.sqrt(top * lower)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Conditioned:
    stand_in(monkeypatch, known)
    spec = ModelSpec(channels=4, latents=(3, 2))
    return Conditioned(build(resolved_model(spec, (1, 16, 16), True), (1, 16, 16)), LOW, HIGH, 8)


def stand_in(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    """Measure a function of the betas in place of a network; distortion falls with the top layer's rate."""

    def measured(model: tuple[float, ...], images: Images, seed: int) -> Rates:
        rates = torch.tensor([function(model)], dtype=torch.float64)
        return Rates(rates, 100 - rates[:, 0])

    def grid(network: Any, images: Images, points: list[tuple[float, ...]], seed: int) -> list[GridPoint]:
        return [GridPoint(list(p), list(function(p)), sum(function(p)), 100 - function(p)[0], 0.0, 0.0) for p in points]

    monkeypatch.setattr(Conditioned, "at", lambda self, betas: betas)
    monkeypatch.setattr(by_rates, "rates", measured)
    monkeypatch.setattr(by_rates, "measured_grid", grid)


@pytest.mark.parametrize("betas", [(1.0, 1.0), (0.3, 4.0), (7.0, 0.2), (0.11, 0.12)])
def test_rates_that_can_be_had_are_had(network: Conditioned, betas: tuple[float, float]) -> None:
    top, lower = known(betas)
    found = betas_for(network, IMAGES, asked({2: top, 1: lower}))
    assert found.reached and statuses(found) == {2: "reached", 1: "reached"}
    np.testing.assert_allclose(found.betas, betas, rtol=0.05)
    np.testing.assert_allclose(np.array(found.rates, float), (top, lower), rtol=0.03)
    assert all(abs(one.error or 0) <= 0.03 for one in found.outcomes)


def test_one_layer_alone(network: Conditioned) -> None:
    found = betas_for(network, IMAGES, asked({1: 12.0}))
    assert found.reached and found.rates[1] == pytest.approx(12, rel=0.03)
    assert found.betas[0] == LOW  # free, and so as cheap as can be


def test_rates_beyond_the_box_say_why_and_are_as_near_as_can_be(network: Conditioned) -> None:
    much = betas_for(network, IMAGES, asked({2: 1e6, 1: 30.0}))
    assert statuses(much)[2] == "rate_ceiling" and not much.reached
    assert much.betas[0] == pytest.approx(LOW, rel=0.01)
    little = betas_for(network, IMAGES, asked({2: 1e-6, 1: 1e-6}))
    assert statuses(little) == {2: "rate_floor", 1: "rate_floor"}
    np.testing.assert_allclose(little.betas, HIGH, rtol=0.01)
    for found in (much, little):
        assert all(math.isfinite(value or 0) for value in (*found.betas, *found.rates, found.freedom))


def test_where_layers_trade_freely_it_says_so_and_takes_the_lowest_distortion(
    network: Conditioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    tight = betas_for(network, IMAGES, asked({2: 20.0, 1: 30.0}))
    assert 1 < (tight.freedom or 0) < 1.1  # rates move by 0.7 of a beta at least: 1.03^(1 / 0.7)
    stand_in(monkeypatch, degenerate)
    loose = betas_for(network, IMAGES, asked({2: 10.0, 1: 10.0}))
    assert loose.reached and loose.freedom == pytest.approx(HIGH / LOW)
    apart = betas_for(network, IMAGES, asked({2: 10.0, 1: 20.0}))
    assert set(statuses(apart).values()) == {"joint_infeasible"}


def test_one_rate_that_no_beta_gives_is_too_much_or_too_little(
    network: Conditioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rate that leaps from 5 to 20 nats at a beta of 1: there is no other target that could stand in its way."""
    stand_in(monkeypatch, lambda betas: (20.0 if betas[0] < 1 else 5.0, 3.0))
    assert {*statuses(betas_for(network, IMAGES, asked({2: 12.0}))).values()} <= {"rate_ceiling", "rate_floor"}


def test_layers_of_one_target_share_a_beta(network: Conditioned) -> None:
    found = betas_for(network, IMAGES, [RateTarget((2, 1), 40.0)])
    assert found.reached and found.betas[0] == found.betas[1]
    assert sum(rate or 0 for rate in found.rates) == pytest.approx(40, rel=0.03)


@pytest.mark.parametrize(("axes", "most"), [(1, 6), (2, 36), (3, 77), (5, 101), (8, 71)])
def test_a_search_looks_at_a_bounded_number_of_points_first(axes: int, most: int) -> None:
    points = np.array(coarse_points(math.log(LOW), math.log(HIGH), axes))
    assert points.shape == (most, axes)
    assert len(np.unique(points.round(9), axis=0)) == most
    ends = [(math.log(LOW),) * axes, (math.log(HIGH),) * axes]
    assert all(np.isclose(points, end).all(1).any() for end in ends)
    assert points.min(0) == pytest.approx(math.log(LOW)) and points.max(0) == pytest.approx(math.log(HIGH))


def test_six_groups_are_solved_with_few_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a deep network of six layers, each a group: a grid of starts would be 46,656 measurements."""
    asked_for: list[tuple[float, ...]] = []

    def rates_of(betas: tuple[float, ...]) -> tuple[float, ...]:
        asked_for.append(betas)
        others = math.prod(betas) ** 0.05
        return tuple((5 + index) * beta**-0.8 * others for index, beta in enumerate(betas))

    stand_in(monkeypatch, rates_of)
    spec = resolved_model(ModelSpec(family="deep", blocks="1x2,2x2,4x2", channels=4, latents=(1,)), (1, 16, 16), True)
    network = Conditioned(build(spec, (1, 16, 16)), LOW, HIGH, 4, rank=0)
    betas = (0.3, 2.0, 0.9, 4.0, 0.2, 1.1)
    wanted = rates_of(betas)
    asked_for.clear()
    found = betas_for(network, IMAGES, asked(dict(zip(range(6, 0, -1), wanted, strict=True))))
    assert found.reached
    np.testing.assert_allclose(found.betas, betas, rtol=0.05)
    assert len(set(asked_for)) < 400


def test_groups_of_a_deep_network_are_asked_for_by_their_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, lambda betas: tuple((5 + index) / beta for index, beta in enumerate(betas)))
    spec = resolved_model(ModelSpec(family="deep", blocks="1x2,2x2,4x2", channels=4, latents=(1,)), (1, 16, 16), True)
    network = Conditioned(build(spec, (1, 16, 16)), LOW, HIGH, 4, spec.usual_groups, rank=0)
    found = betas_for(network, IMAGES, requested("r1=22,r2=30,r4=19", 6, spec.resolutions))
    assert found.reached and found.request == "6+5=22,4+3=30,2+1=19"
    np.testing.assert_allclose(found.betas, (0.5, 0.5, 0.5, 0.5, 1, 1), rtol=0.05)
