"""What the settings of annealing mean for the networks of a landscape."""

from typing import Any

from ratescape.specs.conditioning import ConditioningSpec, StaggeredSpec
from ratescape.specs.methods import Conditioned
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import NetworkSpec, RunSpec

BASE = RunSpec(model=ModelSpec("residual", 4, (8, 4, 2)))


def network(groups: tuple[int, ...] | None = None, **settings: Any) -> NetworkSpec:
    (made,) = Conditioned(groups=groups, conditioning=ConditioningSpec(**settings)).networks(BASE, (0,))
    return made


def test_annealing_is_staggered_unless_asked_for_otherwise() -> None:
    assert network().staggered == StaggeredSpec(170, 0.4)
    assert network(rise=20, descent=0.3).staggered == StaggeredSpec(20, 0.3)


def test_what_means_nothing_is_in_no_key() -> None:
    assert network(annealing="linear") == network(annealing="linear", rise=3, descent=0.1)
    assert network(annealing="linear").staggered is None
    one = network((0, 0, 0))  # all layers share their beta
    assert one.staggered is None and one == network((0, 0, 0), annealing="linear")
