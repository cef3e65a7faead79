"""`ratescape info`."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from ratescape.cli.output import say


@dataclasses.dataclass(frozen=True)
class Info:
    """Say what is in an archive (.rsc): images, model, sizes by layer, versions; needs no model."""

    archive: Positional[Path]
    """File that compress wrote."""

    def run(self) -> None:
        from ratescape.coding.container import Archive
        from ratescape.coding.report import described

        with Archive.opened(self.archive) as archive:
            for line in described(archive):
                say(line)
