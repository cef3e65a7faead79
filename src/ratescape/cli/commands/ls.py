"""`ratescape ls`."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from ratescape.cli.output import say


@dataclasses.dataclass(frozen=True)
class Ls:
    """List the landscapes and models below a folder: data, method, models, state, size, and when."""

    folder: Positional[Path] = Path()
    """Where to look; default: the current folder."""

    def run(self) -> None:
        from ratescape.records.lines import aligned
        from ratescape.records.states import listed

        found = listed(self.folder)
        if not found:
            say(f"no landscape and no model below {self.folder}")
            return
        rows = [("folder", "data", "method", "models", "state", "size", "changed"), *(one.row for one in found)]
        say("\n".join(aligned(rows)))
