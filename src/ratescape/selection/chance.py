"""Which scores are better than chance? A ranking of what chance gave would recommend nothing but noise.

- **Accuracies**: always naming the most frequent class gives its share. Of N candidates the best is the luckiest, so a
  score counts if it is above that share by z standard errors, where chance would lift one of N candidates so high once
  in a hundred times: z = Phi^-1(1 - 0.01 / N).
- **Label information and ridge R^2**: the same, above 0.
- **AUROC of outliers**: the same, above 0.5.
- **Inception score**: a model that tells nothing gets 1, and the split's own images get what a perfect model would. A
  score counts if its excess over 1 is at least a tenth of theirs, and more than two standard errors; and none does
  where the judge itself tells the classes no better than chance.

What was not recorded, as the error of a metric from outside, is not asked for.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

from ratescape.errors import NoWinner
from ratescape.records.lines import with_error
from ratescape.selection.candidates import Candidate

LUCK = 0.01
"""How often chance alone may lift one of all candidates above the bar."""

SHARE = 0.1
"""Of what the images' own inception score is above 1, the least that a model that generates has."""

ERRORS = 2.0
"""Standard errors above 1 that an inception score must be, and above chance its judge."""

ABOVE_ZERO = ("information", "ridge_r2")


def credible(ranked: Sequence[Candidate], split: str) -> list[Candidate]:
    """Those of the candidates that are better than chance.

    Args:
        ranked: at least one, best first, all by one metric.
        split: what they were measured on.

    Raises:
        NoWinner: none is; says by how much the best is not.
    """
    kind = ranked[0].metric.column.removesuffix(f"_{ranked[0].layer}")
    if kind == "inception_score":
        return _generating(ranked, split)
    if kind == "anomaly_auroc":
        return _telling(ranked, split)
    if kind in ABOVE_ZERO:
        return _above(ranked, split, dict.fromkeys((one.run for one in ranked), 0.0))
    if kind.startswith("accuracy_"):
        return _above(ranked, split, {one.run: _recorded(one, "chance") for one in ranked})
    return list(ranked)


def _telling(ranked: Sequence[Candidate], split: str) -> list[Candidate]:
    """Those that tell outliers from items."""
    bar = NormalDist().inv_cdf(1 - LUCK / len(ranked))
    found = [one for one in ranked if not one.score <= 0.5 + bar * _known(one.error)]
    if not found:
        best = ranked[0]
        raise NoWinner(
            f"no model tells the outliers: the best {best.metric.name} is {written(best.value, best.error)} on "
            f"{split}, where chance gives 0.5, and of {len(ranked)} models the best must be {bar:.1f} standard errors "
            "above that: train for more epochs, or check the outliers (evaluation.outliers)"
        )
    return found


def _above(ranked: Sequence[Candidate], split: str, chance: dict[str, float]) -> list[Candidate]:
    """Those that are above chance by so many errors as their number asks for."""
    bar = NormalDist().inv_cdf(1 - LUCK / len(ranked))
    found = [one for one in ranked if not one.score <= chance[one.run] + bar * _known(one.error)]  # NaN asks nothing
    if found:
        return found
    best = ranked[0]
    labels = best.metric.column.startswith("ridge") is False
    level = chance[best.run]
    why = f"where always naming the most frequent class gives {level:.3g}" if level else "where chance gives 0"
    raise NoWinner(
        f"no model's latents tell the {'classes' if labels else 'targets'}: the best {best.metric.name} is "
        f"{written(best.value, best.error)} on {split}, {why}, and of {len(ranked)} candidates the best must be "
        f"{bar:.1f} standard errors above that: check the {'labels' if labels else 'targets'}, train for more epochs, "
        "or give more images"
    )


def _generating(ranked: Sequence[Candidate], split: str) -> list[Candidate]:
    """Those whose samples a judge can tell apart as it can tell images."""
    best = ranked[0]
    accuracy, real = _recorded(best, "judge_accuracy"), _recorded(best, "score_of_data")
    chance = _recorded(best, "test_chance" if "test_chance" in best.row else "chance")
    if accuracy <= chance + ERRORS * _known(_recorded(best, "se_judge_accuracy")):
        raise NoWinner(
            f"no model can be said to generate: the judge of the samples names {accuracy:.3g} of the test images "
            f"rightly, where always naming the most frequent class gives {chance:.3g}, so that its scores mean "
            "nothing: check the labels, or train it longer (--evaluation.judge-epochs)"
        )
    least = 1 + SHARE * (real - 1) if math.isfinite(real) else 1.0
    found = [one for one in ranked if one.value >= least and one.value > 1 + ERRORS * _known(one.error)]
    if found:
        return found
    own = f", where the {split} images themselves get {real:.3g}" if math.isfinite(real) else ""
    judged = f"; the judge names {accuracy:.3g} of the test images rightly, so the samples are at fault"
    raise NoWinner(
        f"no model generates yet: the best inception score is {written(best.value, best.error)}{own} and samples that "
        f"show nothing get 1{judged if math.isfinite(accuracy) else ''}: train for more epochs, or on more images"
    )


def _recorded(one: Candidate, column: str) -> float:
    return float(one.row.get(column, math.nan))


def _known(error: float) -> float:
    return error if math.isfinite(error) else 0.0


def written(value: float, error: float) -> str:
    """A number with its standard error: at most four decimals, ``0.772 ± 0.031``, ``1987.1 ± 7.6``."""
    return with_error(value, error, most=4)
