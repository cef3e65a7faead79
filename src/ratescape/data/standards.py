"""Columns of vectors in a common unit: centred and scaled by the rows that models are trained on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratescape.data.formats.image_set import Columns
from ratescape.errors import DataError


@dataclass(frozen=True, eq=False)
class Standards:
    """Mean and standard deviation of every column over the training rows; booleans stay 0 and 1.

    Example::

        standards = Standards.of(data.train.pixels, data.columns, "rows")
        standards.applied(data.test.pixels)  # float64 [N, D]
    """

    centre: npt.NDArray[np.float64]
    """``[D]``, in the units of the data."""
    spread: npt.NDArray[np.float64]
    """``[D]``, in the units of the data; 0 for a column of one value alone, which holds nothing to be learned."""
    boolean: npt.NDArray[np.bool_]
    """``[D]``."""

    @classmethod
    def of(cls, rows: npt.NDArray[np.float64], columns: Columns, name: str) -> "Standards":
        """Those of training rows ``[N, D]``.

        Raises:
            DataError: no column has two values, or numbers too large to be squared.
        """
        boolean = np.array(columns.boolean)
        constant = np.ptp(rows, axis=0) == 0
        if constant.all():
            raise DataError(f"{name} has training rows that are all alike: give columns that vary")
        with np.errstate(over="ignore", invalid="ignore"):
            centre, spread = rows.mean(0), rows.std(0)
        broken = [one for one, fine in zip(columns.names, np.isfinite(spread), strict=True) if not fine]
        if broken:
            raise DataError(f"{name} has numbers too large to be squared ({', '.join(broken[:5])}): rescale them")
        spread = np.where(constant, 0.0, spread)
        return cls(np.where(boolean, 0.0, centre), np.where(boolean, 1.0, spread), boolean)

    @property
    def constant(self) -> npt.NDArray[np.bool_]:
        """Which columns have one value alone, ``[D]``."""
        return self.spread == 0

    def applied(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Rows ``[N, D]`` in units of the spread; 0 in columns that are constant."""
        return np.where(self.constant, 0.0, (rows - self.centre) / np.where(self.constant, 1.0, self.spread))
