"""Images that are read, decoded and split, as plain .npy files that many processes can map into memory.

A folder holds ``train.npy``, ``test.npy`` and perhaps ``validation.npy``, beside each its ``-labels`` and
``-targets`` if it has any, and ``facts.json``, which is written last and says that the rest is whole.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy

from ratescape.data.catalog import ImageData
from ratescape.data.formats import Columns, Split
from ratescape.data.formats.image_set import Array
from ratescape.data.formats.reading import one_line
from ratescape.errors import DataError
from ratescape.records import files
from ratescape.specs.checks import from_json
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.data import DataSpec

SPLITS: Final = ("train", "validation", "test")


def write_prepared(data: ImageData, folder: Path) -> None:
    """Write images for :func:`read_prepared`.

    Raises:
        RecordError: the folder cannot be written.

    Example::

        write_prepared(load_data("mnist-5k"), Path("results/data"))
    """
    for name, split in zip(SPLITS, (data.train, data.validation, data.test), strict=True):
        if split is not None:
            _write_split(split, folder, name)
    facts: dict[str, Any] = {"spec": to_dict(data.spec), "classes": data.classes, "fingerprint": data.fingerprint}
    if data.columns is not None:
        facts["columns"] = {"names": data.columns.names, "boolean": data.columns.boolean}
    files.write_atomically(folder / "facts.json", json.dumps(facts))


def _write_split(split: Split, folder: Path, name: str) -> None:
    for what, array in (("", split.pixels), ("-labels", split.labels), ("-targets", split.targets)):
        if array is not None:
            with files.whole_file(folder / f"{name}{what}.npy") as file:
                np.save(file, array)


def read_prepared(folder: Path) -> ImageData:
    """Map the images that :func:`write_prepared` wrote into memory, read-only.

    Raises:
        DataError: the folder holds no prepared images, or damaged ones.
        Unreadable: the system refuses them.

    Example::

        data = read_prepared(Path("results/data"))
    """
    try:
        return _read(folder)
    except Exception as error:  # damaged files raise anything: OSError, ValueError, KeyError, BadZipFile ...
        if files.is_refusal(error):
            raise files.failed(error) from error
        raise DataError(
            f"{folder} holds no prepared images, or damaged ones ({one_line(error)}): delete it and run the sweep again"
        ) from error


def _read(folder: Path) -> ImageData:
    facts = from_json((folder / "facts.json").read_text(encoding="utf-8"))
    spec = from_dict(DataSpec, facts["spec"])
    classes = None if facts["classes"] is None else tuple(facts["classes"])
    train, test = (_read_split(folder, name, labelled=classes is not None) for name in ("train", "test"))
    validation = _read_split(folder, "validation", labelled=classes is not None) if spec.validation > 0 else None
    columns = facts.get("columns")
    if columns is not None:
        columns = Columns(tuple(columns["names"]), tuple(columns["boolean"]))
    data = ImageData(spec, train, validation, test, classes, facts["fingerprint"], columns)
    if any((split.targets is None) != (train.targets is None) for split in data.held_out.values()):
        raise DataError("some of the targets are missing")
    return data


def _read_split(folder: Path, name: str, *, labelled: bool) -> Split:
    """One split: pixels are mapped into memory; labels and targets, which are small, are read."""
    pixels = npy.open_memmap(folder / f"{name}.npy", mode="r")
    labels = _read_array(folder / f"{name}-labels.npy") if labelled else None
    path = folder / f"{name}-targets.npy"
    targets = _read_array(path) if path.exists() else None
    if any(array is not None and len(array) != len(pixels) for array in (labels, targets)):
        raise DataError(f"{name} has labels or targets of another number of images")
    return Split(pixels, labels, targets)


def _read_array(path: Path) -> Array:
    with path.open("rb") as file:
        return npy.read_array(file, allow_pickle=False)
