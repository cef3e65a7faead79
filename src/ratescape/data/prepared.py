"""Images that are read, decoded and split, as plain .npy files that many processes can map into memory."""

import json
from pathlib import Path

import numpy as np

from ratescape.data.catalog import ImageData
from ratescape.data.formats import Split
from ratescape.errors import DataError
from ratescape.records import files
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.data import DataSpec

SPLITS = ("train", "validation", "test")


def write_prepared(data: ImageData, folder: Path) -> None:
    """Write prepared images; ``facts.json`` comes last and says that the rest is whole.

    Raises:
        RecordError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, split in zip(SPLITS, (data.train, data.validation, data.test), strict=True):
            if split is not None:
                np.save(folder / f"{name}.npy", split.pixels)
                for what, array in (("labels", split.labels), ("targets", split.targets)):
                    if array is not None:
                        np.save(folder / f"{name}-{what}.npy", array)
    except OSError as error:
        raise files.unwritable(folder, error) from error
    facts = {"spec": to_dict(data.spec), "classes": data.classes, "fingerprint": data.fingerprint}
    files.write_atomically(folder / "facts.json", json.dumps(facts))


def read_prepared(folder: Path) -> ImageData:
    """Map prepared images into memory, read-only.

    Raises:
        DataError: the folder holds no prepared images, or damaged ones.
    """
    try:
        facts = json.loads((folder / "facts.json").read_text())
        train, validation, test = (_read_split(folder, name) for name in SPLITS)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder} holds no prepared images, or damaged ones ({error}): delete it") from error
    if train is None or test is None:
        raise DataError(f"{folder} lacks the train or test images: delete it")
    classes = None if facts["classes"] is None else tuple(facts["classes"])
    return ImageData(from_dict(DataSpec, facts["spec"]), train, validation, test, classes, facts["fingerprint"])


def _read_split(folder: Path, name: str) -> Split | None:
    path = folder / f"{name}.npy"
    if not path.exists():
        return None
    beside = (folder / f"{name}-{what}.npy" for what in ("labels", "targets"))
    labels, targets = (np.load(file, allow_pickle=False) if file.exists() else None for file in beside)
    return Split(np.load(path, mmap_mode="r", allow_pickle=False), labels, targets)
