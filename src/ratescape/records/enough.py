"""Whether models are trained enough: a stated rule, and what it says of them in plain words.

- *far from trained*: fewer than 1,000 steps, or twice the training would take 15 % or more off the loss;
- *not trained to the end*: it would take 5 % or more off;
- *overfitted*: the held-out loss is 10 % or more above the training loss (a choice that no measurement backs), or 50 %
  of models that are far from trained, which longer training makes worse.

Shares are of the loss above the likelihood's constant, which no model can avoid. ``docs/results/trained.md`` says how
well the rule holds.
"""

import math
from collections.abc import Sequence
from typing import Literal

from ratescape.records.trained import TrainingFacts
from ratescape.specs.training import SHORT_STEPS

FAR, NEAR = 0.15, 0.05
"""What twice the training may still take off the loss of models that are not far from trained, and trained."""

OVERFITTED, HEAVILY = 0.1, 0.5
"""How far a held-out loss may be above the training loss, and that of models which are far from trained: on a landscape
of 900 photographs those beyond it got worse by longer training, those below did not (docs/results/trained.md)."""

FAR_FROM_TRAINED = "far from trained"
"""How the sentence on such models begins."""

Verdict = Literal["far", "overfitted", "not to the end", "ok"]
"""How a model is trained, the worst first; in the column ``trained`` of a landscape's table."""


def verdict(facts: TrainingFacts) -> Verdict | None:
    """How a model is trained by the rule; None where the records do not tell.

    Example::

        verdict(TrainingFacts(epochs=5, steps=30, gain_left=None, excess=None))  # "far"
    """
    left = facts.gain_left
    if facts.excess is not None and facts.excess >= HEAVILY:
        return "overfitted"
    if (facts.steps is not None and facts.steps < SHORT_STEPS) or (left is not None and left >= FAR):
        return "far"
    if facts.excess is not None and facts.excess >= OVERFITTED:
        return "overfitted"
    if left is None:
        return None
    return "not to the end" if left >= NEAR else "ok"


def epochs_to_try(facts: TrainingFacts) -> int:
    """The least number of epochs that is worth trying next.

    So many that they make 1,000 steps; twice as many as it had where the loss is still falling, four times where it
    falls fast. No log tells the length at which a loss stops falling: in ``docs/results/trained.md`` the share that
    twice the training takes off falls but slowly as trainings get longer. Two digits are meant; it is rounded up.
    """
    left = facts.gain_left or 0.0
    longer = 4 if left >= FAR else 2 if left >= NEAR else 1
    epochs = facts.epochs * max(longer, SHORT_STEPS / (facts.steps or SHORT_STEPS))
    unit = 10 ** max(0, math.floor(math.log10(epochs)) - 1)
    return math.ceil(round(epochs / unit, 6)) * unit


def sentences(models: Sequence[TrainingFacts]) -> list[str]:
    """What there is to say of some models of a landscape: one line for each verdict but ``ok``.

    Example::

        sentences([TrainingFacts(epochs=5, steps=30, gain_left=None, excess=None)])
        # ["far from trained: 30 steps (5 epochs), fewer than 1,000: try --training.epochs 170 (1,020 steps) or more"]
    """
    lines: list[str] = []
    for kind, words in (("far", FAR_FROM_TRAINED), ("not to the end", "not trained to the end")):
        found = [facts for facts in models if verdict(facts) == kind]
        if found:
            lines.append(f"{words}{_share(found, models)}: {_why(found)}: {_remedy(found)}")
    above = [facts for facts in models if verdict(facts) == "overfitted"]
    if above:
        most = max(facts.excess or 0.0 for facts in above)
        # Of others that need more epochs, one network could not have both more and fewer.
        fewer = "; longer training makes these worse" if lines else ", or fewer --training.epochs"
        lines.append(
            f"overfitted{_share(above, models)}: the held-out loss is {_percent(most)} above the training loss"
            f"{' at most' if len(above) > 1 else ''} (both above what no model can avoid): try more images{fewer}"
        )
    return lines


def _share(found: Sequence[TrainingFacts], models: Sequence[TrainingFacts]) -> str:
    return "" if len(found) == len(models) else f" ({len(found)} of {len(models)} models)"


def _why(found: Sequence[TrainingFacts]) -> str:
    """The reason for the worst of these models."""
    worst = max(found, key=lambda facts: facts.gain_left or 0.0)
    if worst.steps is not None and worst.steps < SHORT_STEPS:
        return f"{worst.steps:,} steps ({_epochs(worst.epochs)}), fewer than {SHORT_STEPS:,}"
    most = " at most" if len({facts.gain_left for facts in found}) > 1 else ""
    return (
        f"the loss is still falling, and twice the {_epochs(worst.epochs)} would take about "
        f"another {_percent(worst.gain_left or 0.0)} off it{most}"
    )


def _remedy(found: Sequence[TrainingFacts]) -> str:
    epochs = max(map(epochs_to_try, found))
    steps = "" if found[0].steps is None else f" ({found[0].steps // found[0].epochs * epochs:,} steps)"
    return f"try --training.epochs {epochs}{steps} or more"


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
