"""The model that a command line names: a run, a file, a landscape and a use or rates, or a network and betas."""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratescape.cli.output import announce, note
from ratescape.errors import SpecError
from ratescape.records.codecs import CodecRecord, write_codec_record
from ratescape.records.folders import ResultsFolder, RunFolder, SweepFolder, is_landscape
from ratescape.specs.codec import from_dict
from ratescape.specs.data import DataSpec

if TYPE_CHECKING:
    import pandas as pd

    from ratescape.coding.codec import Codec
    from ratescape.coding.container import Archive
    from ratescape.coding.subject import Subject
    from ratescape.data.catalog import ImageData
    from ratescape.model.conditioning import Conditioned
    from ratescape.model.hierarchy import HVAE


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which model of a path is meant."""

    path: Path
    use: str | None = None
    betas: tuple[float, ...] | float | None = None
    """One number stands for all layers."""
    rates: tuple[str, ...] = ()
    """As typed, or empty."""
    data_folder: Path | None = None

    @property
    def request(self) -> str | None:
        """The rates asked for, as one text."""
        return ",".join(self.rates) or None


@dataclasses.dataclass(frozen=True)
class Opened:
    """A model, where it lies, and how to get at the images that it was trained on."""

    network: "HVAE | Conditioned"
    betas: tuple[float, ...] | float | None
    """At which a conditioned network is taken."""
    where: Path
    """Path of its run, file or network."""
    folder: Path
    """Where its codecs are kept."""
    images: "Callable[[], ImageData]"
    request: str | None
    """Rates that its layers shall have in a file."""
    measured: "pd.Series | None" = None
    """What its landscape measured of it; None where it was not named by a use."""

    @functools.cached_property
    def model(self) -> "HVAE":
        """The ordinary model; raises :class:`SpecError` for betas outside the network's box."""
        from ratescape.model.conditioning import Conditioned
        from ratescape.specs.given import as_betas

        if not isinstance(self.network, Conditioned):
            return self.network
        return self.network.at(as_betas(self.betas, len(self.network.latent_shapes), self.network.groups))

    @functools.cached_property
    def subject(self) -> "Subject":
        """The model as one that codes; raises :class:`SpecError` where it cannot."""
        from ratescape.coding.subject import subject_of

        return subject_of(self.network, self.betas)

    def codec(self, effort: int = 0) -> "tuple[Codec, Path, bool]":
        """The codec for these rates, its file, and whether it was calibrated just now, on the training images.

        Args:
            effort: passes of a search for better symbols: see :func:`ratescape.calibrate`.
        """
        from ratescape.coding.calibrate import calibrate_subject
        from ratescape.coding.codec import VERSION, Codec

        text = f"{VERSION} {self.subject.digest.hex()} {effort} {self.request or ''}"
        path = self.folder / "codecs" / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.codec"
        if path.exists():
            kept = Codec.load(path)
            if kept.model == self.subject.digest:
                return kept, path, False
        if effort:
            announce(f"calibrating a codec, once: {effort} passes over up to a thousand images may take minutes")
        images = self.images()
        held_out = None if images.validation is None else images.validation.pixels
        codec = calibrate_subject(self.subject, images.train.pixels, self.request, held_out=held_out, effort=effort)
        measured = CodecRecord(self.subject.betas, self.request or "", effort, codec.lengths)
        write_codec_record(path, measured)  # first: where the codec is there, nobody calibrates again
        codec.save(path)
        return codec, path, True


def bytes_request(size: float | None, rates: tuple[str, ...]) -> tuple[str, ...]:
    """Rates as typed, or those of so many bytes for an image.

    Raises:
        SpecError: both are given, or a size that is not positive.
    """
    if size is None:
        return rates
    if rates:
        raise SpecError("rates and bytes_per_image are both given: leave one of them out")
    if not (size > 0 and math.isfinite(size)):
        raise SpecError(f"bytes_per_image is {size}: it must be above 0")
    return (f"total={8 * size!r}bits",)


def open_model(wanted: Wanted) -> Opened:
    """The model that is meant.

    Raises:
        SpecError: there is nothing at this path, or options mean nothing for it.
        RatescapeError: the path holds no model, or a damaged one.
    """
    path = wanted.path
    if is_landscape(path):
        return _of_landscape(wanted)
    if path.parent.name == "networks" and (path.parent.parent / "spec.yaml").exists():
        return _of_network(dataclasses.replace(wanted, path=path.parent.parent), path.name)
    if not path.exists():
        raise SpecError(f"{path} does not exist: name the folder or file of a model, or a landscape")
    if wanted.use is not None or wanted.betas is not None:
        raise SpecError(f"{path} is one model: leave out for and betas, or name its landscape")
    return _of_model(path, wanted)


def _of_landscape(wanted: Wanted) -> Opened:
    from ratescape.landscape import Landscape

    if wanted.use is None:
        if wanted.betas is None and not wanted.rates:
            raise SpecError(
                f"{wanted.path} is a landscape: say which model by --for, such as --for reconstruction, or by "
                "--rates or --betas of its conditioned network"
            )
        return _of_network(wanted, None)
    if wanted.betas is not None:
        raise SpecError("for and betas are both given: leave one of them out")
    best = Landscape(wanted.path).best(wanted.use)
    for line in best.cautions:
        note(f"caution: {line}")
    folder = best.folder
    assert folder is not None  # only a model between the grid points, which were not searched, has none
    return dataclasses.replace(_of_model(folder.path, wanted), measured=best.choice.row)


def _of_network(wanted: Wanted, key: str | None) -> Opened:
    """A conditioned network at the betas given, or at those that have the rates wanted."""
    from ratescape.landscape import Landscape
    from ratescape.landscape.contents import data_of

    landscape = Landscape(wanted.path)
    folder = landscape.folder
    keys = {folder.network(spec).path.name: seed for seed, spec in folder.networks().items()}
    chosen = next(iter(keys)) if key is None else key
    if chosen not in keys:
        raise SpecError(f"{wanted.path} has no network {chosen}: it has {', '.join(keys)}")
    if wanted.betas is None and wanted.request is None:
        raise SpecError(f"{wanted.path} has a network conditioned on betas: say which by --betas, or by --rates")
    network = landscape.network(keys[chosen])
    betas = _solved(wanted, folder, network) if wanted.betas is None else wanted.betas
    where = folder.path / "networks" / chosen
    images = functools.partial(data_of, folder, wanted.data_folder)
    return Opened(network, betas, where, where, images, wanted.request)


def _solved(wanted: Wanted, folder: SweepFolder, network: "Conditioned") -> tuple[float, ...]:
    """Betas at which this network has the rates wanted."""
    from ratescape.landscape.contents import held_out
    from ratescape.records.table import FINE_IMAGES
    from ratescape.search.by_rates import betas_for
    from ratescape.specs.rate_targets import requested

    model = folder.spec().model
    targets = requested(wanted.request or "", model.layers, model.resolutions)
    return betas_for(network, held_out(folder, network, FINE_IMAGES, wanted.data_folder), targets).betas


def _of_model(path: Path, wanted: Wanted) -> Opened:
    """A run's folder, or a file of one model."""
    from ratescape import checkpoint

    weights = RunFolder(path).weights if path.is_dir() else path
    model, header = checkpoint.load_model(weights)
    folder = path if path.is_dir() else path.parent
    images = functools.partial(_images, weights, header, wanted.data_folder)
    return Opened(model, None, path, folder, images, wanted.request)


def _images(weights: Path, header: dict[str, Any], data_folder: Path | None) -> "ImageData":
    """The images that a model was trained on."""
    from ratescape.data.reloading import reload_data

    if "data" not in header:
        raise SpecError(
            f"{weights} does not say what it was trained on, to calibrate by: name its run, or (to compress) "
            "use rs.compress(..., codec=rs.calibrate(model, images))"
        )
    above = weights.absolute().parent.parent.parent
    owner = ResultsFolder(
        Path(header.get("landscape") or (above if (above / "spec.yaml").exists() else weights.parent))
    )
    return reload_data(from_dict(DataSpec, header["data"]), owner, header.get("fingerprint"), data_folder)


def model_of(archive: "Archive", given: Path | None) -> "HVAE | Conditioned":
    """The model, or the conditioned network, of an archive: at a path that is given, or at the one that it names.

    Args:
        given: where the model lies now; of a landscape, whose network is taken, too.

    Raises:
        SpecError: the archive does not say where its model lies, and no path is given.
        CheckpointError: there is none, or a damaged one.
    """
    if given is None and not archive.header.where:
        raise SpecError(f"{archive.name} does not say where its model lies: name it by --model")
    path = given or Path(archive.header.where)
    from ratescape import checkpoint
    from ratescape.landscape import Landscape

    if is_landscape(path):
        return Landscape(path).network()
    weights = RunFolder(path).weights if path.is_dir() else path
    if path.parent.name == "networks":
        return checkpoint.load_network(weights)[0]
    return checkpoint.load_model(weights)[0]
