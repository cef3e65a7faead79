"""The distribution of vectors: a Gaussian for each column of numbers, Bernoulli for booleans; and their units."""

import numpy as np
import torch
from torch import Tensor

from ratescape.data.catalog import ImageData
from ratescape.data.standards import Standards
from ratescape.model.numerics import bernoulli_nll, gaussian_log_density, positive
from ratescape.model.observing import Likelihood

SMALLEST_SPREAD = 0.01
"""Standard deviation that a column is told to at best, in units of its own: a column that follows from others would
else be told ever more exactly, and its density would have no bound."""


class ByColumn(Likelihood):
    """Columns of numbers are Gaussian with one learned sigma each, booleans are Bernoulli; both may stand side by side.

    Networks see standardised rows (:class:`~ratescape.data.standards.Standards`), but distortions are those of rows in
    the units of the data: -log p(x) = -log p(standardised x) + the log of each column's spread. A column that was
    constant in training is known, and costs nothing.

    The output ``[B, 2, D]`` holds means or logits, and what the sigmas are made of.

    Args:
        columns: D.
    """

    is_number: Tensor
    is_boolean: Tensor
    log_spread: Tensor
    statistics: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.names: tuple[str, ...] = ()
        """What the columns are called, by which those of tables are found; none if nothing says so."""
        self.register_buffer("is_number", torch.ones(columns))
        self.register_buffer("is_boolean", torch.zeros(columns))
        self.register_buffer("log_spread", torch.zeros(columns))
        # Centre and spread in float64, kept as the integers of the same bits: a cast of the network would round them,
        # and with them all numbers that are far from 0.
        self.register_buffer("statistics", _as_bits(np.zeros(columns), np.ones(columns)))

    def stand_on(self, standards: Standards) -> None:
        """Take over the columns' kinds and units from the training rows."""
        constant, boolean = standards.constant, standards.boolean
        logs = np.log(np.where(constant, 1.0, standards.spread))
        for buffer, values in (
            (self.is_number, ~(boolean | constant)),
            (self.is_boolean, boolean),
            (self.log_spread, logs),
        ):
            buffer.copy_(torch.from_numpy(np.asarray(values, np.float64)))
        self.statistics.copy_(_as_bits(standards.centre, standards.spread))

    @property
    def standards(self) -> Standards:
        """The columns' kinds and units."""
        centre, spread = self.statistics.cpu().numpy().view(np.float64)
        return Standards(centre, spread, self.is_boolean.cpu().numpy() > 0)

    def output_channels(self, channels: int) -> int:
        return 2

    def distortion(self, output: Tensor, images: Tensor) -> Tensor:
        mean, spread = output.unbind(1)
        numbers = self.log_spread - gaussian_log_density(images, mean, positive(spread) + SMALLEST_SPREAD)
        return (self.is_number * numbers + self.is_boolean * bernoulli_nll(mean, images)).sum(1)

    def least(self, values: int) -> float:
        """What the units of the data add to every distortion, nats: learned sigmas have no other constant."""
        return float((self.is_number * self.log_spread).sum())

    def mean(self, output: Tensor) -> Tensor:
        """Expected values of standardised rows ``[B, 2, D] -> [B, D]``."""
        mean = output[:, 0]
        return self.is_number * mean + self.is_boolean * torch.sigmoid(mean)

    def drawn(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Rows drawn from the distribution, in the units of the data ``[B, D]``."""
        mean, sigma = self.mean(output), positive(output[:, 1]) + SMALLEST_SPREAD
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        chance = torch.rand(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        booleans = (chance < mean).to(mean.dtype)
        return self.in_units(self.is_number * (mean + sigma * noise) + self.is_boolean * booleans)

    def in_units(self, values: Tensor) -> Tensor:
        """Standardised rows ``[B, D]`` in the units of the data."""
        centre, spread = self.statistics.view(torch.float64)
        return (values.double() * spread + centre).to(values.dtype)

    def standardised(self, rows: Tensor) -> Tensor:
        """Rows ``[B, D]`` in the units of the data, float64, as networks see them."""
        centre, spread = self.statistics.view(torch.float64)
        return torch.where(spread == 0, 0.0, (rows - centre) / torch.where(spread == 0, 1.0, spread))


def stand_on(likelihood: Likelihood, data: ImageData) -> None:
    """Have the likelihood of vectors take over the units of the data that its network is trained on."""
    if isinstance(likelihood, ByColumn) and data.standards is not None:
        likelihood.stand_on(data.standards)
        likelihood.names = () if data.columns is None else data.columns.names


def names_of(likelihood: Likelihood) -> tuple[str, ...]:
    """What the columns of vectors are called; none of images, or if nothing says so.

    Example::

        names_of(model.likelihood)  # ("age", "height")
    """
    return likelihood.names if isinstance(likelihood, ByColumn) else ()


def _as_bits(centre: np.ndarray, spread: np.ndarray) -> Tensor:
    """Two vectors of float64 as integers of the same bits, ``[2, D]``."""
    return torch.from_numpy(np.stack([centre, spread]).astype(np.float64).view(np.int64))
