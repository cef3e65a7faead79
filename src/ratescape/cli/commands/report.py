"""`ratescape report`."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from ratescape.cli.output import say


@dataclasses.dataclass(frozen=True)
class Report:
    """Draw the figures and write the report page of a landscape again."""

    landscape: Positional[Path]
    """Folder of a landscape."""

    def run(self) -> None:
        from ratescape.landscape import Landscape

        say(str(Landscape(self.landscape).report()))
