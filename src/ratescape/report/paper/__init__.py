"""The paper's figures and its Table 1, drawn from the table of a finished landscape."""

from ratescape.report.paper.files import FigureFiles, save_paper_figures

__all__ = ["FigureFiles", "save_paper_figures"]
