"""Reports without figures, which take longer than all the rest of a small command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ratescape.records.files import write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.report import control, figures
from ratescape.report import write as whole_report
from ratescape.report.paper import files as paper_files


def plain_figures() -> None:
    """Figures stay empty files in this process."""

    def save(figure: Any, folder: Path, name: str, pdf: bool = False) -> list[Path]:
        write_atomically(folder / f"{name}.png", b"")
        return [folder / f"{name}.png"]

    for module in (control, figures, paper_files):
        module.save = save  # type: ignore[attr-defined]


def plain_page() -> None:
    """Beyond :func:`plain_figures`: the report of a landscape that is mapped is one file of each kind."""

    def write_report(folder: SweepFolder, pdf: bool = False) -> Path:
        write_atomically(folder.path / "figures" / "one.png", b"")
        write_atomically(folder.report, "the page")
        return folder.report

    whole_report.write_report = write_report


def plain(name: str) -> Callable[[], None] | None:
    """A short report, for all commands but the one that is to write it."""
    return None if name == "report" else plain_page
