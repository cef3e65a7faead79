"""`ratescape decompress`."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.output import counted, note, say


@dataclasses.dataclass(frozen=True)
class Decompress:
    """Write the images of an archive (.rsc) to a folder, as PNG files."""

    archive: Positional[Path]
    """File that compress wrote; one that is cut off gives coarser images, as long as its top layer is whole."""
    out: Path
    """Folder to write to, new or empty."""
    layers: int | None = None
    """Decode this many layers, from the top; the others are at the mode of their prior. Default: all that are there."""
    model: Path | None = None
    """Where the model lies now; default: where the archive says."""
    allow_factory: AllowFactory = ()
    """Factories of your own networks that may be imported, as package.module:function; a file alone imports nothing."""
    quiet: bool = False
    """Show no progress bar."""

    def run(self) -> None:
        from ratescape.cli.opening import model_of
        from ratescape.coding.archive import decoded, layers_there
        from ratescape.coding.container import Archive
        from ratescape.coding.entropy import library
        from ratescape.coding.naming import names_in
        from ratescape.coding.pictures import Pictures
        from ratescape.specs.factories import allow_factories

        library()
        allow_factories(importable(self.allow_factory))
        with Archive.opened(self.archive) as archive:
            names, layers = names_in(archive), layers_there(archive, self.layers)
            model = model_of(archive, self.model)
            is_cut_off = layers < archive.header.layers and self.layers is None
            with Pictures(self.out) as pictures, counted("decompressing", len(names), self.quiet) as progress:
                for block in decoded(archive, model, self.layers):
                    if is_cut_off and not pictures.count:  # now it is known that it can be decoded
                        note(f"{archive.name} is cut off: decoding the top {layers} of {archive.header.layers} layers")
                    pictures.write(names, block)
                    progress(pictures.count)
        say(f"{len(names):,} images in {self.out}")
