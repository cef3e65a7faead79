"""Doors of what comes from elsewhere: tables, masks, repositories of the hub, requests, what workers are handed."""

import base64
import contextlib
import io
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from helpers.images import blobs
from PIL import Image

import ratescape as rs
from ratescape.data.prepared import read_prepared, write_prepared
from ratescape.errors import RatescapeError
from ratescape.hub import opening, remote
from ratescape.hub.files import ABOUT, WEIGHTS, about, listed
from ratescape.records.answers import answers
from ratescape.records.folders import SweepFolder
from ratescape.report.control import save_control
from ratescape.restoring.masks import mask_of
from reliability.asking import asker, odd_request, recipes
from reliability.commands import Cases
from reliability.door import Door, files_of, saved
from reliability.mutations import TEXTS, damaged, of_bytes, tree

SECRET = b"what nobody asked for"


def parquet_bytes(columns: dict[str, Any], metadata: dict[bytes, bytes] | None = None) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(columns)
    out = io.BytesIO()
    parquet.write_table(table if metadata is None else table.replace_schema_metadata(metadata), out)
    return out.getvalue()


def odd_parquet(name: str, data: bytes, chance: random.Random) -> bytes:
    """A table of strange columns, of metadata that lie, or with damaged bytes."""
    import pyarrow as pa
    from pyarrow import parquet

    if chance.random() < 0.5:
        return of_bytes(data, chance)
    table = parquet.read_table(io.BytesIO(data))
    metadata = dict(table.schema.metadata or {})
    columns = {one: table[one] for one in table.column_names}
    if chance.random() < 0.5:
        strange: list[Any] = [
            [[1, 2]] * 24,
            [{"a": 1}] * 24,
            [None] * 24,
            [text.encode("utf-8", "replace").decode() for text in [*TEXTS, *TEXTS][:24]],
            [2**63 - 1] * 24,
            [float("nan")] * 24,
            [float("inf"), -0.0] * 12,
            pa.array([0] * 24, pa.timestamp("ns", "Mars/Olympus")),
            pa.array([1] * 24, pa.duration("s")),
            pa.array([b"\xff"] * 24, pa.binary()),
            pa.array(["a"] * 24).dictionary_encode(),
            pa.array([1] * 24, pa.decimal128(38, 3)),
            pa.array([0.5] * 24, pa.float16()),
            pa.nulls(24),
        ]
        columns[chance.choice([*columns, *TEXTS]).encode("utf-8", "replace").decode()] = chance.choice(strange)
    else:
        known = json.loads(metadata.get(b"pandas", b"{}"))
        odd = json.dumps(tree(known, chance)).encode("utf-8", "replace")
        evil = base64.b64encode(b"cos\nsystem\n(S'touch evil'\ntR.")
        metadata |= chance.choice(
            [{b"pandas": odd}, {b"pandas": b"[" * 9999}, {b"ARROW:extension:name": b"arrow.py_extension_type"}]
        )
        metadata |= {b"ARROW:extension:metadata": evil, b"ARROW:schema": of_bytes(base64.b64encode(bytes(400)), chance)}
    return parquet_bytes(columns, metadata)


def masks(folder: Path) -> None:
    """Both files of missing pixels; the first one that is refused does not hide the other."""
    refused: list[RatescapeError] = []
    for name in ("m.npy", "m.png"):
        try:
            mask_of(str(folder / name), 3, (16, 16), 0)
        except RatescapeError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def asked(folder: Path) -> None:
    """Requests for rates that a landscape remembers, as they are shown."""
    one = rs.Landscape(folder / "results")
    for answer in answers(SweepFolder(folder / "results")):
        str(answer)
    str(one)


def spoilt(place: str) -> Callable[[Path, random.Random], None]:
    """What damages a repository as a folder."""

    def spoil(folder: Path, chance: random.Random) -> None:
        root = folder / place
        (folder.parent / "secret").write_bytes(SECRET)
        known = sorted(path for path in root.rglob("*") if path.is_file())
        for _ in range(chance.choice([1, 1, 2])):
            path = chance.choice(known)
            if path.parent.is_dir() and (path.is_file() or path.is_symlink()):
                _odd_file(path, root, folder.parent / "secret", chance)

    return spoil


def _odd_file(path: Path, root: Path, secret: Path, chance: random.Random) -> None:
    """Something else in place of a file, or beside it."""
    beside = path.parent / chance.choice(
        ["evil_module.py", "evil.pkl", "evil.png", ".evil", "checkpoint.jsonl", "x.yaml"]
    )
    match chance.randrange(12):
        case 0 | 1:
            path.unlink()
            path.symlink_to(chance.choice([secret, Path("/etc/passwd"), Path(os.path.relpath(secret, path.parent))]))
        case 2:
            path.unlink()
            path.symlink_to(chance.choice([path, path.parent, Path("/dev/zero"), Path("/dev/stdin"), root.parent]))
        case 3:
            path.unlink()
            os.mkfifo(path)
        case 4:
            path.unlink()
            path.mkdir()
        case 5:
            beside.write_text(chance.choice(TEXTS).encode("utf-8", "replace").decode())
        case 6:
            odd = chance.choice(
                [b"line\nbreak.png", b"not-\xff.png", b"\x1b[31m.png", b"a" * 250 + b".png", b"%s.jsonl"]
            )
            Path(os.fsdecode(os.fsencode(path.parent) + b"/" + odd)).write_bytes(b"x")
        case 7:
            shutil.move(
                path.parent, root / chance.choice(["elsewhere", "runs2", "..hidden"])
            ) if path.parent != root else None
        case 8:
            beside.symlink_to(chance.choice([secret.parent, Path("/"), root]))
        case 9:
            deep = root.joinpath(*["d"] * 60)
            deep.mkdir(parents=True, exist_ok=True)
            (deep / "evil.png").touch()
        case 10:
            about_it = root / ABOUT
            with contextlib.suppress(OSError, ValueError):
                about_it.write_text(json.dumps(tree(json.loads(about_it.read_bytes()), chance)))
        case _:
            path.unlink()


def pulled(place: str, cached: bool = False) -> Callable[[Path], object]:
    """Bring a repository here, and open what came; nothing that lies outside it may come with it.

    Args:
        cached: the folder is one of the hub's library, of links to files beside it.
    """

    def read(folder: Path) -> None:
        source, out = folder / place, folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        if cached:
            snapshot = _in_cache(source, folder / "cache")
            remote.download = lambda name, revision, token: snapshot
        opening.pull("me/it" if cached else source, out)
        for path in out.rglob("*"):
            if path.is_symlink() or (path.is_file() and SECRET in path.read_bytes()):
                raise AssertionError(f"{path} came from outside")
        if place == "model":
            opening.from_hub(source)
        else:
            rs.Landscape(out).best("reconstruction")

    return read


def _in_cache(source: Path, cache: Path) -> Path:
    """A folder as the hub's library keeps it: files are links to blobs; a link stays what it is."""
    shutil.rmtree(cache, ignore_errors=True)
    snapshot, blobs_ = cache / "snapshots" / "c0ffee", cache / "blobs"
    shutil.copytree(source, snapshot, symlinks=True, copy_function=_plain_copy)
    blobs_.mkdir()
    for number, path in enumerate(sorted(snapshot.rglob("*"))):
        if path.is_file() and not path.is_symlink():
            path.rename(blobs_ / str(number))
            path.symlink_to(os.path.relpath(blobs_ / str(number), path.parent))
    return snapshot


def _plain_copy(source: str, target: str) -> None:
    if Path(source).is_fifo():
        os.mkfifo(target)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def repository(kind: str, folder: Path, names: dict[str, str]) -> dict[str, bytes]:
    found = {name: (folder / source).read_bytes() for name, source in names.items()}
    return {f"{kind}/{name}": content for name, content in found.items()} | {f"{kind}/{ABOUT}": about(kind).encode()}


def prepared() -> dict[str, bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_prepared(rs.load_data(blobs(24)), Path(folder))
        return {f"p/{name}": content for name, content in files_of(Path(folder)).items()}


def foreign_doors(given: Cases | None) -> dict[str, Callable[[], Door]]:
    """Doors of what comes from elsewhere, by name.

    Args:
        given: None for the names alone.
    """
    cases: Any = given
    mask = np.eye(16, dtype=np.bool_)
    image = saved(lambda out: Image.fromarray(mask.astype(np.uint8) * 255).save(out, "PNG"))

    def results(name: str) -> Path:
        return cases.whole(name).kept / "results"

    def landscape() -> dict[str, bytes]:
        folder = results("solve")
        return repository("landscape", folder, {name: name for name in listed(folder, "landscape")})

    def hub(kind: str, files: dict[str, bytes], cached: bool = False) -> Door:
        return Door(files, pulled(kind, cached), damaged, writes=True, spoil=spoilt(kind))

    def requests() -> Door:
        files = files_of(cases.whole("conditioned").kept) | {"request.json": json.dumps(recipes()).encode()}
        return Door(files, asker(), odd_request, ("request.json",))

    numbers: dict[str, Any] = {
        "a": list(range(24)),
        "b": [0.5 * i for i in range(24)],
        "c": [i % 2 == 0 for i in range(24)],
    }
    return {
        "parquet": lambda: Door(
            {"t.parquet": parquet_bytes(numbers)}, lambda folder: rs.load_data(folder / "t.parquet"), odd_parquet
        ),
        "masks": lambda: Door({"m.npy": saved(lambda out: np.save(out, mask)), "m.png": image}, masks),
        "prepared": lambda: Door(prepared(), lambda folder: read_prepared(folder / "p")),
        "control": lambda: Door(
            files_of(cases.whole("targeted").kept),
            lambda folder: save_control(SweepFolder(folder / "results")),
            chosen=("control.jsonl",),
        ),
        "answers": lambda: Door(files_of(cases.whole("solve").kept), asked, chosen=("answers.jsonl",)),
        "hub model": lambda: hub(
            "model",
            repository(
                "model", next(results("train").rglob("weights.safetensors")).parent, {WEIGHTS: "weights.safetensors"}
            ),
        ),
        "hub landscape": lambda: hub("landscape", landscape()),
        "hub cache": lambda: hub("landscape", landscape(), cached=True),
        "requests": requests,
    }
