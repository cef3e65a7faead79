"""Models that were refined after their landscape was mapped: trained on at their own betas, and kept beside it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ratescape.errors import RecordError
from ratescape.records.files import Unreadable, read_json_lines, remake
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.table import Table, known_parts, measured_columns, paired_error, row_of, stamp_of
from ratescape.specs.runs import RunSpec


def refined_runs(folder: SweepFolder) -> list[tuple[RunSpec, RunFolder]]:
    """The refined models of a landscape that are finished, with what they were made of.

    Raises:
        RecordError: the spec of one is missing or damaged.
    """
    return [(one.spec(), one) for one in _finished(folder)]


def _finished(folder: SweepFolder) -> list[RunFolder]:
    return [RunFolder(mark.parent) for mark in sorted((folder.path / "refined").glob("*/done"))]


def read_refined(folder: SweepFolder, table: Table) -> Table:
    """The table of the models of a landscape that were refined, beside that of the landscape; never opens a model.

    Columns as of :func:`ratescape.records.table.read_table`, measured after refining, and:

    - ``epochs`` of refining;
    - ``origin``: key of the model of the landscape that it was refined from, missing (``pandas.isna``) if it was found
      between the grid points;
    - ``se_gain_...``: of means over images, the standard error of the difference between before and after
      (``se_gain_psnr``), smaller than those of both, since they are measured on the same images;
    - ``before_...``: each measured column as it was before (``before_psnr``, ``before_test_psnr``).

    Without refined models it has no rows. Its ``broken`` lines tell of those whose records cannot be read, or whose
    numbers do not compare with the landscape's.

    Args:
        table: the landscape's own.

    Raises:
        RecordError: the folder is not a sweep.

    Example::

        refined = read_refined(folder, read_table(folder)).rows
        refined[["run", "origin", "epochs", "before_psnr", "psnr"]]
    """
    spec = folder.spec()
    networks = spec.networks()
    origins = {(run.seed, run.betas): folder.run(run).path.name for run in spec.runs()} if networks else {}
    rows: list[dict[str, Any]] = []
    broken: list[str] = []
    for one in _finished(folder):
        try:
            run = one.spec()
            if run.merged is None or run.merged.network not in networks:
                continue
            row = _row(run, one, table)
        except Unreadable:
            raise
        except RecordError as error:
            broken.append(str(error))
            continue
        rows.append(row | {"epochs": run.merged.refine, "origin": origins.get((run.seed, run.betas))})
    found = pd.DataFrame(rows)
    return Table(found, 0, tuple(broken), table.split, stamp=table.stamp, model=table.model, groups=table.groups)


def _row(run: RunSpec, folder: RunFolder, table: Table) -> dict[str, Any]:
    """The measurements of one refined model, and those before; to compare with those of the landscape's table."""
    split, stamp, groups = table.split, table.stamp, table.groups
    after, before = (
        {line.get("split"): line for line in read_json_lines(p)} for p in (folder.evaluation, folder.before)
    )
    row = row_of(run, folder, after, split, groups)
    alike = [record for record in (after[split], before.get(split, {})) if record.get("images") != 0]
    if stamp is not None and any(stamp_of(record) != stamp for record in alike):
        raise RecordError(
            f"refined model {folder.path.name} was measured under other settings or by another judge than the "
            "landscape: run the same map command again"
        )
    try:
        row |= {f"before_{name}": value for name, value in measured_columns(before, split, groups).items()}
        return row | _gain_errors(known_parts(before[split]), known_parts(after[split]))
    except (KeyError, AttributeError) as error:
        raise RecordError(f"{folder.before} is damaged: {remake(folder.path)}") from error


def _gain_errors(before: Mapping[str, list[float]], after: Mapping[str, list[float]]) -> dict[str, float]:
    """Columns ``se_gain_...`` of what was recorded by groups of images both times."""
    shared = [name for name in before if len(before[name]) == len(after.get(name, [])) > 1]
    return {f"se_gain_{name}": paired_error(before[name], after[name]) for name in shared}
