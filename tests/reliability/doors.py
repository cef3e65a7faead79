"""All doors, by name: images, results and models, and what comes from elsewhere."""

import contextlib
import gzip
import io
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from helpers.images import blobs
from helpers.toy_files import idx_bytes
from PIL import Image

import ratescape as rs
from ratescape import checkpoint
from ratescape.coding.codec import Codec
from ratescape.data.formats.cifar10 import CIFAR10_ARCHIVE, CIFAR10_FILES
from ratescape.data.formats.idx import IDX_FILES
from ratescape.data.formats.svhn import SVHN_FILES
from ratescape.errors import RatescapeError
from ratescape.records.refined import read_refined
from ratescape.records.states import status_of
from ratescape.specs.codec import from_yaml
from ratescape.specs.runs import RunSpec
from reliability.commands import Cases
from reliability.door import TEXT_FILES, Door, command, files_of, saved
from reliability.foreign import foreign_doors
from reliability.inside import (
    of_archive_of_files,
    of_codec,
    of_images_file,
    of_matlab,
    of_png,
    of_weights,
    packed_bytes,
)
from reliability.lines import line_door
from reliability.mutations import of_spec


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return out.getvalue()


def image_bytes(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(blobs(1)[0]).save(out, kind)
    return out.getvalue()


def odd_folder(name: str, data: bytes, chance: random.Random) -> bytes:
    return b"" if chance.random() < 0.05 else of_png(name, data, chance)


def known(name: str) -> Callable[[Path], object]:
    return lambda folder: rs.load_data(name, folder=folder, fetch=False)


def path_of(name: str) -> Callable[[Path], object]:
    return lambda folder: rs.load_data(folder / name)


def landscape(folder: Path) -> None:
    """All that is read of a landscape without its networks."""
    one = rs.Landscape(folder / "results")
    status_of(folder / "results")
    for use in ("reconstruction", "nelbo"):
        with contextlib.suppress(RatescapeError):
            str(one.best(use))
    repr(one)
    for read in (lambda: one.table, one.answers, lambda: read_refined(one.folder, one.records)):
        with contextlib.suppress(RatescapeError):
            read()
    str(one.warnings)


def idx_files(packed: bool) -> dict[str, bytes]:
    labels = np.arange(24, dtype=np.uint8) % 10
    found = {
        name: idx_bytes(array) for name, array in zip(IDX_FILES, (blobs(24), labels, blobs(24), labels), strict=True)
    }
    return {name: gzip.compress(content, 1) for name, content in found.items()} if packed else found


def image_doors() -> dict[str, Callable[[], Door]]:
    """Doors of images, by name."""
    images, labels = blobs(24), np.arange(24) % 2
    some = np.random.default_rng(0).integers(0, 256, 32 * 32 * 3 * 20, np.uint8)
    mat = {"X": some.reshape(32, 32, 3, 20), "y": np.full((20, 1), 3, np.uint8)}
    cifar = {name: (bytes([3]) + some[:3072].tobytes()) * 4 for name in CIFAR10_FILES}
    packed = {CIFAR10_ARCHIVE: archive({f"batches/{name}": content for name, content in cifar.items()})}
    rows = "\n".join(["a,b,c", *(f"{i},{i % 3}.5,{-i}" for i in range(24))]) + "\n"
    kinds = ("png", "bmp", "tiff", "jpeg")
    pictures = {f"i/{kind}/{n}.{kind}": image_bytes(kind) for kind in kinds for n in (1, 2, 3)}
    return {
        "idx": lambda: Door(idx_files(packed=False), known("mnist")),
        "idx.gz": lambda: Door(idx_files(packed=True), known("mnist"), packed_bytes),
        "mat": lambda: Door(
            {name: saved(lambda out: scipy.io.savemat(out, mat)) for name in SVHN_FILES}, known("svhn"), of_matlab
        ),
        "cifar": lambda: Door(cifar, known("cifar10")),
        "cifar.tar.gz": lambda: Door(packed, known("cifar10"), of_archive_of_files),
        "npz": lambda: Door(
            {"i.npz": saved(lambda out: np.savez(out, images=images, labels=labels))}, path_of("i.npz")
        ),
        "npy": lambda: Door({"i.npy": saved(lambda out: np.save(out, images))}, path_of("i.npy")),
        "command lines": line_door,
        "csv": lambda: Door({"t.csv": rows.encode()}, path_of("t.csv")),
        "images": lambda: Door(pictures, path_of("i"), odd_folder),
    }


def result_doors(given: Cases | None) -> dict[str, Callable[[], Door]]:
    """Doors of results and models, by name; the sound ones are those of the small commands.

    Args:
        given: None for the names alone.
    """
    cases: Any = given

    def kept(name: str) -> dict[str, bytes]:
        return files_of(cases.whole(name).kept)

    def one(files: dict[str, bytes], begin: str, end: str) -> bytes:
        return next(content for name, content in files.items() if name.startswith(begin) and name.endswith(end))

    def again() -> list[str]:
        return [word.replace(str(cases.place), "{}") for word in cases.case("conditioned").words]

    plain = ("--out", "{}/images", "--model", "{}/results", "--quiet")
    return {
        "config": lambda: Door(
            {"spec.yaml": kept("train")["results/spec.yaml"].split(b"\n", 1)[1]},
            lambda folder: from_yaml(RunSpec, folder / "spec.yaml"),
            of_spec,
        ),
        "landscape": lambda: Door(kept("solve"), landscape, chosen=TEXT_FILES),
        "targeted": lambda: Door(kept("targeted"), landscape, chosen=TEXT_FILES),
        "model": lambda: Door(
            {"m.safetensors": one(kept("train"), "results", "weights.safetensors")},
            lambda folder: rs.load(folder / "m.safetensors"),
            of_weights,
        ),
        "run": lambda: Door(
            kept("train"), lambda folder: rs.load(folder / "results"), of_weights, (".yaml", "weights.safetensors")
        ),
        "network": lambda: Door(
            {"n.safetensors": one(kept("conditioned"), "results/networks", "weights.safetensors")},
            lambda folder: checkpoint.load_network(folder / "n.safetensors", "cpu"),
            of_weights,
        ),
        "archive": lambda: Door(
            kept("compress"), command("decompress", "{}/file.out", *plain), of_images_file, ("file.out",), writes=True
        ),
        "info": lambda: Door({"a": kept("compress")["file.out"]}, command("info", "{}/a"), of_images_file),
        "codec": lambda: Door(
            {"c": one(kept("compress"), "results/codecs", ".codec")}, lambda folder: Codec.load(folder / "c"), of_codec
        ),
        "report": lambda: Door(
            kept("solve"), command("report", "{}/results"), chosen=TEXT_FILES, writes=True, page=True
        ),
        "resume": lambda: Door(kept("conditioned"), command(*again()), writes=True),
    }


def door(cases: Cases, name: str) -> Door:
    """The door of a name."""
    return (image_doors() | result_doors(cases) | foreign_doors(cases))[name]()


SLOW = (
    "landscape",
    "targeted",
    "report",
    "resume",
    "answers",
    "control",
    "hub model",
    "hub landscape",
    "hub cache",
    "requests",
)
"""Doors before which an input takes tens of milliseconds or more."""


def names() -> list[str]:
    """The names of all doors."""
    return [*image_doors(), *result_doors(None), *foreign_doors(None)]
