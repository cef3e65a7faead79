"""`ratescape report`."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from ratescape.cli.output import note, say


@dataclasses.dataclass(frozen=True)
class Report:
    """Draw the figures and write the report page of a landscape again."""

    landscape: Positional[Path]
    """Folder of a landscape."""
    pdf: bool = False
    """Write each figure as a PDF, too."""

    def run(self) -> None:
        from ratescape.records.folders import SweepFolder
        from ratescape.records.table import read_table
        from ratescape.report.write import write_report

        folder = SweepFolder(self.landscape)
        page = write_report(folder, self.pdf)
        for line in read_table(folder).left_out:
            note(f"caution: {line}")
        say(str(page))
