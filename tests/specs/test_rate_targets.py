"""Rates that are asked for: how they are written, and what is said of them afterwards."""

import contextlib
import json
import math

import pytest
from helpers.sweeps import sweep_spec
from hypothesis import given
from hypothesis import strategies as st

from ratescape.errors import SpecError
from ratescape.records.answers import Answer, outcomes
from ratescape.specs.codec import from_dict
from ratescape.specs.model import ModelSpec
from ratescape.specs.rate_targets import RateTarget, layers_text, requested
from ratescape.specs.runs import TargetSpec
from ratescape.specs.sweep import SweepSpec

BIT = math.log(2)


@pytest.mark.parametrize(
    ("text", "layers", "targets"),
    [
        ("2=20,1=40", 2, {(2,): 20, (1,): 40}),
        ("1=40, 2=20", 2, {(2,): 20, (1,): 40}),
        ("2=30bits", 2, {(2,): 30 * BIT}),
        ("1=1e2nats", 2, {(1,): 100}),
        ("total=60", 3, {(3, 2, 1): 60}),
        ("3+2=20,1=5", 3, {(3, 2): 20, (1,): 5}),
        ("total=60,2=20", 2, {(2,): 20, (1,): 40}),
        ("total=60,2=25%", 2, {(2,): 15, (1,): 45}),
        ("total=60bits,3=25%", 3, {(3,): 15 * BIT, (2, 1): 45 * BIT}),
        ("total=60,2=25%,1=75%", 2, {(2,): 15, (1,): 45}),
        ("9-6=20,1-3=5", 9, {(9, 8, 7, 6): 20, (3, 2, 1): 5}),
        ("5-4+1=3", 5, {(5, 4, 1): 3}),
    ],
)
def test_what_can_be_asked_for(text: str, layers: int, targets: dict[tuple[int, ...], float]) -> None:
    found = requested(text, layers)
    assert [target.layers for target in found] == list(targets)
    assert [target.rate for target in found] == pytest.approx(list(targets.values()))
    again = requested(",".join(map(str, found)), layers)
    assert [target.rate for target in again] == pytest.approx([target.rate for target in found])


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("r14=30,r1-7=10", {(6, 5, 4, 3): 10, (2, 1): 30}),
        ("r1+2=30", {(6, 2): 30}),  # 2 is a layer, r1 a resolution
        ("total=60,r14=50%", {(6, 5, 4, 3): 30, (2, 1): 30}),
    ],
)
def test_resolutions_of_a_deep_network_name_their_layers(text: str, targets: dict[tuple[int, ...], float]) -> None:
    deep = ModelSpec(family="deep", blocks="1x1,4x1,7x2,14x2")
    found = requested(text, deep.layers, deep.resolutions)
    assert {target.layers: target.rate for target in found} == targets
    assert requested(",".join(map(str, found)), 6) == found  # as they are written without resolutions
    assert TargetSpec(found).request == ",".join(map(str, found))
    assert len(sweep_spec("targeted", model=deep, target_rates=(text,)).runs()) == 1
    with pytest.raises(SpecError, match=r"no resolution 5; it has 1, 4, 7, 14$"):
        requested("r5=3", 6, deep.resolutions)
    with pytest.raises(SpecError, match=r"no resolution 14; give model\.blocks of a deep network"):
        sweep_spec("targeted", target_rates=("r14=3",))


def test_long_rows_of_layers_are_written_as_ranges() -> None:
    assert layers_text((3, 2, 1)) == "3+2+1"
    assert layers_text((9, 8, 7, 6, 3)) == "9-6+3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write LAYERS=RATE"),
        ("2", "write LAYERS=RATE"),
        ("2=", "write LAYERS=RATE"),
        ("top=3", "write LAYERS=RATE"),
        ("2=20 nuts", "'20 nuts' is not a rate"),
        ("2=20,2=30", "names a layer twice"),
        ("2+2=20", "names a layer twice"),
        ("2+1=20,1=3", "names a layer twice"),
        ("3=1", "no layer 3, the layers are 2"),
        ("1-3=1", "no layer 3, the layers are 2"),
        ("2-1=20,1=3", "names a layer twice"),
        ("2-=20", "write LAYERS=RATE"),
        ("0=1", "no layer 0"),
        ("2=0", "above 0 and finite"),
        ("2=-3", "above 0 and finite"),
        ("2=nan", "above 0 and finite"),
        ("2=inf", "above 0 and finite"),
        ("2=25%", "needs a total"),
        ("total=3,total=4", "names the total twice"),
        ("total=60,2=60", "nothing is left of the total for layers 1"),
        ("total=60,2=70", "nothing is left"),
        ("total=60,2=20,1=30", "sum to 50 nats"),
    ],
)
def test_what_cannot_is_named(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        requested(text, 2)
    assert repr(text) in str(caught.value)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(SpecError):
        assert all(target.rate > 0 for target in requested(text, 3))


def test_sweeps_check_what_is_asked_of_them() -> None:
    with pytest.raises(SpecError, match=r"^target_rates goes with method targeted: leave it out, or set method"):
        from_dict(SweepSpec, {"target_rates": ["2=1"]})
    with pytest.raises(SpecError, match="one or more with method targeted"):
        sweep_spec(method="targeted")
    with pytest.raises(SpecError, match="no layer 3"):
        sweep_spec(method="targeted", target_rates=("3=1",))
    bottom_up = ModelSpec(family="bottom-up")
    with pytest.raises(SpecError, match="its total rate only"):
        sweep_spec(model=bottom_up, method="targeted", target_rates=("2=1",))
    assert len(sweep_spec(model=bottom_up, method="targeted", target_rates=("total=1",)).runs()) == 1
    assert len(sweep_spec(method="targeted", target_rates=("2=1", "1=3"), seeds=(0, 1)).runs()) == 4


TWO = (RateTarget((2,), 20.0), RateTarget((1,), 5.0))
LOW, HIGH = math.exp(-7), math.exp(6)


@pytest.mark.parametrize(
    ("rates", "betas", "statuses"),
    [
        ((20.3, 4.95), (1, 1), ("reached", "reached")),
        ((21.0, 5.0), (1, 1), ("not_converged", "reached")),
        ((12.0, 5.0), (LOW, 1), ("rate_ceiling", "reached")),
        ((12.0, 7.0), (LOW, 1), ("rate_ceiling", "joint_infeasible")),
        ((25.0, 5.0), (HIGH, 1), ("rate_floor", "reached")),
        ((12.0, 5.0), (HIGH, 1), ("not_converged", "reached")),
        ((None, None), (1, 1), ("not_converged", "not_converged")),
    ],
)
def test_statuses(rates: tuple[float, float], betas: tuple[float, float], statuses: tuple[str, str]) -> None:
    found = outcomes(TWO, rates, betas, 0.02)
    assert tuple(one.status for one in found) == statuses


def test_a_collapsed_layer_is_at_its_floor_and_groups_count_together() -> None:
    (one,) = outcomes([RateTarget((1,), 0.001)], [3.0, 0.0002], [1.0, 30.0], 0.02)
    assert one.status == "rate_floor" and one.error == pytest.approx(-0.8)
    (both,) = outcomes([RateTarget((3, 1), 10.0)], [6.0, 50.0, 4.1], [2.0, 1.0, 2.0], 0.02)
    assert both.status == "reached" and both.achieved == pytest.approx(10.1) and both.beta == 2.0


def test_answers_survive_json_and_tell_what_happened() -> None:
    answer = Answer("2=20,1=5", (1.0, 2.0), (20.3, 7.0), 80.0, 17.0, tuple(outcomes(TWO, (20.3, 7.0), (1, 2), 0.02)))
    assert Answer.from_dict(json.loads(json.dumps(answer.to_dict()))) == answer
    told = str(answer)
    assert not answer.reached and "layer 1: 7 of 5 nats (+40.0% off), not converged" in told
    lost = Answer("2=20,1=5", (1.0, 2.0), (None, None), None, None, tuple(outcomes(TWO, (None, None), (1, 2), 0.02)))
    assert "no of 20 nats, not converged" in str(lost)
