"""How a landscape looks at a prompt and in a notebook."""

from collections.abc import Sequence

from ratescape.errors import RecordError
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table
from ratescape.search.shown import card


def line_of(folder: SweepFolder, table: Table) -> str:
    """A landscape in one line: where it is, how many models of what, made how."""
    try:
        spec = folder.spec()
    except RecordError:  # the folder was removed since: an error while one looks at it would only hide another
        return f"Landscape({str(folder.path)!r}: {_models(table)})"
    return f"Landscape({str(folder.path)!r}: {_models(table)} of {spec.data.name}, {spec.method.kind})"


def html_of(folder: SweepFolder, table: Table, warnings: Sequence[str] = ()) -> str:
    """A landscape as a small table with its warnings, and the figure of its rates where that is drawn."""
    spec = folder.spec()
    facts: dict[str, object] = {
        "folder": folder.path,
        "images": spec.data.name,
        "network": f"{spec.model.title}, {spec.model.layers} layer{'s' if spec.model.layers > 1 else ''}",
        "method": spec.method.kind,
        "models": _models(table),
    }
    for column, name, unit in (("rate", "rates", "nats"), ("psnr", "PSNR", "dB"), ("r2", "R²", "")):
        if column in table.rows and table.rows[column].notna().any():
            numbers = table.rows[column].dropna()
            facts[name] = f"{numbers.min():.4g} to {numbers.max():.4g} {unit}".rstrip()
    if folder.report.exists():
        facts["report"] = folder.report
    note = "\n".join([*(f"Warning: {line}" for line in warnings), *table.broken])
    return card("Landscape", facts, note, {"rates of the layers": folder.path / "figures" / "landscape.png"})


def _models(table: Table) -> str:
    """How many models there are, and how many are missing."""
    missing = f", {table.missing} not done" if table.missing else ""
    return f"{len(table.rows)} model{'' if len(table.rows) == 1 else 's'}{missing}"
