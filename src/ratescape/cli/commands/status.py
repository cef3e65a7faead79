"""`ratescape status`."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from ratescape.cli.output import say


@dataclasses.dataclass(frozen=True)
class Status:
    """Say how far the work in a folder is, from another terminal, while it goes on and afterwards."""

    folder: Positional[Path]
    """Folder of a landscape, or of one model."""

    def run(self) -> None:
        from ratescape.records.states import status_of

        for line in status_of(self.folder):
            say(line)
