"""What was found of every item by itself: numbers by name, as a table and as a .csv file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ratescape.errors import SpecError
from ratescape.records.files import write_atomically

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of N items, ``[N]`` each by its name; of what is one, higher is more anomalous. Nats per item.

    - ``rate_L .. rate_1``: rate of each layer, top first, and ``rate``, their sum;
    - ``distortion``; ``nelbo``, -ELBO = distortion + rate;
    - ``nll``: the importance-weighted bound of -log p(x), at most ``nelbo`` on average, and equal to it for one sample;
    - ``llr_{L-1} .. llr_1``: the log-likelihood ratio LLR>k of every k (:mod:`ratescape.scoring.bounds`);
    - ``mahalanobis``: distance of the rates from those of in-distribution items, where such are known; a pure number;
    - of images ``complexity``, the size of a PNG, and ``corrected``, -ELBO less that.

    Example::

        scores = model.score(images)
        scores["llr_1"].argsort()[::-1][:10]  # the ten most anomalous
        scores.save("scores.csv")
    """

    columns: Mapping[str, Numbers]
    items: tuple[str, ...] = ()
    """Names of the items, such as those of their files; none where they have no other than their number."""

    def __getitem__(self, name: str) -> Numbers:
        if name not in self.columns:
            raise SpecError(f"there is no score {name!r}: there are {', '.join(self.columns)}")
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def table(self) -> pd.DataFrame:
        """One row for each item: ``item``, its name or number (from 0), and all scores."""
        names = list(self.items) or list(range(len(self)))
        return pd.DataFrame({"item": names} | dict(self.columns))

    def save(self, path: str | Path) -> None:
        """Write the table as a .csv file; raises :class:`~ratescape.errors.RecordError` if that cannot be done.

        Example::

            model.score(images).save("scores.csv")
        """
        write_atomically(Path(path), self.table.to_csv(index=False))

    def __repr__(self) -> str:
        return f"Scores({len(self)} items: {', '.join(self.columns)})"
