"""What a search is to keep to, and how far it goes; without torch, so that reading records needs none."""

import dataclasses
from collections.abc import Mapping

import pandas as pd

from ratescape import selection

TRIES = 12
"""Points measured in a search, unless told otherwise: on two axes enough for a step each way along both, and for the
same at half and at a quarter of the first step."""

TOLERANCE = 0.03
"""Largest relative error of a rate that counts as reached."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a model is to keep to."""

    max_rate: float | None = None
    """Largest total rate, nats per image."""
    demands: Mapping[str, float] = dataclasses.field(default_factory=dict[str, float])
    """For columns of metrics, the worst value accepted."""

    def met_by(self, row: pd.Series) -> bool:
        """Whether a row of the landscape's table keeps to them."""
        return selection.meets(row, self.max_rate, self.demands)
