"""`ratescape export`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.output import note, say
from ratescape.cli.words import BEST_FOR, one_or_each


@dataclasses.dataclass(frozen=True)
class Export:
    """Write encoder, decoder and sampler of a model as ONNX files or programs of torch.export, each checked.

    They run without ratescape. The check is made on held-out images of the model's own, where these are found.
    """

    model: Positional[Path]
    """Folder of one model or file of one; or a landscape or a network of one, with a use, betas or rates."""
    out: Annotated[Path, arg(metavar="FOLDER")]
    """Folder to write to, new or empty, or of an earlier export: encoder, decoder, sampler, and export.json."""
    format: Literal["onnx", "torch"] = "onnx"
    """onnx (extra onnx), or torch: programs of torch.export (.pt2)."""
    use: Annotated[str | None, arg(name="for", help=BEST_FOR)] = None
    betas: tuple[float, ...] | None = None
    """Betas of a conditioned network: one for each layer, or each group of layers, top first, or one for all."""
    rates: Annotated[tuple[str, ...], arg(metavar="LAYER=RATE ...")] = ()
    """Of a conditioned network, rates in nats per image that choose its betas, such as 2=20 1=40, or total=60."""
    data_folder: Path | None = None
    """Where to look first for the images that the model was trained on."""
    allow_factory: AllowFactory = ()
    """Factories of your own networks that may be imported, as package.module:function; a file alone imports nothing."""

    def run(self) -> None:
        from ratescape.cli.opening import Wanted, open_model
        from ratescape.errors import RatescapeError
        from ratescape.exporting.formats import FORMATS
        from ratescape.exporting.write import export
        from ratescape.specs.factories import allow_factories

        FORMATS[self.format].ready()
        allow_factories(importable(self.allow_factory))
        opened = open_model(Wanted(self.model, self.use, one_or_each(self.betas), self.rates, self.data_folder))
        try:
            images = opened.images().unseen.pixels
        except RatescapeError as error:
            images = note(f"checked on samples of the model, not on images: {error}")
        say(str(export(opened.model, self.out, self.format, images=images)))
