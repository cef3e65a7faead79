"""Packs as tasks of Ray, wherever in a cluster there is room: what is begun, what is tried again, what comes back.

The results folder is written here, by the process that the sweep was started in, and nowhere else.
"""

import contextlib
import dataclasses
import math
import re
import time
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayError,
    RaySystemError,
    RayTaskError,
    WorkerCrashedError,
)

from ratescape.data.catalog import ImageData
from ratescape.errors import MemoryShortage, RatescapeError, RecordError, ResourceError
from ratescape.execution.local import note_steps
from ratescape.execution.packing import Pack, member_bytes, pack_size
from ratescape.execution.ray.board import Board
from ratescape.execution.ray.tasks import Files, Job, judge_task, network_task, pack_task, read_files, write_files
from ratescape.execution.work import is_complete, is_trained
from ratescape.judges import cache
from ratescape.judges.recipes import judge_spec
from ratescape.records import files
from ratescape.records.folders import SweepFolder
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import key
from ratescape.specs.runs import MergedSpec, NetworkSpec, RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.version import __version__

TRIES = 4
"""Times that a task is begun before machines that die under it are taken for its own fault."""

PATIENCE = 60.0
"""Seconds to wait for the first machine with the device; those of a starting cluster come one by one."""

LOST = (NodeDiedError, WorkerCrashedError, LocalRayletDiedError, ObjectLostError)
"""A machine or process died, and took the task or what it needed along."""


class Cluster:
    """The Ray cluster that this process has joined, for one sweep.

    Raises:
        ResourceError: no machine of it has the device.
    """

    def __init__(self, execution: ExecutionSpec) -> None:
        gpu = execution.device.startswith("cuda")
        if execution.device == "auto":
            gpu = ray.cluster_resources().get("GPU", 0) >= 1
            execution = dataclasses.replace(execution, device="cuda" if gpu else "cpu")
        self.execution = execution
        """How tasks work, with the device they use."""
        self.gpu = gpu
        self.places = self._wait_for_places()
        """Tasks that run side by side."""

    def _wait_for_places(self) -> int:
        kind, end = "GPU" if self.gpu else "CPU", time.monotonic() + PATIENCE
        while (count := int(ray.cluster_resources().get(kind, 0))) < 1:
            if time.monotonic() > end:
                raise ResourceError(
                    f"execution.device is {self.execution.device!r}, but no machine of the Ray cluster offers a "
                    f"{kind}: start its worker machines, or choose another device"
                )
            time.sleep(0.5)
        return min(count, self.execution.workers or count)

    @property
    def title(self) -> str:
        """The cluster in words."""
        machines = sum(node["Alive"] for node in ray.nodes())
        return f"Ray cluster of {machines} machine(s), {self.places} {'GPU' if self.gpu else 'CPU'}(s)"

    def pack_size(self, spec: SweepSpec, data: ImageData, execution: ExecutionSpec) -> int:
        """Members of a pack: as asked for, or as many as fit on a machine of the cluster and leave none idle.

        Raises:
            ResourceError: as :func:`ratescape.execution.packing.pack_size`.
        """
        alone = dataclasses.replace(self.execution, engine="in-process", address=None, results=None)
        try:
            fitting: int = ray.get(self.task(pack_size).remote(spec, data, alone))
        except RayError as error:
            raise _plain(error) from error
        return fitting if execution.pack else min(fitting, math.ceil(len(spec.runs()) / self.places))

    def task(self, function: Callable[..., Any], memory: int = 0) -> Any:
        """A function as a task of one thread, and of one GPU where they are used; lost ones are our business."""
        wanted = {"num_gpus": 1} if self.gpu else {"memory": memory} if memory else {}
        return ray.remote(function).options(num_cpus=1, max_retries=0, **wanted)

    def carry_out(
        self,
        networks: list[NetworkSpec],
        pending: list[Pack],
        folder: SweepFolder,
        data: ImageData,
        evaluation: EvaluationSpec,
    ) -> None:
        """Train the networks that are not there yet, then all pending packs, and write what comes back.

        Raises:
            RatescapeError: what a task ended with, or that memory or machines do not last.
        """
        work = _Work(self, folder, data, evaluation)
        work.fetch(networks, pending)
        networks = [network for network in networks if not folder.network(network).weights.exists()]
        packs = [pack for pack in pending if not all(is_complete(folder.run(run), evaluation) for run in pack.runs)]
        first = [*(work.judge() if packs else []), *map(work.network, networks)]
        # Models are taken from their networks. And a task that waits for the judge keeps its GPU, of which the judge
        # may want one, but not its CPU.
        if networks or self.gpu:
            work.carry_out(first)
            first = []
        work.carry_out([*first, *map(work.pack, packs)])


@dataclasses.dataclass(eq=False)
class Piece:
    """Work for one task."""

    what: str
    begin: Callable[[], Any]
    """Starts the task; returns the reference to its result."""
    finish: Callable[[Any], None]
    """Takes the result in."""
    halves: Callable[[], list["Piece"]] = list
    """The same work in smaller pieces; none if there are no smaller ones."""
    memory: int = 0
    """Bytes of a machine's memory that the task needs."""
    lost: int = 0
    """Times that a machine died under it."""


class _Work:
    """A sweep's work on a cluster."""

    def __init__(self, cluster: Cluster, folder: SweepFolder, data: ImageData, evaluation: EvaluationSpec) -> None:
        self.cluster, self.folder, self.data, self.evaluation = cluster, folder, data, evaluation
        self.images = ray.put(data)
        self.board: Any = ray.remote(Board).options(num_cpus=0, max_restarts=-1).remote()
        self.job = Job(evaluation, cluster.execution, self.board)
        self.store = self.job.store(data)
        self.reading: Any = self.board.read.remote()
        self.judging: list[Any] = []
        self.networks: dict[NetworkSpec, Any] = {}
        self.each: int | None = None

    def fetch(self, networks: list[NetworkSpec], packs: list[Pack]) -> None:
        """Take in what lies finished in the store."""
        if self.store is None:
            return
        for network in networks:
            place = self.folder.network(network)
            if not place.weights.exists() and (files := self.store.get(key(network), place.weights.name)):
                write_files(place.path, files)
        for place in (self.folder.run(run) for pack in packs for run in pack.runs):
            if not is_trained(place) and (files := self.store.get(place.path.name, "done")):
                write_files(place.path, files)

    def judge(self) -> list[Piece]:
        """The judge, unless it is not wanted or at hand."""
        how = judge_spec(self.data, self.evaluation)
        if how is None:
            return []
        path = cache.cache_path(self.data, how)
        if path.exists():
            self.judging = [ray.put(path.read_bytes())]
            return []

        def begin() -> Any:
            self.judging = [self.cluster.task(judge_task).remote(self.job, self.images)]
            return self.judging[0]

        return [Piece("the judge", begin, lambda content: files.write_atomically(path, content))]

    def network(self, spec: NetworkSpec) -> Piece:
        place, memory = self.folder.network(spec), self._member_bytes(spec)

        def begin() -> Any:
            task = self.cluster.task(network_task, memory)
            return task.remote(self.job, self.images, spec, str(place.steps.relative_to(self.folder.path)))

        def finish(files: Files | None) -> None:
            write_files(place.path, files or self._stored(key(spec), place.weights.name))

        return Piece("a conditioned network", begin, finish, memory=memory)

    def pack(self, pack: Pack, note: str | None = None) -> Piece:
        """A pack; its parts note their steps in the name of the planned one."""
        memory, name = len(pack.runs) * self._member_bytes(pack.runs[0]), note or f"packs/{pack.name}.steps"

        def begin() -> Any:
            places = [self.folder.run(run) for run in pack.runs]
            present = {place.path.name: read_files(place.path) for place in places if is_trained(place)}
            task, network = self.cluster.task(pack_task, memory), self._network_of(pack.runs[0])
            return task.remote(self.job, self.images, self.judging, network, pack, present, name)

        def finish(made: dict[str, Files | None]) -> None:
            for place in map(self.folder.run, pack.runs):
                if not is_complete(place, self.evaluation):
                    write_files(place.path, made[place.path.name] or self._stored(place.path.name, "done"))

        def halves() -> list[Piece]:
            parts = pack.halves() if len(pack.runs) > 1 else ()
            return [self.pack(part, name) for part in parts if not all(self._complete(run) for run in part.runs)]

        return Piece(f"{len(pack.runs)} model(s)", begin, finish, halves, memory)

    def _complete(self, run: RunSpec) -> bool:
        return is_complete(self.folder.run(run), self.evaluation)

    def _member_bytes(self, spec: RunSpec | NetworkSpec) -> int:
        if self.each is None:
            self.each = member_bytes(spec, self.data)
        return self.each

    def _network_of(self, run: RunSpec) -> Any:
        """Reference to the files of the network that a run is taken from, if it is."""
        if not isinstance(run, MergedSpec):
            return None
        if run.network not in self.networks:
            self.networks[run.network] = ray.put(read_files(self.folder.network(run.network).path))
        return self.networks[run.network]

    def _stored(self, name: str, mark: str) -> Files:
        files = None if self.store is None else self.store.get(name, mark)
        if files is None:
            raise RecordError(
                f"{name} is not under {self.cluster.execution.results}, where a machine of the cluster put it: choose "
                "an execution.results that all machines share, then run the same command again"
            )
        return files

    def carry_out(self, waiting: list[Piece]) -> None:
        """Have all pieces done, in about the order given; what is lost or too large is begun again."""
        running: dict[Any, Piece] = {}
        try:
            while waiting or running:
                self._begin(waiting, running)
                for reference in ray.wait(list(running), timeout=0.5)[0]:
                    piece = running.pop(reference)
                    try:
                        result = ray.get(reference)
                    except RayError as error:
                        waiting[:0] = instead(piece, error)
                    else:
                        piece.finish(result)
                self._note_progress()
        finally:
            for reference in running:  # none, unless something went wrong: the cluster may not be ours to end
                with contextlib.suppress(RayError, OSError):
                    ray.cancel(reference, force=True)

    def _begin(self, waiting: list[Piece], running: dict[Any, Piece]) -> None:
        """Have Ray begin what waits, as far as it may; pieces too large for any machine are halved first."""
        most = self.cluster.execution.workers or math.inf
        while waiting and len(running) < most:
            piece = waiting.pop(0)
            if piece.memory > self._largest_machine():
                waiting[:0] = smaller(piece, None)
            else:
                running[piece.begin()] = piece

    def _largest_machine(self) -> float:
        """Bytes of memory of the cluster's largest machine; a GPU's memory is its own."""
        if self.cluster.gpu:
            return math.inf
        working = (node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU"))
        return max((resources.get("memory", 0) for resources in working), default=math.inf)  # others may come

    def _note_progress(self) -> None:
        """Copy the notes of running tasks to where they are looked for."""
        if not ray.wait([self.reading], timeout=0)[0]:
            return
        with contextlib.suppress(RayError):  # the machine with the board died; it is restarted elsewhere
            noted: Any = ray.get(self.reading)
            for name, step in noted.items():
                note_steps(self.folder.path / name, step)
        self.reading = self.board.read.remote()


def instead(piece: Piece, error: RayError) -> list[Piece]:
    """What to begin in place of a piece that failed; raises where that is to no avail."""
    cause = _cause(error)
    if _out_of_memory(cause):
        return smaller(piece, cause)
    if not isinstance(cause, LOST):
        raise _plain(error) from error
    piece.lost += 1
    if piece.lost < TRIES:
        return [piece]
    raise ResourceError(
        f"machines or their processes died {TRIES} times while working at {piece.what}, probably because memory ran "
        "out: run the same command again on larger ones; what is finished is kept"
    ) from error


def smaller(piece: Piece, cause: BaseException | None) -> list[Piece]:
    """The halves of a piece too large for memory; raises where there are none."""
    halves = piece.halves()
    if halves:
        return halves
    if isinstance(cause, RatescapeError):
        raise cause
    raise ResourceError(
        f"{piece.what} at once did not fit into the memory of a machine of the cluster: choose another folder with "
        "--out and a smaller training.batch, or larger machines"
    ) from cause


def _cause(error: RayError) -> BaseException:
    """What a task itself ended with."""
    return error.cause if isinstance(error, RayTaskError) else error


def _out_of_memory(cause: BaseException) -> bool:
    """Whether memory ran out: by our own words, by torch's, or by Ray's, which kills tasks before the system does."""
    torchs = isinstance(cause, RuntimeError) and "out of memory" in str(cause)
    return torchs or isinstance(cause, MemoryShortage | MemoryError | OutOfMemoryError)


def _plain(error: RayError) -> Exception:
    """An error of Ray or of a task in one line, if it is one that the user can mend; else itself."""
    cause = _cause(error)
    if isinstance(cause, RatescapeError):
        return cause
    missing = cause.client_exc if isinstance(cause, RaySystemError) else cause
    if isinstance(missing, ImportError) or "failed to import on the worker" in str(cause):
        found = re.search(r"ip=([^,)]+)", str(error))
        reason = str(missing).splitlines()[0].split(" cannot be found from")[0]
        return ResourceError(
            f"machine {found[1] if found else 'unknown'} of the Ray cluster lacks what ratescape needs ({reason}): "
            f'install it in the environment that Ray runs in there: pip install "ratescape[ray]=={__version__}"'
        )
    if isinstance(error, RayTaskError):
        return error
    return ResourceError(
        f"the Ray cluster failed ({str(error).strip().splitlines()[0]}): run the same command again; what is finished "
        "is kept"
    )
