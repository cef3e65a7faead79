"""Looking at a landscape: figures for papers, and one interactive page."""

from ratescape.report.figures import landscape_figure, save_figures
from ratescape.report.page import write_page
from ratescape.report.paper import FigureFiles, save_paper_figures

__all__ = ["FigureFiles", "landscape_figure", "save_figures", "save_paper_figures", "write_page"]
