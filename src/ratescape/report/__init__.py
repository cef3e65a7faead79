"""Looking at a landscape: figures for papers, and one interactive page."""

from ratescape.report.figures import landscape_figure, save_figures
from ratescape.report.page import write_page

__all__ = ["landscape_figure", "save_figures", "write_page"]
