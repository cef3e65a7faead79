"""`ratescape pull`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ratescape.cli.output import say


@dataclasses.dataclass(frozen=True)
class Pull:
    """Bring a model or a landscape from the Hugging Face hub into a folder. Nothing of a repository is run."""

    name: Positional[str]
    """Repository, as OWNER/NAME; or a folder that push --out wrote, such as ./digits."""
    out: Annotated[Path, arg(metavar="FOLDER")]
    """Folder to write to, new or empty."""
    revision: str | None = None
    """A branch, tag or commit; default: the newest."""

    def run(self) -> None:
        from ratescape.hub.files import WEIGHTS
        from ratescape.hub.opening import pull

        kind = pull(self.name, self.out, revision=self.revision)
        say(f"{kind}: {self.out / WEIGHTS if kind == 'model' else self.out}")
