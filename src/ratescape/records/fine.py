"""The fine landscape of a conditioned network as a file holds it."""

import io
import math

import pandas as pd

from ratescape.errors import RecordError
from ratescape.metrics import metric_at
from ratescape.records.files import failed
from ratescape.records.folders import SweepFolder
from ratescape.records.table import fine_columns

_USES = ("anomaly_auroc", "auroc_", "psnr_", "restoration_psnr")
"""How the columns begin that tell of the uses anomaly and restoration."""


def is_of_use(column: str) -> bool:
    """Whether a column of the fine landscape tells of anomalies or of restoring.

    Example::

        is_of_use("psnr_half"), is_of_use("psnr")  # True, False
    """
    return column.startswith(_USES) and metric_at(column) is not None


def read_fine(folder: SweepFolder, uses: bool = False) -> pd.DataFrame | None:
    """The fine landscape of a conditioned sweep, one row for each beta point; None where none was measured.

    Columns as in :func:`ratescape.records.table.read_table`, on the split that models are chosen on:
    ``beta_L .. beta_1, rate_L .. rate_1, rate, distortion, nelbo, psnr`` (of vectors ``r2``); a number that is not
    finite is NaN.

    Args:
        uses: with what was measured of anomalies and restoring, on fewer images, where it was: ``auroc_auto``,
            ``psnr_half`` and the like. Such numbers are for looking at them: no model is chosen by them.

    Raises:
        RecordError: the file is damaged, or is not of this sweep's betas.
    """
    spec = folder.spec()
    points = spec.fine_points()
    if not points or not folder.fine.exists():
        return None
    betas, rates = ([f"{name}_{layer}" for layer in range(spec.model.layers, 0, -1)] for name in ("beta", "rate"))
    damaged = RecordError(f"{folder.fine} is damaged: delete it and run the same command again")
    try:
        text = folder.fine.read_text(encoding="utf-8")
        table = pd.read_csv(io.StringIO(text), dtype=str).astype(float)  # pandas' own reading may lose the last digit
    except OSError as error:
        raise failed(error) from error
    except ValueError as error:
        raise damaged from error
    single = ["rate", "distortion", "nelbo", "r2" if "r2" in table else "psnr"]
    names = [str(name) for name in table]
    of_uses = [name for name in names if is_of_use(name)]
    whole = [name for name in names if "_group_" not in name and name not in of_uses] == [*betas, *rates, *single]
    if not (whole and text.endswith("\n")) or table[betas].to_numpy().tolist() != [list(point) for point in points]:
        raise damaged
    table = table.replace([math.inf, -math.inf], math.nan)
    lists = {"betas": table[betas].to_numpy().tolist(), "rates": table[rates].to_numpy().tolist()}
    records = pd.DataFrame(lists | {name: table[name] for name in single}).to_dict("records")
    found = fine_columns([{str(name): value for name, value in record.items()} for record in records], spec.grouping())
    return pd.concat([found, table[of_uses]], axis=1) if uses else found
