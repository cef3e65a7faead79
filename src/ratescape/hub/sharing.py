"""Models and landscapes written as repositories with a card, in a folder or on the hub."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratescape import checkpoint
from ratescape.errors import RecordError
from ratescape.hub import facts, remote, soundness
from ratescape.hub.card import Card
from ratescape.hub.files import ABOUT, WEIGHTS, about, copy, listed
from ratescape.model.hierarchy import HVAE
from ratescape.records.files import read_json_lines, whole_folder, write_atomically
from ratescape.records.folders import RunFolder
from ratescape.specs.given import Betas, as_betas, is_empty

if TYPE_CHECKING:  # the public face: landscapes stand below, and are only handed in
    import ratescape


@dataclasses.dataclass(frozen=True)
class Told:
    """What only the user knows of what is shared."""

    licence: str = "unknown"
    """Of the weights, such as mit."""
    data: str = ""
    """What it was trained on, in words."""
    data_licence: str = "unknown"
    betas: Betas = None
    """Of a model, top layer first."""
    held_out: Any = None
    """Items that the model was not trained on: rates and reconstructions of them are shown."""
    run: RunFolder | None = None
    """Where the model lies with what was measured of it, in place of ``betas`` and ``held_out``."""


def save_model_folder(model: HVAE, folder: str | Path, told: Told) -> Path:
    """As :meth:`ratescape.HVAE.save_pretrained`."""
    return _saved(Path(folder), Path(folder).name, lambda place, name: _write_model(model, place, name, told))


def push_model(model: HVAE, name: str, told: Told, private: bool, token: str | None) -> str:
    """As :meth:`ratescape.HVAE.push_to_hub`."""
    return _pushed(name, private, token, lambda place, full: _write_model(model, place, full, told))


def save_landscape_folder(landscape: "ratescape.Landscape", folder: str | Path, told: Told) -> Path:
    """As :meth:`ratescape.Landscape.save_pretrained`."""
    return _saved(Path(folder), Path(folder).name, lambda place, name: _write_landscape(landscape, place, name, told))


def push_landscape(landscape: "ratescape.Landscape", name: str, told: Told, private: bool, token: str | None) -> str:
    """As :meth:`ratescape.Landscape.push_to_hub`."""
    return _pushed(name, private, token, lambda place, full: _write_landscape(landscape, place, full, told))


Write = Callable[[Path, str], None]


def _saved(folder: Path, name: str, write: Write) -> Path:
    """A folder that is written whole, or left as it was."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / ABOUT).exists())):
        raise RecordError(f"{folder} holds other files: choose a new or an empty folder")
    with whole_folder(folder) as begun:
        write(begun, f"./{name}")
    return folder


def _pushed(name: str, private: bool, token: str | None, write: Write) -> str:
    remote.check_reachable(token)
    full = remote.full_name(name, token)
    with tempfile.TemporaryDirectory() as place:
        write(Path(place), full)
        return remote.upload(Path(place), full, private, token)


def _write_model(model: HVAE, place: Path, name: str, told: Told) -> None:
    layers = len(model.latent_shapes)
    betas = () if is_empty(told.betas) else as_betas(told.betas, layers)
    numbers, on, images = dict[str, Any](), "", facts.of_images(model)
    pictures = facts.drawn(model)
    wrong, without = [soundness.UNKNOWN], dict[str, str]()
    if told.held_out is not None:
        numbers, more, count = facts.measured(model, told.held_out)
        pictures |= more
        on = f"{count:,} held-out items that were given"
    if told.run is not None:
        record = next(line for line in read_json_lines(told.run.evaluation) if line["split"] == "test")
        numbers, betas = record["metrics"], tuple(record["betas"])
        wrong, without = soundness.of_run(told.run, numbers, betas)
        on = f"the {record['images']:,} test items of its data"
        for picture in told.run.path.glob("*.png"):
            if picture.name in facts.PICTURES:
                pictures[picture.name] = picture.read_bytes()
    for path, content in pictures.items():
        write_atomically(place / path, content)
    write_atomically(place / WEIGHTS, checkpoint.to_bytes(model))
    write_atomically(place / ABOUT, about("model", betas=list(betas), files=[WEIGHTS, *pictures]))
    card = Card(
        kind="model",
        title=f"{name.rpartition('/')[2]}: a hierarchical VAE",
        network=facts.network_line(model),
        of_images=images,
        licence=told.licence,
        data=told.data,
        data_licence=told.data_licence,
        betas=betas,
        facts=facts.shown(numbers),
        layers=facts.layers_table(model.latent_shapes, betas, numbers.get("rates", []), numbers.get("active", [])),
        measured_on=on or "nothing: no held-out items were given",
        uses=facts.model_uses(images, without),
        limits=facts.limits(model.image_shape, images, [*wrong, *without.values()]),
        pictures={path: facts.PICTURES[path] for path in facts.PICTURES if path in pictures},
    )
    write_atomically(place / "README.md", card.text(name))


def _write_landscape(landscape: "ratescape.Landscape", place: Path, name: str, told: Told) -> None:
    folder = landscape.folder.path
    names = listed(folder, "landscape")
    copy(folder, names, place)
    write_atomically(place / ABOUT, about("landscape", files=names))
    spec = landscape.folder.spec()
    images, without = spec.model.family != "vector", soundness.without_winner(landscape.records)
    layers = f"{spec.model.layers} layer{'s' if spec.model.layers > 1 else ''}"
    card = Card(
        kind="landscape",
        title=f"{name.rpartition('/')[2]}: a rate landscape of hierarchical VAEs",
        network=f"{spec.model.title}, {layers}; method {spec.method.kind}",
        of_images=images,
        licence=told.licence,
        data=told.data,
        data_licence=told.data_licence,
        facts=facts.ranges(landscape),
        measured_on="the test items of its data, where these were measured, else on those of validation",
        uses=facts.best_lines(landscape),
        limits=facts.limits(_shape(landscape), images, [*landscape.warnings, *without.values()]),
        pictures={path: caption for path, caption in facts.FIGURES.items() if path in names},
    )
    write_atomically(place / "README.md", card.text(name))


def _shape(landscape: "ratescape.Landscape") -> tuple[int, ...]:
    """(C, H, W) of the images of a landscape, or (D,), as a model or network of it says; empty without any."""
    for where in ("runs", "networks"):
        for path in sorted(landscape.folder.path.glob(f"{where}/*/weights.safetensors")):
            return tuple(checkpoint.load(path)[1]["image_shape"])
    return ()
