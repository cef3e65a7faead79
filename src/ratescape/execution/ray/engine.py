"""The Ray engine: packs as tasks, wherever in a cluster there is room.

The results folder is written here, by the process that the sweep was started in, and nowhere else.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ratescape.data.catalog import ImageData
from ratescape.errors import RecordError, ResourceError
from ratescape.execution.engine import Job
from ratescape.execution.packing import Pack, member_bytes
from ratescape.execution.ray.board import Board
from ratescape.execution.ray.failures import Piece, instead, persistently, smaller
from ratescape.execution.ray.store import Files, read_files, write_files
from ratescape.execution.ray.tasks import LAST_WORDS, Order, judge_task, network_task, pack_task, size_task
from ratescape.execution.workspace import is_trained
from ratescape.records.files import write_atomically
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import key
from ratescape.specs.runs import NetworkSpec, RunSpec
from ratescape.specs.sweep import SweepSpec

PATIENCE = 60.0
"""Seconds to wait for the first machine with the device; those of a starting cluster come one by one."""


class RayEngine:
    """Carries out packs on the Ray cluster that this process has joined.

    Args:
        execution: on which device, and how many tasks at a time.

    Raises:
        ResourceError: no machine of the cluster has the device.
    """

    def __init__(self, execution: ExecutionSpec) -> None:
        gpu = execution.device.startswith("cuda")
        if execution.device == "auto":
            gpu = ray.cluster_resources().get("GPU", 0) >= 1
            execution = dataclasses.replace(execution, device="cuda" if gpu else "cpu")
        self.execution = execution
        """How tasks work, with the device they use."""
        self.gpu = gpu
        self.processes = self._wait_for_room()
        machines = sum(node["Alive"] for node in ray.nodes())
        self.title = f"Ray cluster of {machines} machine(s), {self.processes} {'GPU' if gpu else 'CPU'}(s)"

    def _wait_for_room(self) -> int:
        """Tasks that run side by side, once there is room for one."""
        kind, end = "GPU" if self.gpu else "CPU", time.monotonic() + PATIENCE
        while (count := int(ray.cluster_resources().get(kind, 0))) < 1:
            if time.monotonic() > end:
                raise ResourceError(
                    f"execution.device is {self.execution.device!r}, but no machine of the Ray cluster offers a "
                    f"{kind}: start its worker machines, or choose another device"
                )
            time.sleep(0.5)
        return min(count, self.execution.workers or count)

    def pack_size(self, spec: SweepSpec, data: ImageData, execution: ExecutionSpec) -> int:
        """As of :meth:`ratescape.execution.engine.Engine.pack_size`: as many as fit, and leave no machine idle."""
        alone = dataclasses.replace(self.execution, engine="in-process", address=None, results=None)
        sized = self.task(size_task)
        fitting: int = persistently("the size of packs", lambda: ray.get(sized.remote(spec, data, alone)))
        return fitting if execution.pack else min(fitting, math.ceil(len(spec.runs()) / self.processes))

    def task(self, function: Callable[..., Any], memory: int = 0) -> Any:
        """A function as a task of one thread, and of one GPU where they are used; lost ones are our business."""
        wanted = {"num_gpus": 1} if self.gpu else {"memory": memory} if memory else {}
        return ray.remote(function).options(num_cpus=1, max_retries=0, **wanted)

    def carry_out(self, job: Job) -> None:
        """As of :meth:`ratescape.execution.engine.Engine.carry_out`."""
        work = _Work(self, job)
        work.fetch(job.networks, job.packs)
        judge = work.judge() if job.packs else []
        if any(map(work.is_trained, job.packs)):  # the judge tells whether what is trained is measured by it
            work.carry_out(judge)
            judge = []
        networks = [network for network in job.networks if not job.folder.network(network).weights.exists()]
        packs = [pack for pack in job.packs if not all(map(work.is_complete, pack.runs))]
        first = [*(judge if packs else []), *map(work.network, networks)]
        # Models are taken from their networks. And a task that waits for the judge keeps its GPU, of which the judge
        # may want one, but not its CPU.
        if networks or self.gpu:
            work.carry_out(first)
            first = []
        work.carry_out([*first, *map(work.pack, packs)])


class _Work:
    """A sweep's work on a cluster."""

    def __init__(self, engine: RayEngine, job: Job) -> None:
        self.engine, self.job = engine, job
        self.images = ray.put(job.workspace.data)
        # Where this process runs: a machine that has just died is trusted until it has missed enough heartbeats.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        board = ray.remote(Board).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here)
        self.board: Any = board.remote()
        self.order = Order(job.workspace.evaluation, engine.execution, self.board, factory=job.factory)
        self.store = self.order.store(job.workspace.data)
        self.reading: Any = self.board.drain.remote()
        self.networks: dict[NetworkSpec, Any] = {}
        self.each: int | None = None

    def fetch(self, networks: Sequence[NetworkSpec], packs: Sequence[Pack]) -> None:
        """Take in what lies finished in the store."""
        if self.store is None:
            return
        for network in networks:
            folder = self.job.folder.network(network)
            if not folder.weights.exists() and (files := self.store.get(key(network), folder.weights.name)):
                self._take_in(folder.path.name, folder.path, files)
        for folder in (self.job.folder.run(run) for pack in packs for run in pack.runs):
            if not is_trained(folder) and (files := self.store.get(folder.path.name, "done")):
                self._take_in(folder.path.name, folder.path, files)

    def _take_in(self, name: str, path: Any, files: Files) -> None:
        write_files(path, files)
        self.job.tracker.receive({"kind": "written", "runs": [name]})

    def judge(self) -> list[Piece]:
        """The judge, unless it is not wanted or there already."""
        path = self.job.workspace.judge_path
        if path is None:
            return []
        if path.exists():
            self.order = dataclasses.replace(self.order, judge=(ray.put(path.read_bytes()),))
            return []

        def begin() -> Any:
            judging = self.engine.task(judge_task).remote(self.order, self.images)
            self.order = dataclasses.replace(self.order, judge=(judging,))
            return judging

        return [Piece("the judge", begin, lambda content: write_atomically(path, content))]

    def network(self, spec: NetworkSpec) -> Piece:
        """A conditioned network."""
        folder, memory = self.job.folder.network(spec), self._member_bytes(spec)

        def begin() -> Any:
            return self.engine.task(network_task, memory).remote(self.order, self.images, spec)

        def finish(files: Files | None) -> None:
            self._take_in(key(spec), folder.path, files or self._stored(key(spec), folder.weights.name))

        return Piece("a conditioned network", begin, finish, memory=memory)

    def pack(self, pack: Pack) -> Piece:
        """A pack, or a part of one."""
        memory = len(pack.runs) * self._member_bytes(pack.runs[0])
        folders = [self.job.folder.run(run) for run in pack.runs]

        def begin() -> Any:
            present = {folder.path.name: read_files(folder.path) for folder in folders if is_trained(folder)}
            task, network = self.engine.task(pack_task, memory), self._network_of(pack.runs[0])
            return task.remote(self.order, self.images, network, pack, present)

        def finish(made: dict[str, Files | None]) -> None:
            for folder in folders:
                name = folder.path.name
                if not self.job.workspace.is_complete(folder):
                    self._take_in(name, folder.path, made[name] or self._stored(name, "done"))

        def halves() -> list[Piece]:
            parts = pack.halves() if len(pack.runs) > 1 else ()
            return [self.pack(part) for part in parts if not all(map(self.is_complete, part.runs))]

        return Piece(f"{len(pack.runs)} model(s)", begin, finish, halves, memory)

    def is_trained(self, pack: Pack) -> bool:
        """Whether some of a pack's runs are trained."""
        return any(is_trained(self.job.folder.run(run)) for run in pack.runs)

    def is_complete(self, run: RunSpec) -> bool:
        """Whether a run is trained and measured."""
        return self.job.workspace.is_complete(self.job.folder.run(run))

    def _member_bytes(self, spec: RunSpec | NetworkSpec) -> int:
        if self.each is None:
            self.each = member_bytes(spec, self.job.workspace.data, self.job.workspace.execution.checkpointing)
        return self.each

    def _network_of(self, run: RunSpec) -> Any:
        """Reference to the files of the network that a run is taken from, if it is."""
        if run.merged is None:
            return None
        spec = run.merged.network
        if spec not in self.networks:
            self.networks[spec] = ray.put(read_files(self.job.folder.network(spec).path))
        return self.networks[spec]

    def _stored(self, name: str, mark: str) -> Files:
        files = None if self.store is None else self.store.get(name, mark)
        if files is None:
            raise RecordError(
                f"{name} is not under {self.engine.execution.results}, where a machine of the cluster put it: choose "
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
                self._pass_on()
            self._pass_on(LAST_WORDS)
            self._pass_on(LAST_WORDS)  # what arrived while the reading before was under way
        finally:
            for reference in running:  # none, unless something went wrong: the cluster may not be ours to end
                with contextlib.suppress(RayError, OSError):
                    ray.cancel(reference, force=True)

    def _begin(self, waiting: list[Piece], running: dict[Any, Piece]) -> None:
        """Have Ray begin what waits, as far as it may; pieces too large for any machine are halved first."""
        most = self.engine.execution.workers or math.inf
        while waiting and len(running) < most:
            piece = waiting.pop(0)
            if piece.memory > self._largest_machine():
                waiting[:0] = smaller(piece, None)
            else:
                running[piece.begin()] = piece

    def _largest_machine(self) -> float:
        """Bytes of memory of the cluster's largest machine; a GPU's memory is its own."""
        if self.engine.gpu:
            return math.inf
        working = (node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU"))
        return max((resources.get("memory", 0) for resources in working), default=math.inf)  # others may come

    def _pass_on(self, patience: float = 0.0) -> None:
        """Pass on what running tasks told, if the reading under way is over within so many seconds."""
        if not ray.wait([self.reading], timeout=patience)[0]:
            return
        with contextlib.suppress(RayError):  # the machine with the board died; it is restarted elsewhere
            messages: list[Any] = ray.get(self.reading)
            for message in messages:
                self.job.tracker.receive(message)
        self.reading = self.board.drain.remote()
