"""What a model of vectors keeps, draws and finds, as numbers to be drawn: for vectors what pictures are for images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ratescape.data.batches import Images, stream
from ratescape.model.columns import ByColumn
from ratescape.model.hierarchy import CHUNK, HVAE, PosteriorMode, PriorSample

ROWS = 300
"""Rows that are shown, at most."""
MOST_COLUMNS = 30
"""Columns that are shown, at most: the first that vary."""
DRAWN = 1000
"""Samples that correlations are estimated from."""


@torch.no_grad()
def views(
    model: HVAE, rows: Images, labels: npt.NDArray[np.int64] | None, seed: int, classes: Sequence[str] | None = None
) -> dict[str, Any]:
    """Rows and their reconstructions, correlations of data and of samples, and a projection of each layer's means.

    Args:
        rows: standardised, held out.
        labels: of the rows ``[N]``.
        seed: of the samples.
        classes: names of what labels number.

    Returns:
        JSON-able: ``originals`` and ``restored`` ``[n, d]`` in units of each column's standard deviation;
        ``correlations`` of ``data`` and ``samples`` ``[d, d]``, None where a column does not vary; ``projections``, of
        each layer, top first, the two principal components of its means ``[n, 2]``; ``labels`` ``[n]`` or None, and the
        names of their ``classes``.
    """
    assert isinstance(model.likelihood, ByColumn)
    shown = np.flatnonzero(~model.likelihood.standards.constant)[:MOST_COLUMNS].tolist()
    originals = rows.take(torch.arange(min(ROWS, len(rows)), device=rows.device))
    (result,) = model.passes([PosteriorMode()], originals)
    restored = model.likelihood.mean(result.output)
    generator = torch.Generator(rows.device).manual_seed(stream(seed, "samples"))
    drawn = model.likelihood.drawn(model(PriorSample(model.noise(DRAWN, generator))).output, generator)
    whole = torch.cat(list(rows.in_order(CHUNK)))
    return {
        "originals": _listed(originals[:, shown]),
        "restored": _listed(restored[:, shown]),
        "correlations": {"data": _correlations(whole[:, shown]), "samples": _correlations(drawn[:, shown])},
        "projections": [_listed(_projected(mean.flatten(1))) for mean in result.latents],
        "labels": None if labels is None else labels[: len(originals)].tolist(),
        "classes": None if classes is None else list(classes),
    }


def _listed(values: Tensor) -> list[list[float]]:
    return values.double().cpu().numpy().round(4).tolist()


def _correlations(values: Tensor) -> list[list[float | None]]:
    """``[N, d]`` to ``[d, d]``."""
    x = values.double().cpu().numpy()
    x = x - x.mean(0)
    lengths = np.sqrt((x**2).sum(0))
    varies = lengths > 0
    scaled = x / np.where(varies, lengths, 1.0)
    matrix = (scaled.T @ scaled).round(4)
    return [
        [float(v) if varies[i] and varies[j] else None for j, v in enumerate(line)] for i, line in enumerate(matrix)
    ]


def _projected(means: Tensor) -> Tensor:
    """The two principal components of means ``[n, d]``: ``[n, 2]``, the second 0 where d is 1."""
    centred = (means - means.mean(0)).double()
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    found = centred @ directions[:2].T
    return torch.nn.functional.pad(found, (0, 2 - found.shape[1]))
