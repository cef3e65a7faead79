"""Rates that were asked for, and the models found for them, as the page shows both."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from ratescape.records.answers import Answer, Outcome
from ratescape.report.page.names import latent, short
from ratescape.report.page.planes import wanted_rates


def answer_data(answer: Answer) -> dict[str, Any]:
    """Rates asked for, and what was found; those of layers that were asked for one by one, top first."""
    texts = {"beta_text": ", ".join(map(short, answer.betas)), "outcomes": [_outcome(one) for one in answer.outcomes]}
    return answer.to_dict() | {"wanted": wanted_rates(answer)} | texts


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return dataclasses.asdict(outcome) | {
        "layer_text": " + ".join(map(latent, outcome.layers)),
        "error_text": "–" if outcome.error is None else f"{100 * outcome.error:+.1f} %".replace("-", "−"),
        "status_text": outcome.status.replace("_", " "),
    }


def asked_note(answers: Sequence[Answer], split: str) -> str:
    """How the models were found, and what the marks in the plane of rates are."""
    ways = [
        (any(answer.run is not None for answer in answers), "betas controlled while a model trains"),
        (any(answer.run is None for answer in answers), "betas found on the conditioned network, without training"),
    ]
    text = "; ".join(way for used, way in ways if used)
    return (
        f"{text[:1].upper()}{text[1:]}. Rates are held out ({split}), in nats. Diamonds in the plane of "
        "rates are what was asked for, crosses what was found."
    )
