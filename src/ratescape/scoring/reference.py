"""Rates of in-distribution items, and how far others are from them."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from ratescape.errors import DataError

Numbers = npt.NDArray[np.float64]

SMALLEST_SPREAD = 0.01
"""Nats: a layer whose rate hardly varies, as one that has collapsed, is taken to vary by so much."""


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """Mean and covariance of the rates of in-distribution items, for G layers or groups of layers.

    Rates are divided by their spreads first; then the covariance is shrunk towards the identity by as much as the
    number of items asks for (Ledoit & Wolf, 2004): hardly, if there are many.

    Example::

        reference = Reference.of(rates_of_validation_items)  # [N, G]
        reference.distance(rates)  # [M]
    """

    centre: Numbers
    """``[G]``, nats."""
    spread: Numbers
    """``[G]``, nats."""
    precision: Numbers
    """Inverse covariance of rates in units of their spreads, ``[G, G]``."""

    @staticmethod
    def of(rates: Numbers) -> "Reference":
        """From the rates of N items, ``[N, G]``; raises :class:`DataError` for fewer than two."""
        from sklearn.covariance import ledoit_wolf  # takes half a second

        if len(rates) < 2:
            raise DataError(f"reference has {len(rates)} items: give two at least, and hundreds for a good estimate")
        centre, spread = rates.mean(0), np.maximum(rates.std(0), SMALLEST_SPREAD)
        covariance, _ = ledoit_wolf((rates - centre) / spread, assume_centered=True)
        return Reference(centre, spread, np.linalg.pinv(covariance))

    def distance(self, rates: Numbers) -> Numbers:
        """Mahalanobis distance of rates ``[N, G]`` from the centre, ``[N]``."""
        apart = (rates - self.centre) / self.spread
        return np.sqrt(np.maximum(np.einsum("ng,gh,nh->n", apart, self.precision, apart), 0.0))

    @property
    def arrays(self) -> dict[str, Any]:
        """Its numbers by name, of which :class:`Reference` is made again."""
        return {"centre": self.centre, "spread": self.spread, "precision": self.precision}
