"""Files that the system refuses for now (too many open ones, a disk that fails) are not called damaged."""

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ratescape import checkpoint
from ratescape.coding.codec import Codec
from ratescape.data.prepared import read_prepared
from ratescape.errors import CheckpointError, HubError, RatescapeError, RecordError
from ratescape.hub.files import ABOUT, kind_of
from ratescape.records.codecs import ENDING, read_codec_records
from ratescape.records.files import Unreadable, unusable


def of_codec(folder: Path) -> object:
    (folder / "codecs").mkdir(exist_ok=True)
    for ending in (ENDING, ".codec"):
        (folder / "codecs" / f"a{ending}").touch()
    return read_codec_records(folder)


def about(folder: Path) -> object:
    (folder / ABOUT).touch()
    return kind_of(folder, folder)


READERS: dict[str, tuple[Callable[[Path], object], type[RatescapeError]]] = {
    "codec's record": (of_codec, RecordError),
    "codec": (lambda folder: Codec.load(folder / "a.codec"), CheckpointError),
    "weights": (lambda folder: checkpoint.load(folder / "a.safetensors"), CheckpointError),
    "hub": (about, HubError),
    "prepared": (read_prepared, RatescapeError),
}


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
@pytest.mark.parametrize("name", READERS)
def test_what_the_system_refuses_is_not_called_damaged(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, otherwise = READERS[name]
    (tmp_path / "a.safetensors").touch()
    (tmp_path / "a.codec").touch()
    with pytest.raises(otherwise) as told:
        read(tmp_path)
    assert not isinstance(told.value, Unreadable)  # it is damaged, or not there
    before = io.open

    def refused(path: Path | str, mode: str = "r", *given: object, **named: object) -> object:
        if str(path).startswith(str(tmp_path)) and not set(mode) & set("wax+"):
            raise OSError(number, os.strerror(number), str(path))
        return before(path, mode, *given, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(io, "open", refused)
    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises(Unreadable, match=r"cannot be used \(.*\): see to its disk") as told:
        read(tmp_path)
    assert "delete" not in str(told.value) and "damaged" not in str(told.value)


def test_a_damaged_picture_is_no_refusal() -> None:
    path = Path("a.png")
    assert "a.png is damaged: draw it again" in str(unusable(path, OSError("cannot identify image"), "draw it again"))
    assert "a.png cannot be used" in str(unusable(path, PermissionError(errno.EACCES, "no", "a.png"), "draw it again"))
