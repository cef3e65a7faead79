"""`ratescape compare`."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from ratescape.cli.output import refuse_to_overwrite, say


@dataclasses.dataclass(frozen=True)
class Compare:
    """Put two landscapes side by side: winners of each use, points in common, a figure and a page."""

    one: Positional[Path]
    """Folder of a landscape, A."""
    other: Positional[Path]
    """Folder of another, B."""
    out: Path | None = None
    """File to write the page to (.html), with tables and figure."""
    figure: Path | None = None
    """File to write the figure to (.png)."""
    metric: str | None = None
    """Column of the metric that the figure shows, such as psnr; default: the first that both have measured."""
    force: bool = False
    """Overwrite these files if they exist."""

    def run(self) -> None:
        refuse_to_overwrite(self.out, self.force)
        refuse_to_overwrite(self.figure, self.force)
        from ratescape.landscape.comparing import compare

        found = compare(self.one, self.other)
        say(str(found))
        if self.figure is not None:
            from ratescape.records.files import write_atomically
            from ratescape.report.plots.canvas import as_png

            write_atomically(self.figure, as_png(found.figure(self.metric)))
            say(str(self.figure))
        if self.out is not None:
            say(str(found.report(self.out, self.metric)))
