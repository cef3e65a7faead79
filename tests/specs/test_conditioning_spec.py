"""What the settings of annealing mean for the networks of a landscape."""

import dataclasses
from typing import Any

import pytest

from ratescape.errors import SpecError
from ratescape.specs.conditioning import AnnealingName, BalancedSpec, ConditioningSpec, StaggeredSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Conditioned
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import NetworkSpec, RunSpec
from ratescape.specs.training import OptimiserName, TrainingSpec

BASE = RunSpec(model=ModelSpec("residual", 4, (8, 4, 2)))


def network(groups: tuple[int, ...] | None = None, **settings: Any) -> NetworkSpec:
    (made,) = Conditioned(groups=groups, conditioning=ConditioningSpec(**settings)).networks(BASE, (0,))
    return made


def test_annealing_is_as_keeps_the_layers_of_the_family_unless_asked_for_otherwise() -> None:
    assert network().balanced == BalancedSpec(170, 0.4) and network().staggered is None
    assert network(rise=20, descent=0.3).balanced == BalancedSpec(20, 0.3)
    asked = network(annealing="staggered", rise=20)
    assert asked.staggered == StaggeredSpec(20, 0.4) and asked.balanced is None
    (ghvae,) = Conditioned().networks(RunSpec(), (0,))
    assert ghvae.staggered == StaggeredSpec(170, 0.4) and ghvae.balanced is None
    with pytest.raises(SpecError, match=r"network\.balanced .* left out beside network\.staggered"):
        dataclasses.replace(ghvae, balanced=BalancedSpec())


def test_what_means_nothing_is_in_no_key() -> None:
    assert network(annealing="linear") == network(annealing="linear", rise=3, descent=0.1)
    linear = network(annealing="linear")
    assert linear.staggered is None and linear.balanced is None
    one = network((0, 0, 0))  # all layers share their beta
    assert one.staggered is None and one.balanced is None and one == network((0, 0, 0), annealing="linear")


@pytest.mark.parametrize(
    ("annealing", "steps", "by_adam", "by_muon"),
    [
        *[("staggered", 2000, 0.4, 0.1), ("staggered", 1200, 0.5, 0.125), ("staggered", 684, 0.6, 0.219)],
        *[("staggered", 100, 0.6, 0.6), ("balanced", 684, 0.4, 0.4)],
    ],
)
def test_a_short_training_comes_down_more_slowly(
    annealing: AnnealingName, steps: int, by_adam: float, by_muon: float
) -> None:
    method = Conditioned(BetaGrid(), conditioning=ConditioningSpec(annealing=annealing))
    given = dataclasses.replace(method, conditioning=ConditioningSpec(annealing=annealing, descent=0.3))
    by_each: dict[OptimiserName | None, float] = {None: by_adam, "adam": by_adam, "muon": by_muon}
    for optimiser, share in by_each.items():
        training = TrainingSpec(optimiser=optimiser)
        assert method.resolved(ModelSpec(), training, steps).conditioning.descent == share
        assert given.resolved(ModelSpec(), training, steps).conditioning.descent == 0.3


@pytest.mark.parametrize(("given", "steps", "restarts"), [(None, 999, 1), (None, 1000, 3), (3, 684, 3), (0, 2000, 0)])
def test_a_short_training_starts_again_once(given: int | None, steps: int, restarts: int) -> None:
    method = Conditioned(BetaGrid(), conditioning=ConditioningSpec(restarts=given))
    assert method.resolved(ModelSpec(), TrainingSpec(), steps).conditioning.restarts == restarts
