"""Fetching from a loopback server that answers well, badly, partly, or not at all."""

import concurrent.futures
import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.loopback import Server
from helpers.toy_files import change_source, idx_bytes, without_data

from ratescape.data import fetching
from ratescape.data.catalog import load_data
from ratescape.data.locating import fetch as fetch_known
from ratescape.data.sources import SOURCES
from ratescape.errors import DataError

CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetching, "TIMEOUT", (5, 5))
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(folder: Path, *mirrors: str) -> Path:
    fetching.fetch_files("toys", {"toys.bin": MD5}, mirrors, folder)
    return folder / "toys.bin"


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_good_file(server: Server, tmp_path: Path) -> None:
    server.files["/toys.bin"] = CONTENT
    path = fetch(tmp_path / "new" / "folder", server.address)
    assert path.read_bytes() == CONTENT
    assert left_in(path.parent) == {"toys.bin"}
    assert server.asked == [("/toys.bin", None)]


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    server.files["/toys.bin"] = CONTENT
    path = fetch(tmp_path, server.address)
    fetch(tmp_path, server.address)
    assert len(server.asked) == 1
    path.write_bytes(b"damaged")
    assert fetch(tmp_path, server.address).read_bytes() == CONTENT


def test_next_mirror_where_one_lacks_the_file(server: Server, tmp_path: Path) -> None:
    server.files["/b/toys.bin"] = CONTENT
    assert fetch(tmp_path, server.address + "a/", server.address + "b/").read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/a/toys.bin", "/b/toys.bin"]


def test_next_mirror_where_one_has_corrupted_content(server: Server, tmp_path: Path) -> None:
    server.files["/a/toys.bin"] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    server.files["/b/toys.bin"] = CONTENT
    assert fetch(tmp_path, server.address + "a/", server.address + "b/").read_bytes() == CONTENT
    assert server.asked == [("/a/toys.bin", None), ("/b/toys.bin", None)]


def test_wrong_checksum_everywhere(server: Server, tmp_path: Path) -> None:
    server.files["/a/toys.bin"] = b"<html>moved</html>"
    server.files["/b/toys.bin"] = CONTENT[:1000]
    with pytest.raises(DataError) as caught:
        fetch(tmp_path, server.address + "a/", server.address + "b/")
    message = str(caught.value)
    assert "\n" not in message
    assert message.count("wrong content (its checksum differs)") == 2
    assert f"put them into {tmp_path}" in message
    assert left_in(tmp_path) == set()


def test_cut_connection_is_resumed(server: Server, tmp_path: Path) -> None:
    server.files["/toys.bin"] = CONTENT
    server.cuts["/toys.bin"] = [100_000, 200_000]
    assert fetch(tmp_path, server.address).read_bytes() == CONTENT
    assert server.asked == [
        ("/toys.bin", None),
        ("/toys.bin", "bytes=100000-"),
        ("/toys.bin", "bytes=200000-"),
    ]


def test_partial_file_of_an_earlier_call_is_resumed(server: Server, tmp_path: Path) -> None:
    server.files["/toys.bin"] = CONTENT
    server.cuts["/toys.bin"] = [100_000, 0]
    with pytest.raises(DataError, match=r"toys.bin of toys could not be fetched .*cut after 100000 bytes"):
        fetch(tmp_path, server.address)
    assert left_in(tmp_path) == {"toys.bin.part"}
    server.asked.clear()
    assert fetch(tmp_path, server.address).read_bytes() == CONTENT
    assert server.asked == [("/toys.bin", "bytes=100000-")]
    assert left_in(tmp_path) == {"toys.bin"}


def test_next_mirror_resumes_what_another_began(server: Server, tmp_path: Path) -> None:
    server.files |= {"/a/toys.bin": CONTENT, "/b/toys.bin": CONTENT}
    server.cuts["/a/toys.bin"] = [100_000, 0]
    assert fetch(tmp_path, server.address + "a/", server.address + "b/").read_bytes() == CONTENT
    assert server.asked[-1] == ("/b/toys.bin", "bytes=100000-")


def test_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.files["/toys.bin"] = CONTENT
    server.ranges = False
    server.cuts["/toys.bin"] = [100_000]
    assert fetch(tmp_path, server.address).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_server_that_always_cuts(server: Server, tmp_path: Path) -> None:
    server.files["/toys.bin"] = CONTENT
    server.cuts["/toys.bin"] = [1000 * (number + 1) for number in range(20)]
    with pytest.raises(DataError, match="cut after 5000 bytes"):
        fetch(tmp_path, server.address)
    assert len(server.asked) == fetching.CONNECTIONS


@pytest.mark.parametrize("size", [1000, len(CONTENT), len(CONTENT) + 1])
def test_partial_file_of_other_content_is_discarded(server: Server, tmp_path: Path, size: int) -> None:
    server.files["/toys.bin"] = CONTENT
    (tmp_path / "toys.bin.part").write_bytes(bytes(size))
    assert fetch(tmp_path, server.address).read_bytes() == CONTENT
    assert server.asked == [("/toys.bin", f"bytes={size}-"), ("/toys.bin", None)]


def test_complete_partial_file_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    server.files["/toys.bin"] = CONTENT
    (tmp_path / "toys.bin.part").write_bytes(CONTENT)
    assert fetch(tmp_path, server.address).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_bytes_are_kept_as_sent(server: Server, tmp_path: Path) -> None:
    """A .gz file that a server calls an encoding is stored gzipped, as its checksum says."""
    server.files["/toys.gz"] = CONTENT
    fetching.fetch_files("toys", {"toys.gz": MD5}, (server.address,), tmp_path)
    assert (tmp_path / "toys.gz").read_bytes() == CONTENT
    assert server.encodings == ["identity"]


def test_no_mirror_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        mirror = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(DataError) as caught:
            fetch(tmp_path, mirror + "a/", mirror + "b/")
    assert str(caught.value) == (
        f"toys.bin of toys could not be fetched ({mirror}a/: no connection; {mirror}b/: no connection): "
        f"try again later, or get toys.bin by other means and put them into {tmp_path}"
    )


def test_mirror_that_falls_silent(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT", (5, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(DataError, match="no answer in time"):
        fetch(tmp_path, f"http://127.0.0.1:{mute.getsockname()[1]}/")


def test_folder_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"toys cannot be written to .*: free some space or use another folder"):
        fetch(tmp_path / "file" / "folder", server.address)
    assert server.asked == []


def test_progress_goes_to_stderr(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.files["/toys.bin"] = CONTENT
    fetching.fetch_files("toys", {"toys.bin": MD5}, (server.address,), tmp_path / "shown", progress=True)
    shown = capsys.readouterr()
    assert "toys.bin" in shown.err
    assert shown.out == ""
    fetch(tmp_path / "silent", server.address)
    assert capsys.readouterr() == ("", "")


def test_calls_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    server.files["/toys.bin"] = CONTENT
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(fetch, tmp_path, server.address) for _ in range(3)]
    assert [call.result().read_bytes() for call in calls] == [CONTENT] * 3
    assert len(server.asked) == 1


# By name


@pytest.fixture
def tiny_mnist(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server that has an MNIST of a few images, and a machine that has none; the folder of its cache."""
    images, labels = np.arange(40, dtype=np.uint8).reshape(10, 2, 2), np.arange(10, dtype=np.uint8)
    contents = dict(zip(SOURCES["mnist"].files, map(idx_bytes, (images, labels, images, labels)), strict=True))
    server.files |= {f"/{name}": content for name, content in contents.items()}
    checksums = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    without_data(tmp_path, monkeypatch)
    change_source(monkeypatch, "mnist", files=checksums, mirrors=(server.address,))
    return tmp_path / "cache" / "ratescape" / "mnist"


def test_set_is_fetched_once_to_the_cache(server: Server, tiny_mnist: Path) -> None:
    data = load_data("mnist")
    assert data.classes == tuple("0123456789")
    assert len(server.asked) == 4
    assert left_in(tiny_mnist) == set(SOURCES["mnist"].files)
    assert load_data("mnist").fingerprint == data.fingerprint
    assert fetch_known("mnist") == tiny_mnist
    assert len(server.asked) == 4


def test_fetch_replaces_a_damaged_file_of_the_cache(server: Server, tiny_mnist: Path) -> None:
    fetch_known("mnist")
    damaged = tiny_mnist / "t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-2])
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz is truncated"):
        load_data("mnist")
    fetch_known("mnist")
    assert len(server.asked) == 5
    assert len(load_data("mnist").test.pixels) == 10


def test_fetch_to_a_folder(server: Server, tiny_mnist: Path, tmp_path: Path) -> None:
    assert fetch_known("mnist", tmp_path / "mine") == tmp_path / "mine"
    assert not tiny_mnist.exists()
    assert len(load_data("mnist", folder=tmp_path / "mine", fetch=False).test.pixels) == 10
    assert len(server.asked) == 4


def test_fetch_leaves_a_set_where_it_is(
    server: Server, tiny_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_known("mnist", tmp_path / "data" / "mnist")
    server.asked.clear()
    monkeypatch.setenv("RATESCAPE_DATA", str(tmp_path / "data"))
    assert fetch_known("mnist") == tmp_path / "data" / "mnist"
    assert server.asked == []


def test_nothing_is_fetched_unasked(server: Server, tiny_mnist: Path) -> None:
    with pytest.raises(DataError, match=f"mnist is not on this machine: put train-images.* into {tiny_mnist}"):
        load_data("mnist", fetch=False)
    assert server.asked == []
