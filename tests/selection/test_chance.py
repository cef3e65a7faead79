"""No winner by chance: labels that tell nothing, models that do not generate, judges that cannot judge."""

import math

import numpy as np
import pandas as pd
import pytest

from ratescape import selection
from ratescape.errors import NoWinner
from ratescape.records.table import Table
from ratescape.selection.chance import written

MODELS = 25
IMAGES = 400


def table(**columns: object) -> Table:
    """A landscape of 25 models."""
    betas = [0.1, 0.3, 1.0, 3.0, 10.0]
    rows = pd.DataFrame({"run": [f"run{i:02}" for i in range(MODELS)], "seed": 0, "status": "ok"})
    rows["beta_2"], rows["beta_1"] = np.repeat(betas, 5), np.tile(betas, 5)
    rows["rate_2"], rows["rate_1"], rows["rate"] = 5.0, 20.0, 25.0
    return Table(rows.assign(**columns), 0, (), "validation", images=IMAGES)


def probed(level: float, seed: int) -> Table:
    """Accuracies on both layers as chance gives them where each answer is right by so much."""
    generator = np.random.default_rng(seed)
    columns: dict[str, object] = {"chance": 0.34}
    for layer in (1, 2):
        right = generator.binomial(IMAGES, level, MODELS) / IMAGES
        columns |= {f"accuracy_rbf_{layer}": right, f"se_accuracy_rbf_{layer}": np.sqrt(right * (1 - right) / IMAGES)}
    return table(**columns)


def has_winner(landscape: Table, use: str) -> bool:
    try:
        selection.best(landscape, use)
    except NoWinner:
        return False
    return True


def test_labels_that_tell_nothing_have_no_winner_in_ninety_nine_of_a_hundred_landscapes() -> None:
    """The bar is for one false winner in a hundred; of 300 landscapes, 9 or more have a chance below 0.4 %."""
    assert sum(has_winner(probed(0.34, seed), "representation") for seed in range(300)) <= 8


def test_labels_that_tell_something_have_a_winner() -> None:
    assert all(has_winner(probed(0.5, seed), "representation") for seed in range(20))


def test_what_is_said_where_no_latents_tell_the_classes() -> None:
    with pytest.raises(NoWinner, match="no model's latents tell the classes: the best RBF SVM") as told:
        selection.best(probed(0.34, 1), "representation")
    text = str(told.value)
    assert "the most frequent class gives 0.34" in text and "of 50 candidates the best must be 3.5 standard" in text
    assert "\n" not in text


@pytest.mark.parametrize("column", ["information", "ridge_r2"])
def test_information_and_r2_must_be_above_zero_by_their_error(column: str) -> None:
    errors = {f"se_{column}_{layer}": 0.01 for layer in (1, 2)}
    nothing = {f"{column}_{layer}": np.linspace(0, 0.03, MODELS) for layer in (1, 2)}
    assert not has_winner(table(**nothing, **errors), "representation")
    something = {f"{column}_{layer}": np.linspace(0, 0.06, MODELS) for layer in (1, 2)}
    assert selection.best(table(**something, **errors), "representation").run == "run24"


JUDGED = {"judge_accuracy": 0.95, "se_judge_accuracy": 0.01, "chance": 0.34, "test_chance": 0.35, "score_of_data": 2.6}


def test_models_between_1_01_and_1_03_do_not_generate_yet() -> None:
    scores = {"inception_score": np.linspace(1.01, 1.03, MODELS), "se_inception_score": 0.002}
    with pytest.raises(
        NoWinner, match=r"no model generates yet: the best inception score is 1\.0300 ± 0\.0020"
    ) as told:
        selection.best(table(**scores, **JUDGED), "generation")
    for part in ("the validation images themselves get 2.6", "the judge names 0.95", "more epochs"):
        assert part in str(told.value)


def test_a_tenth_of_what_the_images_get_and_two_errors_above_one_are_asked_for() -> None:
    scores = np.full(MODELS, 1.0)
    scores[3] = 1.17  # a tenth of 1.6 is 0.16
    assert selection.best(table(inception_score=scores, se_inception_score=0.01, **JUDGED), "generation").run == "run03"
    assert not has_winner(table(inception_score=scores, se_inception_score=0.09, **JUDGED), "generation")
    scores[3] = 1.15
    assert not has_winner(table(inception_score=scores, se_inception_score=0.01, **JUDGED), "generation")
    assert selection.best(table(inception_score=scores), "generation").run == "run03"  # nothing else was recorded


def test_a_judge_that_cannot_tell_the_classes_judges_nothing() -> None:
    scores = {"inception_score": np.linspace(1.5, 2.5, MODELS), "se_inception_score": 0.01}
    with pytest.raises(NoWinner, match=r"the judge of the samples names 0\.36 of the test images rightly"):
        selection.best(table(**scores, **JUDGED | {"judge_accuracy": 0.36, "se_judge_accuracy": 0.02}), "generation")


def test_only_what_is_better_than_chance_ties_and_wins() -> None:
    """A candidate within one error of the best is left out where it is not above chance itself."""
    accuracy = np.full(MODELS, 0.3)
    accuracy[[4, 7]] = 0.55, 0.5
    landscape = table(accuracy_rbf_2=accuracy, se_accuracy_rbf_2=0.05, chance=0.34, accuracy_sample_2=0.2)
    landscape.rows.loc[7, "accuracy_sample_2"] = 0.9
    choice = selection.best(landscape, "representation")
    assert choice.run == "run04" and not choice.ties and math.isclose(choice.error, 0.05)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.7716, 0.0312, "0.772 ± 0.031"),
        (1987.12, 7.64, "1987.1 ± 7.6"),
        (1.001544, 2.2e-5, "1.0015 ± 2e-05"),
        (51234.0, 312.0, "51234 ± 312"),
        (16.61234, math.nan, "16.61"),
        (16.61234, 0.0, "16.61"),
    ],
)
def test_numbers_are_written_to_the_second_digit_of_their_error(value: float, error: float, text: str) -> None:
    assert written(value, error) == text
