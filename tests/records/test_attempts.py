"""What is told of the trainings of a conditioned network."""

import dataclasses
from pathlib import Path

import pytest

from ratescape.errors import RecordError
from ratescape.records.attempts import DEAD_LAYER, Attempt, GroupRate, read_attempts, verdict, write_attempts

CORNER = (0.1, 10.0)
DEAD, ALIVE, LOW = GroupRate((2,), CORNER, 0.004), GroupRate((2,), CORNER, 3.0), GroupRate((1,), (10.0, 0.1), 60.0)


def attempts(*top: GroupRate, end: GroupRate | None = None) -> list[Attempt]:
    """Attempts in which the top group was found so; in the end it is as in the last, unless said."""
    *earlier, last = [Attempt(1e-3 / 3**index, (one, LOW)) for index, one in enumerate(top)]
    return [*earlier, dataclasses.replace(last, end=(end or top[-1], LOW))]


def test_nothing_is_told_where_all_groups_lived_at_once() -> None:
    assert verdict([]) is None and verdict(attempts(ALIVE)) is None


def test_a_training_that_was_started_again_is_told_in_one_sentence() -> None:
    start = "z₂ carried 0.00 nats at betas (0.1, 10): trained again with learning rate"
    assert verdict(attempts(DEAD, ALIVE)) == f"{start} 0.000333"
    assert verdict(attempts(DEAD, DEAD, ALIVE)) == f"{start}s 0.000333, 0.000111"


def test_giving_up_is_told_plainly() -> None:
    assert verdict(attempts(DEAD, DEAD, DEAD, DEAD)) == (
        "z₂ carried 0.00 nats at betas (0.1, 10): gave up after 3 more attempts (learning rates 0.000333, 0.000111, "
        "3.7e-05), kept learning rate 3.7e-05: this landscape has a dead layer"
    )
    assert verdict(attempts(DEAD, DEAD)) == (
        "z₂ carried 0.00 nats at betas (0.1, 10): gave up after 1 more attempt (learning rate 0.000333), kept "
        "learning rate 0.000333: this landscape has a dead layer"
    )
    assert verdict(attempts(DEAD)) == (
        "z₂ carried 0.00 nats at betas (0.1, 10): not trained again: this landscape has a dead layer"
    )


def test_the_attempt_that_was_kept_need_not_be_the_last() -> None:
    first, *others = attempts(DEAD, DEAD)
    kept = [dataclasses.replace(first, end=first.checked), *(dataclasses.replace(one, end=()) for one in others)]
    assert "(learning rate 0.000333), kept learning rate 0.001: this" in (verdict(kept) or "")


def test_a_layer_that_fades_after_annealing_is_told_of() -> None:
    assert verdict(attempts(ALIVE, end=DEAD)) == (
        "z₂ carried 0.00 nats at betas (0.1, 10) in the end, though alive when annealing ended: this landscape has a "
        "dead layer"
    )
    assert verdict(attempts(DEAD, ALIVE, end=DEAD)) == (
        "z₂ carried 0.00 nats at betas (0.1, 10) in the end, though alive when annealing ended: gave up after 1 "
        "more attempt (learning rate 0.000333), kept learning rate 0.000333: this landscape has a dead layer"
    )


def test_a_layer_that_comes_to_life_after_annealing_is_no_dead_layer() -> None:
    assert verdict(attempts(DEAD, end=ALIVE)) is None
    assert "dead layer" not in (verdict(attempts(DEAD, DEAD, end=ALIVE)) or "")


def test_of_a_training_that_diverged_no_end_is_known() -> None:
    assert verdict([Attempt(1e-3, (ALIVE, LOW))]) is None


def test_groups_of_layers_are_named_together() -> None:
    groups = GroupRate((3, 2), (0.1, 0.1, 10.0), 0.05), GroupRate((1,), (10.0, 10.0, 0.1), 0.0)
    told = verdict([Attempt(1e-3, groups, groups)])
    assert told is not None
    assert "z₃+z₂ carried 0.05 nats at betas (0.1, 0.1, 10) and z₁ carried 0.00 nats at betas (10, 10, 0.1)" in told


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    assert read_attempts(path) == []
    write_attempts(path, attempts(DEAD, ALIVE))
    assert read_attempts(path) == attempts(DEAD, ALIVE)
    assert '"attempt": 1' in path.read_text() and '"dead": true' in path.read_text()


def test_a_rate_that_is_no_number_is_not_dead(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    write_attempts(path, attempts(GroupRate((2,), CORNER, float("nan"))))
    (one,) = read_attempts(path)
    assert not one.dead


@pytest.mark.parametrize("text", ["nonsense", '{"attempt": 1}\n', '{"learning_rate": 1, "checked": [3]}\n'])
def test_a_damaged_record_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "attempts.jsonl"
    path.write_text(text)
    with pytest.raises(RecordError, match=r"damaged.*delete"):
        read_attempts(path)


def test_nats_that_are_the_same_for_all_images_are_a_dead_layer() -> None:
    constant = GroupRate((2,), CORNER, 49.0, active=0)
    assert constant.is_dead and not constant.is_silent and not GroupRate((2,), CORNER, 49.0, active=3).is_dead
    assert str(constant) == (
        "z₂ carried 49.00 nats, but none that differ from image to image (no active unit), at betas (0.1, 10)"
    )
    # Early in training that is usual, and no reason to begin again; in the end it is told.
    assert not Attempt(1e-3, (constant,)).dead
    told = verdict([Attempt(1e-3, (constant,), (constant,))])
    assert told is not None and "no active unit" in told and told.endswith(DEAD_LAYER)


def test_records_of_earlier_versions_know_no_active_units(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    write_attempts(path, attempts(ALIVE))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(', "active": null', ""), encoding="utf-8")
    assert text != path.read_text(encoding="utf-8")
    assert read_attempts(path) == attempts(ALIVE)
