"""The whole report of a landscape: its figures, and its page."""

from pathlib import Path

from ratescape.records.folders import SweepFolder
from ratescape.records.locks import clear_leftovers
from ratescape.report.figures import save_figures
from ratescape.report.page import write_page
from ratescape.report.paper import save_paper_figures


def write_report(folder: SweepFolder, pdf: bool = False) -> Path:
    """Draw the landscape and every figure of the paper, and write the page; returns its path.

    Figures whose measurements are missing are left out; the page says which, and why.

    Args:
        folder: a sweep with finished models; its records are read, and no model is loaded.
        pdf: whether to write each figure as a PDF, too. PDFs that are there are drawn again in any case.

    Raises:
        RatescapeError: the folder is no sweep, has nothing to draw, or cannot be written.

    Example::

        write_report(SweepFolder(Path("demo")))  # demo/report.html
    """
    save_figures(folder, pdf)
    page = write_page(folder, save_paper_figures(folder, pdf).skipped)
    clear_leftovers(folder.path)
    return page
