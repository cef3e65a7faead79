"""Archives as bytes: nothing they say is believed without a check."""

import dataclasses
import io
import random
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import files_fuzz as fuzz
import numpy as np
import pytest
import torch

from ratescape.coding import archive as archives
from ratescape.coding.archive import compress, decompress
from ratescape.coding.codec import Codec
from ratescape.coding.container import Archive, Spool, write
from ratescape.coding.header import CODEC, FORMAT, LAYER, MAGIC, NAMES
from ratescape.coding.naming import names_in, packed_names
from ratescape.coding.parsing import inflated
from ratescape.coding.report import described
from ratescape.errors import CheckpointError, DataError
from ratescape.model.hierarchy import HVAE
from ratescape.records.files import whole_file


@pytest.fixture(scope="module")
def whole(model: HVAE, codec: Codec, fresh: np.ndarray) -> bytes:
    """An archive of 40 images."""
    return compress(model, fresh[:40], codec=codec)


def sections(data: bytes) -> dict[tuple[int, int], tuple[int, int]]:
    """Where each section begins and ends."""
    with Archive.opened(data) as archive:
        return {(s.kind, s.layer): (s.offset, s.offset + s.length) for s in archive.header.sections}


def with_header(data: bytes, **changes: Any) -> bytes:
    """The archive with other words in its header, and a checksum that is right."""
    with Archive.opened(data) as archive:
        header = dataclasses.replace(archive.header, **changes)
        shift = len(header.to_bytes()) - len(archive.header.to_bytes())
        begin = len(archive.header.to_bytes())
    moved = tuple(dataclasses.replace(one, offset=one.offset + shift) for one in header.sections)
    return dataclasses.replace(header, sections=moved).to_bytes() + data[begin:]


def test_a_header_reads_as_it_was_written(whole: bytes, model: HVAE, codec: Codec) -> None:
    with Archive.opened(whole) as archive:
        header = archive.header
    assert (header.count, header.shape, header.layers, header.is_binary) == (40, (1, 16, 16), 2, False)
    assert header.codec == codec.digest and header.model == codec.model
    assert whole.startswith(header.to_bytes()) and header.versions[2] == str(torch.__version__)
    assert [s.kind for s in header.sections] == [CODEC, NAMES, LAYER, LAYER]
    assert header.sections[-1].offset + header.sections[-1].length == len(whole)


def test_an_archive_that_is_cut_off_gives_the_layers_that_are_whole(whole: bytes, model: HVAE) -> None:
    ends = sections(whole)
    coarse = decompress(whole, model, layers=1)
    assert torch.equal(decompress(whole[: ends[LAYER, 2][1]], model), coarse)
    assert torch.equal(decompress(whole[:-1], model), coarse)
    assert not torch.equal(decompress(whole, model), coarse)
    with Archive.opened(whole[:-1]) as archive:
        assert described(archive)[-1] == "the file is cut off: layer 1 is not whole"
    with pytest.raises(DataError, match="ends before the end of layer 1"):
        decompress(whole[:-1], model, layers=2)
    for end in (ends[LAYER, 2][1] - 1, ends[CODEC, 0][1] - 1):
        with pytest.raises(DataError, match="ends before the end of"):
            decompress(whole[:end], model)


def test_damage_in_a_layer_leaves_those_above(whole: bytes, model: HVAE) -> None:
    begin, end = sections(whole)[LAYER, 1]
    damaged = whole[: end - 1] + bytes([whole[end - 1] ^ 1]) + whole[end:]
    with pytest.raises(
        DataError, match=r"damaged in layer 1 \(checksum\): get a sound copy, or decode the layers above"
    ):
        decompress(damaged, model)
    assert torch.equal(decompress(damaged, model, layers=1), decompress(whole, model, layers=1))
    assert begin < end


def test_other_files_formats_and_models_are_refused_in_one_line(whole: bytes, model: HVAE, codec: Codec) -> None:
    with pytest.raises(DataError, match="is not an archive of ratescape"):
        decompress(b"GIF89a" + whole, model)
    newer = MAGIC + struct.pack("<H", FORMAT + 1) + whole[10:]
    with pytest.raises(
        DataError, match=f"is of format {FORMAT + 1}, and this ratescape reads format {FORMAT}: upgrade"
    ):
        decompress(newer, model)
    other = type(model)(
        model.encoder, list(model.layers), model.decoder, model.likelihood, model.image_shape, model.spec
    )
    assert torch.equal(decompress(whole, other), decompress(whole, model))  # the same weights are the same model
    changed = compress(model, np.zeros((2, 16, 16), np.uint8), codec=codec)
    with pytest.raises(CheckpointError, match=r"was made by the model 0{12}, and the model given is another one"):
        decompress(with_header(changed, model=bytes(16)), model)
    with pytest.raises(CheckpointError, match=r"made by a conditioned network at x/y at betas 0\.1, 2 \("):
        decompress(with_header(changed, betas=(0.1, 2.0), where="x/y"), model)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"count": 0}, "no images"),
        ({"count": 1 << 60}, "another number of blocks"),
        ({"count": 8000000}, "another number of blocks"),
        ({"block": 0}, "no images"),
        ({"block": 1 << 31}, "larger than any of this model"),
        ({"shape": (1, 1 << 30, 1 << 30)}, "larger than any of this model"),
        ({"shape": ()}, "no images"),
        ({"layers": 0}, "no images"),
        ({"layers": 65535}, "model has 65535 layers"),
        ({"mode": 7}, "no mode 7"),
        ({"betas": (float("nan"), 1.0)}, "not positive"),
        ({"codec": bytes(16)}, "damaged in the codec"),
        ({"count": 7}, "damaged in"),
    ],
)
def test_headers_that_lie_with_a_right_checksum_are_refused(
    whole: bytes, model: HVAE, changes: dict[str, Any], what: str
) -> None:
    with pytest.raises(DataError, match=what):
        decompress(with_header(whole, **changes), model)


def test_sections_of_another_archive_do_not_pass(whole: bytes, model: HVAE, codec: Codec, fresh: np.ndarray) -> None:
    other = compress(model, fresh[40:80], codec=codec)
    (begin, end), (first, last) = sections(whole)[LAYER, 1], sections(other)[LAYER, 1]
    with pytest.raises(DataError, match=r"damaged in layer 1|ends before the end of layer 1"):
        decompress(whole[:begin] + other[first:last] + whole[end:], model, layers=2)


def test_compressed_bytes_unpack_to_no_more_than_allowed() -> None:
    assert inflated(zlib.compress(b"abc"), 3) == b"abc"
    for data, most in ((zlib.compress(bytes(1 << 20)), 1000), (zlib.compress(b"abc")[:-2], 9), (b"abc", 9)):
        with pytest.raises(ValueError):
            inflated(data, most)


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "a/../../b.png", "", ".", "a\nb.png"])
def test_names_that_leave_the_folder_are_refused(whole: bytes, name: str) -> None:
    out = io.BytesIO()
    with Archive.opened(whole) as archive, Spool(NAMES) as spool:
        spool.add(packed_names([name, *map(str, range(39))]))
        write(out, archive.header, [spool])
    with Archive.opened(out.getvalue()) as archive, pytest.raises(DataError, match="no name inside a folder"):
        names_in(archive)


def test_names_become_files_that_differ(whole: bytes) -> None:
    def names(given: list[str]) -> list[str]:
        out = io.BytesIO()
        with Archive.opened(whole) as archive, Spool(NAMES) as spool:
            spool.add(packed_names(given))
            write(out, dataclasses.replace(archive.header, count=2), [spool])
        with Archive.opened(out.getvalue()) as archive:
            return names_in(archive)

    assert names(["a/x.jpg", "b/x.jpg"]) == ["a/x.png", "b/x.png"]
    assert names(["x.jpg", "x.png"]) == ["x.jpg.png", "x.png.png"]
    assert names([]) == ["1.png", "2.png"]


def test_damaged_archives_give_an_error_or_what_was_written(whole: bytes, model: HVAE) -> None:
    """A short one; benchmarks/files_fuzz.py is the campaign."""
    right = [decompress(whole, model, layers=layers) for layers in (1, 2)]
    chance = random.Random(0)
    found = Counter(
        fuzz.outcome(fuzz.damaged(whole, whole[::-1], chance), right, lambda data: decompress(data, model))
        for _ in range(400)
    )
    assert found["refused"] > 300 and found["right images"] + found["refused"] == 400


def test_a_write_that_fails_leaves_the_file_that_was_there(
    model: HVAE, codec: Codec, fresh: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "a.rsc"
    path.write_bytes(b"before")

    def break_off(done: int) -> None:
        raise KeyboardInterrupt

    subject = archives.subject_of(model)
    frames = archives.frames_of(fresh[:10], model.image_shape)
    coder = archives.coder_for(subject, frames, codec, None, lossless=False)
    with pytest.raises(KeyboardInterrupt), whole_file(path) as out:
        archives.write_archive(out, subject, frames, coder, "", break_off)
    assert path.read_bytes() == b"before" and [one.name for one in tmp_path.iterdir()] == ["a.rsc"]


def test_many_blocks_are_one_archive(
    model: HVAE, codec: Codec, fresh: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = compress(model, fresh, codec=codec)
    monkeypatch.setattr(archives, "BLOCK", 64)
    several = compress(model, fresh, codec=codec)
    with Archive.opened(several) as archive:
        assert archive.header.blocks == 5 and [archive.header.in_block(b) for b in range(5)] == [64] * 4 + [44]
    monkeypatch.undo()
    assert torch.allclose(decompress(several, model), decompress(one, model), atol=1e-5)
