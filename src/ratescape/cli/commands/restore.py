"""`ratescape restore`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.output import counted, say
from ratescape.cli.words import BEST_FOR, one_or_each
from ratescape.errors import SpecError

if TYPE_CHECKING:
    from ratescape.restoring.damage import Damage


@dataclasses.dataclass(frozen=True)
class Restore:
    """Fill in what is missing of images, take noise away, or enlarge them, by a model; writes them as PNG files.

    The images are damaged ones, and the options say how. With --degrade they are whole ones, which are damaged first:
    then the PSNR on what was missing is printed, and the contact sheet shows the originals, too.
    """

    model: Positional[Path]
    """Folder of one model or file of one; or a landscape or a network of one, with a use, betas or rates."""
    images: Positional[tuple[Path, ...]]
    """A folder of images, a .npy or .npz file, or image files; or the name of a known set, whose test split is taken.
    Pixels of floats that are NaN are missing."""
    out: Annotated[Path, arg(metavar="FOLDER")]
    """Folder to write to, new or empty: images/NAME.png, and sheet.png with the first ones: damaged, samples, their
    mean and spread."""
    mask: Annotated[str | None, arg(metavar="half|box|random:0.5|FILE")] = None
    """Which pixels are missing: the lower half, a box in the middle, this share of all (each image misses others), or
    the white ones of an image file, or those that are true in a .npy file."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise that the images have; pixels lie in [0, 1]."""
    upscale: int = 1
    """Enlarge the images so many times; each of their pixels is the mean of so many by so many."""
    degrade: bool = False
    """The images are whole: damage them first, as mask, noise and upscale say."""
    method: Literal["chain", "map"] = "chain"
    """chain: samples of what may have been there, and their mean; map: one most probable guess, by gradient steps."""
    samples: int | None = None
    """Chains for each image; default: 8."""
    steps: int | None = None
    """Of each chain (default: 20), or of gradients (100)."""
    layers: int | None = None
    """How many layers' latents are found, from the top; those below are at their prior's mode. Default: all."""
    sigma: float | None = None
    """Standard deviation of pixels about what the latents say, of Gaussian likelihoods. Default: a learned one's own; a
    fixed one is a unit of the loss, and is estimated for each image."""
    use: Annotated[str | None, arg(name="for", help=BEST_FOR)] = None
    betas: tuple[float, ...] | None = None
    """Betas of a conditioned network: one for each layer, or each group of layers, top first, or one for all."""
    rates: Annotated[tuple[str, ...], arg(metavar="LAYER=RATE ...")] = ()
    """Of a conditioned network, rates in nats per image that choose its betas, such as 2=20 1=40, or total=60."""
    seed: int = 0
    """Seed of all draws."""
    sheet: int = 8
    """Images on the contact sheet."""
    data_folder: Path | None = None
    """Where to look first for the images that the model was trained on, by which betas are found for rates."""
    allow_factory: AllowFactory = ()
    """Factories of your own networks that may be imported, as package.module:function; a file alone imports nothing."""
    device: str = "cpu"
    """cpu, cuda, ..."""
    quiet: bool = False
    """Show no progress bar."""

    def run(self) -> None:
        from ratescape.cli.opening import Wanted, open_model
        from ratescape.coding.archive import share_changed
        from ratescape.coding.frames import frames_of
        from ratescape.coding.naming import names_of
        from ratescape.coding.pictures import Pictures
        from ratescape.compute.devices import chosen_device
        from ratescape.restoring.blocks import in_blocks
        from ratescape.restoring.damage import Damage
        from ratescape.restoring.restore import Restoring
        from ratescape.restoring.sheet import contact_sheet
        from ratescape.restoring.told import Told
        from ratescape.specs.factories import allow_factories

        self._check()
        pictures, damage = Pictures(self.out), Damage(self.mask, self.noise, self.upscale)
        how = Restoring(self.method, self.samples, self.steps, self.layers, self.sigma, self.seed)
        allow_factories(importable(self.allow_factory))
        opened = open_model(Wanted(self.model, self.use, one_or_each(self.betas), self.rates, self.data_folder))
        model = opened.model.to(chosen_device(self.device))
        shape = self._shape(damage, model.image_shape)
        frames = frames_of(self._given(), model.image_shape if self.degrade else shape)
        if (self.degrade or damage.is_exact) and (share := share_changed(model, frames)) > 0:
            say(f"caution: the model takes pixels as black or white: {share:.1%} of those given lie between")
        names, told = [f"images/{name}" for name in names_of(frames)], Told()
        with pictures, counted("restoring", len(frames), self.quiet) as progress:
            for block in in_blocks(model, frames.take, len(frames), damage, how, degrade=self.degrade):
                if not pictures.count:
                    pictures.add("sheet.png", contact_sheet(block.restored, block.originals, self.sheet))
                pictures.write(names, block.restored.mean)
                told.add(block)
                progress(pictures.count)
        say(told.line)
        if told.caution is not None:
            say(f"caution: {told.caution}")
        say(f"{len(names):,} images in {self.out / 'images'}; contact sheet: {self.out / 'sheet.png'}")

    def _given(self) -> Any:
        """The images, or the test split of a known set."""
        from ratescape.data.formats import Split
        from ratescape.data.items import items_at

        first, *others = self.images
        if others:
            return self.images
        found = items_at(str(first))
        return found.pixels if isinstance(found, Split) else found

    def _shape(self, damage: "Damage", shape: tuple[int, ...]) -> tuple[int, ...]:
        """That of damaged images; an error names the option, which is not called as in Python."""
        try:
            return damage.shape(shape)
        except SpecError as error:
            raise SpecError(str(error).replace("downscale", "upscale")) from error

    def _check(self) -> None:
        """Refuse what makes no sense before anything is loaded."""
        holes = any(path.suffix.lower() in (".npy", ".npz") for path in self.images)  # these may hold NaN
        if self.mask is None and self.noise == 0 and self.upscale == 1 and not holes:
            raise SpecError("nothing is said to be wrong with the images: give --mask, --noise or --upscale")
        if self.upscale < 1:
            raise SpecError(f"upscale is {self.upscale}: give a whole number, 1 or above")
        if self.sheet < 1:
            raise SpecError(f"sheet is {self.sheet}: it must be at least 1")
