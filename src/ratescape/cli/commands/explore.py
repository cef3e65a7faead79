"""`ratescape explore`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.output import say
from ratescape.specs.checks import require


@dataclasses.dataclass(frozen=True)
class Explore:
    """Move through the models of a landscape on a page in your browser, with images of your own; Ctrl-C ends it."""

    landscape: Positional[Path]
    """Folder of a landscape of images."""
    host: str = "127.0.0.1"
    """Address to listen on. Any but this machine's own can be reached by everybody who has the printed address."""
    port: int = 0
    """Port to listen on; 0: a free one."""
    open: Annotated[bool, arg(help="Open the page in a browser.")] = True
    sessions: int = 4
    """Pages whose pictures are kept at once; of more, the one that was used least recently loses its own."""
    data_folder: Path | None = None
    """Where to look first for the images that the landscape was mapped with. Without them, use your own."""
    allow_factory: AllowFactory = ()
    """Factories of your own networks that may be imported, as package.module:function; a file alone imports nothing."""
    device: str = "cpu"
    """cpu, cuda, ..."""

    def run(self) -> None:
        require(0 <= self.port < 65536, "port", self.port, "from 0 to 65535")
        require(self.sessions > 0, "sessions", self.sessions, "at least 1")
        from ratescape.explorer.serving import run, served
        from ratescape.landscape import Landscape

        landscape = Landscape(self.landscape, allow=importable(self.allow_factory))
        shown = served(
            landscape,
            host=self.host,
            port=self.port,
            data_folder=self.data_folder,
            sessions=self.sessions,
            device=self.device,
        )
        run(shown, say, browser=self.open)
