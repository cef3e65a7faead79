"""`ratescape data`."""

import dataclasses
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from ratescape.cli.output import is_watched, say
from ratescape.errors import SpecError


@dataclasses.dataclass(frozen=True)
class Data:
    """List the known data sets, show one (or your own images), or fetch one."""

    action: Positional[Literal["list", "show", "fetch"]]
    """What to do."""
    name: Positional[str | None] = None
    """Name of a data set, or for show also a path."""
    folder: Path | None = None
    """Where to look for the files, or to put fetched ones; default: a cache of the user's."""
    target: str | None = None
    """For show, of a table: the column that holds classes, or numbers to regress on."""

    def run(self) -> None:
        from ratescape.data.listing import describe, listing
        from ratescape.data.locating import fetch

        if self.action == "list":
            for one in listing(self.folder):
                say(f"{one.name:14} {'here' if one.path else 'to be fetched':14} {one.title}")
            return
        if self.name is None:
            raise SpecError(f"data {self.action} needs a name: see `ratescape data list`")
        if self.action == "show":
            shown = describe(self.name, self.folder, self.target)
            say(str(shown))
            # The known sets fit; not to ask spares them the import of PyTorch.
            if not shown.origin and (refusal := _refusal(shown.shape, shown.binary)):
                say(f"  map      refuses them: {refusal}")
        else:
            say(str(fetch(self.name, self.folder, progress=is_watched(quiet=False))))


def _refusal(shape: tuple[int, ...], binary: bool) -> str | None:
    """Why the network that is trained where none is named does not take items of a shape; None where it does."""
    from ratescape.model.registry import resolved_model
    from ratescape.specs.model import ModelSpec

    try:
        resolved_model(ModelSpec(), shape, binary)
    except SpecError as error:
        return str(error)
    return None
