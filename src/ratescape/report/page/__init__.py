"""One self-contained interactive page over a sweep: opens from disk, asks the network for nothing.

Python collects the data and computes all that it knows (names, axes, scales of colour, cells, lines); what is shown
and how lies in ``page.html``, ``page.css`` and the modules ``*.js``, which :mod:`ratescape.report.page.script` joins.
"""

from ratescape.report.page.data import page_data
from ratescape.report.page.write import render, write_page

__all__ = ["page_data", "render", "write_page"]
