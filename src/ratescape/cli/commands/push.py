"""`ratescape push`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.output import say
from ratescape.cli.words import BEST_FOR
from ratescape.errors import SpecError


@dataclasses.dataclass(frozen=True)
class Push:
    """Upload a landscape or a model with a card to the Hugging Face hub, or write both to a folder.

    The images stay here; the name or path that you gave them is part of a landscape's spec and goes along.
    """

    path: Positional[Path]
    """A landscape, which goes as a whole unless a use is given; or the folder or file of one model."""
    name: Positional[str | None] = None
    """Repository, as OWNER/NAME; made if it is not there."""
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Write a folder, new or empty, in place of uploading; needs no network."""
    use: Annotated[str | None, arg(name="for", help=BEST_FOR)] = None
    licence: str = "unknown"
    """Of the weights, such as mit."""
    data: str = ""
    """What it was trained on, in words, for the card."""
    data_licence: str = "unknown"
    """Licence of these data."""
    private: bool = False
    """Make a new repository private."""
    allow_factory: AllowFactory = ()
    """Factories of your own networks that may be imported, as package.module:function; a file alone imports nothing."""

    def run(self) -> None:
        if (self.name is None) == (self.out is None):
            raise SpecError("say where to: either the name of a repository, as OWNER/NAME, or --out FOLDER")
        from ratescape.hub import remote
        from ratescape.hub.sharing import Told, push_landscape, push_model, save_landscape_folder, save_model_folder
        from ratescape.landscape import Landscape
        from ratescape.models import load
        from ratescape.records.folders import RunFolder, is_landscape

        if self.name is not None:
            remote.check_reachable(None)
        allow, path = importable(self.allow_factory), self.path
        told = Told(self.licence, self.data, self.data_licence)
        if is_landscape(path) and self.use is None:
            landscape = Landscape(path, allow=allow)
            if self.out is not None:
                say(str(save_landscape_folder(landscape, self.out, told)))
            elif self.name is not None:
                say(push_landscape(landscape, self.name, told, self.private, None))
            return
        if is_landscape(path):
            folder = Landscape(path, allow=allow).best(self.use or "").folder
            assert folder is not None  # only a model between the grid points, which were not searched, has none
            path = folder.path
        elif self.use is not None:
            raise SpecError(f"{path} is one model: leave out for, or name its landscape")
        run = RunFolder(path)
        told = dataclasses.replace(told, run=run if path.is_dir() and run.evaluation.exists() else None)
        model = load(path, allow=allow)
        if self.out is not None:
            say(str(save_model_folder(model, self.out, told)))
        elif self.name is not None:
            say(push_model(model, self.name, told, self.private, None))
