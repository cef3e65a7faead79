"""Tensors and a JSON header in one file, with a digest of both, so that damage is found when the file is read.

The format is safetensors with one metadata key, ``ratescape``: JSON with the header (as text, so that its digest does
not depend on how JSON is written) and the digest.
"""

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
from torch import Tensor

from ratescape.errors import CheckpointError
from ratescape.records.files import failed, is_refusal, write_atomically
from ratescape.records.ownership import is_made_again, made_by
from ratescape.specs.checks import from_json
from ratescape.specs.identity import FORMAT

_REFUSED = re.compile(r"unable to (?:open|mmap) .*\((\d+)\)$", re.DOTALL)
"""What PyTorch says of a file that the system does not let it map, with the number of the error."""


class _Stamp(NamedTuple):
    """What the metadata of a file say."""

    text: str
    """The header as it was written."""
    header: dict[str, Any]
    digest: str


def save(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON-able header to one file, whole or not at all.

    Example::

        save(path, model.state_dict(), {"step": 1000})
        tensors, header = load(path)

    Raises:
        RecordError: the file cannot be written.
    """
    write_atomically(path, packed(tensors, header))


def packed(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> bytes:
    """The content of such a file: tensors and a JSON-able header.

    Example::

        tensors, header = unpacked(packed(model.state_dict(), {"step": 1000}), "the model")
    """
    stored = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    text = json.dumps(dict(header) | {"version": FORMAT}, sort_keys=True)
    # One key only: safetensors writes several in a random order, and equal contents should be equal files.
    metadata = {"ratescape": json.dumps({"header": text, "digest": _digest(stored, text)})}
    return safetensors.torch.save(stored, metadata)


def unpacked(content: bytes, what: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What :func:`packed` made: tensors on the CPU, and the header.

    Args:
        what: errors call it so.

    Raises:
        CheckpointError: it is none of ours, of another version, or damaged.
    """
    try:
        text = content[8 : 8 + int.from_bytes(content[:8], "little")]
        stamp = _stamp(what, from_json(text).get("__metadata__", {}))
        tensors = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{what} is damaged ({error}): make it anew") from error
    if stamp.digest != _digest(tensors, stamp.text):
        raise CheckpointError(f"{what} is damaged (its contents do not match its digest): make it anew")
    return tensors, stamp.header


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save` wrote: tensors on the CPU, and the header.

    Raises:
        CheckpointError: the file is missing, none of ours, of another version, or damaged.
        RecordError: the system refuses it.
    """
    stamp, tensors = _read(path, contents=True)
    if stamp.digest != _digest(tensors, stamp.text):
        raise _damaged(path, "its contents do not match its digest")
    return tensors, stamp.header


def digest_of(path: Path) -> str:
    """The SHA-256 of a file's tensors and header, 64 hexadecimal digits, as its metadata give it: no tensor is read.

    Example::

        digest_of(folder / "weights.safetensors")[:12]

    Raises:
        CheckpointError: as :func:`load`, but for damaged tensors.
    """
    return _read(path, contents=False)[0].digest


def header_of(path: Path) -> dict[str, Any]:
    """The header that a file was saved with; no tensor is read.

    Example::

        header_of(folder / "checkpoint.safetensors")["step"]  # 3000

    Raises:
        CheckpointError: as :func:`load`, but for damaged tensors.
    """
    return _read(path, contents=False)[0].header


def refuse_cut_off(path: Path) -> None:
    """Refuse a file that is shorter or longer than its header says: what a look at its size alone can tell.

    Raises:
        CheckpointError: it is, or has no such header.
        RecordError: the system refuses it.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            tensors = from_json(file.read(min(length, path.stat().st_size)))
        ends = [one["data_offsets"][1] for name, one in tensors.items() if name != "__metadata__"]
        is_whole = 8 + length + max(ends, default=0) == path.stat().st_size
    except OSError as error:
        raise failed(error) from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        is_whole = False
    if not is_whole:
        raise _damaged(path, "it is cut off")


def _read(path: Path, contents: bool) -> tuple[_Stamp, dict[str, Tensor]]:
    """What a file's metadata say, and its tensors if its contents are asked for."""
    try:
        path.open("rb").close()  # of whatever the system refuses, safetensors says that there is no such file
        with safetensors.safe_open(str(path), "pt") as file:
            stamp = _stamp(path, file.metadata() or {})
            names = file.keys() if contents else []
            return stamp, {name: file.get_tensor(name) for name in names}
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint at {path}: check the path") from error
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        if is_refusal(error) and not isinstance(error, IsADirectoryError):
            raise failed(error) from error
        raise _damaged(path, str(error)) from error
    except RuntimeError as error:  # of PyTorch, which maps the file
        refused = _REFUSED.search(str(error))
        if refused is None or int(refused[1]) == errno.ENOMEM:  # the command knows what to say of too little memory
            raise
        raise failed(OSError(int(refused[1]), os.strerror(int(refused[1])), str(path))) from error


def _stamp(what: Path | str, metadata: Mapping[str, str]) -> _Stamp:
    """What metadata say, of this version; raises ValueError where they are damaged."""
    if "ratescape" not in metadata:
        raise _foreign(what)
    try:
        given = from_json(metadata["ratescape"])
        stamp = _Stamp(given["header"], from_json(given["header"]), given["digest"])
        version = int(stamp.header["version"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError("its header is not as it was written") from error
    if version != FORMAT:
        older = version < FORMAT
        age, remedy = ("an older", "make it anew with this one") if older else ("a newer", "upgrade ratescape")
        raise CheckpointError(
            f"{what} was made by {age} ratescape (format {version}, and this one reads format {FORMAT}): {remedy}"
        )
    return stamp


def _damaged(path: Path, reason: str) -> CheckpointError:
    """What to say of a file that cannot be read: whose it is decides the remedy."""
    if is_made_again(path):
        what, command = ("file of weights", made_by(path)) if path.name.startswith("weights") else ("checkpoint", "")
        again = f"run the same {command}command again to make it anew"
        return CheckpointError(f"the {what} is damaged ({reason}); delete it and {again}: {path}")
    if not _has_our_header(path):
        return _foreign(path)
    return CheckpointError(
        f"{path} is damaged ({reason}): restore it from a copy, or write it anew as it was written before "
        "(rs.save, or `ratescape recommend` and `solve` with --out)"
    )


def _foreign(what: Path | str) -> CheckpointError:
    return CheckpointError(f"{what} is not a model of ratescape: check the path")


def _has_our_header(path: Path) -> bool:
    """Whether a file begins as ours do: with eight bytes of length, and JSON whose metadata have our key."""
    try:
        with path.open("rb") as file:
            return b'{"__metadata__":{"ratescape":' in file.read(64)
    except OSError:
        return False


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
