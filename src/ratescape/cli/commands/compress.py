"""`ratescape compress`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.output import counted, refuse_to_overwrite, say
from ratescape.cli.words import BEST_FOR, one_or_each
from ratescape.specs.checks import require


@dataclasses.dataclass(frozen=True)
class Compress:
    """Write images to one small archive (.rsc), by a model; decompress reads it."""

    model: Positional[Path]
    """Folder of one model or file of one; or a landscape or a network of one, with a use, betas or rates."""
    images: Positional[tuple[Path, ...]]
    """A folder of images, a .npy or .npz file, or image files."""
    out: Annotated[Path, arg(metavar="FILE.rsc")]
    """File to write."""
    use: Annotated[str | None, arg(name="for", help=BEST_FOR)] = None
    betas: tuple[float, ...] | None = None
    """Betas of a conditioned network: one for each layer, or each group of layers, top first, or one for all."""
    rates: Annotated[tuple[str, ...], arg(metavar="LAYER=RATE ...")] = ()
    """Mean size of each layer in nats per image, such as 2=20 1=40 (2 is the top of two layers), 2=30bits, total=60.
    Of a conditioned network these also choose the betas. Default: the model's own rates."""
    bytes_per_image: float | None = None
    """Mean size of all layers in bytes per image, in place of rates by layer."""
    effort: int = 0
    """Passes of a search for better symbols of each image, such as 40: better images of the same size, more slowly."""
    lossless: bool = False
    """Without loss, by bits-back coding; for models of black and white pixels, and of 256 levels (logistic mixture)."""
    force: bool = False
    """Overwrite the file if it exists."""
    data_folder: Path | None = None
    """Where to look first for the images that the model was trained on, on which a codec is calibrated once."""
    allow_factory: AllowFactory = ()
    """Factories of your own networks that may be imported, as package.module:function; a file alone imports nothing."""
    quiet: bool = False
    """Show no progress bar."""

    def run(self) -> None:
        is_known = not self.lossless or self.effort == 0
        require(is_known, "effort", self.effort, "left out with lossless: it is of lossy archives")
        refuse_to_overwrite(self.out, self.force)
        from ratescape.cli.opening import Wanted, bytes_request, open_model
        from ratescape.coding.archive import coder_for, share_changed, write_archive
        from ratescape.coding.entropy import library
        from ratescape.coding.frames import frames_of
        from ratescape.coding.lossy import Lossy
        from ratescape.coding.report import caution, size_line
        from ratescape.records.files import whole_file
        from ratescape.specs.factories import allow_factories

        library()
        allow_factories(importable(self.allow_factory))
        rates = bytes_request(self.bytes_per_image, self.rates)
        opened = open_model(Wanted(self.model, self.use, one_or_each(self.betas), rates, self.data_folder))
        frames = frames_of(self.images, opened.subject.model.image_shape)
        opened.subject.model.inputs(frames.take(0, 1))  # what does not fit is refused before a codec is calibrated
        if (share := share_changed(opened.subject.model, frames)) > 0:
            say(
                f"caution: the model is of black and white pixels, as which the images are written: {share:.1%} of "
                "their pixels lie between"
            )
        if self.lossless:
            coder = coder_for(opened.subject, frames, None, None, lossless=True)
        else:
            codec, path, is_new = opened.codec(self.effort)
            if is_new:
                say(f"calibrated a codec, kept in {path}")
            coder = coder_for(opened.subject, frames, codec, None, lossless=False)
        with counted("compressing", len(frames), self.quiet) as progress, whole_file(self.out) as out:
            header = write_archive(out, opened.subject, frames, coder, str(opened.where), progress)
        if isinstance(coder, Lossy) and (line := caution(header, coder.codec)) is not None:
            say(line)
        say(size_line(header))
        say(str(self.out))
