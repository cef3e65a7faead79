"""The local engine: packs one after the other in this process, or side by side in worker processes.

However a sweep ends, by itself, by Ctrl-C or killed, its workers end with it.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import torch

from ratescape.compute.cores import threads
from ratescape.compute.devices import chosen_device
from ratescape.data.catalog import ImageData
from ratescape.data.prepared import read_prepared
from ratescape.errors import MemoryShortage
from ratescape.execution.engine import Job
from ratescape.execution.networks import complete_network
from ratescape.execution.packing import Pack, pack_size, split, workers
from ratescape.execution.progress.messages import Tell
from ratescape.execution.progress.notes import Notes, followed
from ratescape.execution.provenance import device_name
from ratescape.execution.work import PackWork, complete_pack
from ratescape.execution.workers import Call, Pool, Worker, worker_processes
from ratescape.execution.workspace import Workspace, hand_over
from ratescape.records.folders import SweepFolder
from ratescape.records.locks import waited_for
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.factories import allow_factories
from ratescape.specs.identity import key
from ratescape.specs.runs import NetworkSpec
from ratescape.specs.sweep import SweepSpec


@contextlib.contextmanager
def local_engine(execution: ExecutionSpec) -> Iterator["LocalEngine"]:
    """The engine of this machine; raises :class:`ResourceError` if it has no such device."""
    yield LocalEngine(execution)


class LocalEngine:
    """Carries out packs on this machine.

    Args:
        execution: on which device, and in how many processes.
    """

    def __init__(self, execution: ExecutionSpec) -> None:
        device = chosen_device(execution.device)
        self.title = device_name(device)
        self.workers = workers(execution, device)
        self.processes = max(1, self.workers)

    def pack_size(self, spec: SweepSpec, data: ImageData, execution: ExecutionSpec) -> int:
        """As of :meth:`ratescape.execution.engine.Engine.pack_size`, for this machine."""
        return pack_size(spec, data, execution)

    def carry_out(self, job: Job) -> None:
        """As of :meth:`ratescape.execution.engine.Engine.carry_out`."""
        count = min(self.workers, max(len(job.packs), len(job.networks)))
        if count:
            _by_workers(job, count, network_threads(job, self.workers))
            return
        for network in job.networks:
            with _alone(job.folder, key(network)):
                complete_network(network, job.folder.network(network), job.workspace, job.tracker.receive)
        waiting = list(job.packs)
        while waiting:
            pack = waiting.pop(0)
            try:
                with _alone(job.folder, pack.name):
                    complete_pack(PackWork.of(pack, job.folder), job.workspace, job.tracker.receive)
            except MemoryShortage:
                if len(pack.runs) == 1:
                    raise
                torch.cuda.empty_cache()  # does nothing without a GPU
                waiting[:0] = split(pack, job.folder)


def _alone(folder: SweepFolder, name: str) -> contextlib.AbstractContextManager[None]:
    """Wait until nobody else works at something: a worker of a killed sweep lives on for up to a second."""
    return waited_for(folder.packs / f"{name}.lock")


# Worker processes


@dataclasses.dataclass(frozen=True)
class _Piece:
    """Work for one call of a worker."""

    call: Call
    pack: Pack | None = None
    """What is halved where memory does not suffice."""


@dataclasses.dataclass(frozen=True)
class _Order:
    """What every call of a worker is given."""

    images: Path
    folder: Path
    evaluation: EvaluationSpec
    execution: ExecutionSpec
    factory: str | None
    """Of the networks: the user, who gave it, has allowed it."""

    def teller(self, name: str) -> Tell:
        return Notes.teller(SweepFolder(self.folder).packs, name)


def network_threads(job: Job, count: int) -> int:
    """By how many threads a network is trained where there are so many worker processes, of one thread each.

    A single network shall not leave cores idle. What is left of a sweep does not count, since the last digits of a
    network depend on its threads: one that is trained anew is to be what it was.
    """
    return max(1, count // max(1, len(job.folder.spec().networks())))


def _by_workers(job: Job, count: int, of_network: int) -> None:
    """Carry out a job by so many worker processes, networks by ``of_network`` threads each and all else by one."""
    workspace = job.workspace
    images = hand_over(workspace.data, job.folder)
    order = _Order(images, job.folder.path, workspace.evaluation, workspace.execution, job.factory)
    judges = [_Piece(Call(_obtain_judge, (order,)))] if workspace.judge_digest is None else []
    networks = [_Piece(Call(_train_network, (order, network, of_network))) for network in job.networks]
    packs = [_Piece(Call(_complete_pack, (order, pack)), pack) for pack in job.packs]
    with worker_processes(count) as pool, followed(Notes(job.folder.packs), job.tracker):
        # The judge first, so that nobody waits for it who could train. Models are taken from their networks.
        phases = [[*judges, *networks], packs] if networks else [[*judges, *packs]]
        for phase in phases:
            _have_done(pool, phase, job.folder)


def _have_done(pool: Pool, waiting: list[_Piece], folder: SweepFolder) -> None:
    """Have all pieces done in about their order; packs too large for the memory are halved."""
    waiting, running = list(waiting), dict[Worker, _Piece]()
    while waiting or running:
        while waiting and pool.has_room:
            piece = waiting.pop(0)
            running[pool.begin(piece.call)] = piece
        for worker in pool.ended():
            piece = running.pop(worker)
            try:
                worker.finish()
            except MemoryShortage:
                if piece.pack is None or len(piece.pack.runs) == 1:
                    raise
                order, _ = piece.call.arguments
                halves = split(piece.pack, folder)
                waiting[:0] = [_Piece(Call(piece.call.function, (order, half)), half) for half in halves]


# In a worker process


@functools.lru_cache(maxsize=1)
def _workspace(order: _Order) -> Workspace:
    """Images and judge, loaded once a process."""
    allow_factories([order.factory] if order.factory else [])
    return Workspace(read_prepared(order.images), SweepFolder(order.folder), order.evaluation, order.execution)


def _obtain_judge(order: _Order) -> None:
    """Have the judge that the models' samples will need."""
    _workspace(order).judge(order.teller("judge"))


def _train_network(order: _Order, spec: NetworkSpec, count: int) -> None:
    folder = SweepFolder(order.folder)
    with _alone(folder, key(spec)), threads(count):
        complete_network(spec, folder.network(spec), _workspace(order), order.teller(key(spec)))


def _complete_pack(order: _Order, pack: Pack) -> None:
    folder = SweepFolder(order.folder)
    with _alone(folder, pack.name):
        complete_pack(PackWork.of(pack, folder), _workspace(order), order.teller(pack.name))
