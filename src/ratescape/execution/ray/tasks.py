"""What a task of Ray does on a machine of a cluster: train and measure there, and give the files back.

Machines share nothing but Ray: images, networks and the judge come through its object store, files of finished models
go back through it, or through a store that has a URL.
"""

import contextlib
import dataclasses
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import RayError

from ratescape.data.catalog import ImageData
from ratescape.errors import ResourceError, SpecError
from ratescape.execution.networks import complete_network
from ratescape.execution.packing import Pack, pack_size
from ratescape.execution.progress.messages import Message
from ratescape.execution.ray.store import Files, Store, read_files, write_files
from ratescape.execution.work import PackWork, complete_pack
from ratescape.execution.workspace import Workspace
from ratescape.records.files import write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.records.locks import waited_for
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.factories import allow_factories, factory_of
from ratescape.specs.identity import key
from ratescape.specs.runs import NetworkSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.version import __version__

LAST_WORDS = 10.0
"""Seconds to wait at most until what was told has arrived."""


@dataclasses.dataclass(frozen=True)
class Order:
    """What all tasks of a sweep are given."""

    evaluation: EvaluationSpec
    execution: ExecutionSpec
    board: Any
    """Handle of the :class:`ratescape.execution.ray.board.Board`."""
    judge: tuple[Any, ...] = ()
    """Reference to the judge's file, if there is to be one; to be waited for when it is needed."""
    factory: str | None = None
    """What builds the networks, where a factory of the user's does."""
    version: str = __version__

    def begin(self) -> None:
        """Make this process one of one thread; refuse to work with another ratescape or factory than the driver's."""
        if self.version != __version__:
            raise ResourceError(
                f"machine {ray.util.get_node_ip_address()} has ratescape {__version__} and this one {self.version}: "
                "install the same on all"
            )
        import_factory(self.factory)
        torch.set_num_threads(1)

    def store(self, data: ImageData) -> Store | None:
        """The store that finished models go to; None if they go through Ray."""
        return None if self.execution.results is None else Store(self.execution.results, data.fingerprint)

    def workspace(self, data: ImageData, folder: SweepFolder) -> Workspace:
        """Images and judge for a task that works in ``folder``."""
        return Workspace(data, folder, self.evaluation, self.execution, self.fetch_judge)

    def fetch_judge(self, path: Path) -> None:
        """Put the sweep's judge where it is looked for."""
        if self.judge and not path.exists():
            with contextlib.suppress(RayError):  # the machine that trained it died: this one trains it
                write_atomically(path, ray.get(self.judge[0]))


def import_factory(name: str | None) -> None:
    """Import the factory that the driver's networks are built by; raises :class:`ResourceError` if it is not here."""
    try:
        if name is not None:
            allow_factories([name])
            factory_of(name)
    except SpecError as error:
        raise ResourceError(f"machine {ray.util.get_node_ip_address()} of the Ray cluster: {error}") from error


def size_task(spec: SweepSpec, data: ImageData, execution: ExecutionSpec) -> int:
    """Members of a pack, as :func:`ratescape.execution.packing.pack_size` finds them on a machine of the cluster."""
    import_factory(spec.model.factory)
    return pack_size(spec, data, execution)


class Teller:
    """Tells the driver; that something is written it knows itself, once the files have reached it."""

    def __init__(self, board: Any) -> None:
        self.board = board
        self.last: Any = None

    def __call__(self, message: Message) -> None:
        if message["kind"] != "written":
            self.last = self.board.tell.remote(message)

    def finish(self) -> None:
        """Wait until all has arrived, which it does in order, so that the driver reads it before it ends."""
        if self.last is not None:
            with contextlib.suppress(RayError):  # the machine with the board died
                ray.get(self.last, timeout=LAST_WORDS)


def judge_task(order: Order, data: ImageData) -> bytes:
    """Have the judge that the models' samples will need; its file."""
    order.begin()
    with _bench(data.fingerprint, "judge") as folder:
        workspace, tell = order.workspace(data, folder), Teller(order.board)
        workspace.judge(tell)
        tell.finish()
        return b"" if workspace.judge_path is None else workspace.judge_path.read_bytes()


def network_task(order: Order, data: ImageData, spec: NetworkSpec) -> Files | None:
    """One conditioned network; its files, unless they went to the store."""
    order.begin()
    with _bench(data.fingerprint, key(spec)) as bench:
        folder = bench.network(spec)
        tell = Teller(order.board)
        complete_network(spec, folder, order.workspace(data, bench), tell)
        tell.finish()
        files = read_files(folder.path)
    store = order.store(data)
    return files if store is None else store.put(key(spec), files)


def pack_task(
    order: Order, data: ImageData, network: Files | None, pack: Pack, present: dict[str, Files]
) -> dict[str, Files | None]:
    """One pack; the files of each run by its key, unless they went to the store.

    Args:
        network: files of the network that the models are taken from.
        present: files of runs that are trained, and perhaps to be measured anew.
    """
    order.begin()
    with _bench(data.fingerprint, *map(key, pack.runs)) as bench:
        work = PackWork.of(pack, bench)
        for name, files in present.items():
            write_files(bench.path / "runs" / name, files)
        if work.network is not None and network is not None:
            write_files(work.network.path, network)
        tell = Teller(order.board)
        complete_pack(work, order.workspace(data, bench), tell)
        tell.finish()
        made = {folder.path.name: read_files(folder.path) for folder in work.folders}
    store = order.store(data)
    return {name: files if store is None else store.put(name, files) for name, files in made.items()}


@contextlib.contextmanager
def _bench(*identity: str) -> Iterator[SweepFolder]:
    """A folder of this machine's own for one training; what a killed task left there is taken up again."""
    name = hashlib.sha256("-".join(identity).encode()).hexdigest()[:16]
    bench = Path(tempfile.gettempdir()) / f"ratescape-{os.getuid()}"
    bench.mkdir(mode=0o700, exist_ok=True)
    lock = bench / f"{name}.lock"
    with waited_for(lock):
        yield SweepFolder(bench / name)
        shutil.rmtree(bench / name)
        lock.unlink()
