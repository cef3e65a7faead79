"""Carry out packs: one after the other in this process, or side by side in worker processes.

However a sweep ends, by itself, by Ctrl-C or killed, its workers end with it.
"""

import contextlib
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import torch
from joblib.externals.loky import BrokenProcessPool, ProcessPoolExecutor, as_completed

from ratescape.compute.devices import chosen_device
from ratescape.data.catalog import ImageData
from ratescape.data.prepared import read_prepared, write_prepared
from ratescape.errors import MemoryShortage, ResourceError
from ratescape.execution.packing import Pack, split, workers
from ratescape.execution.work import complete_network, complete_pack
from ratescape.judges.cache import judge_for
from ratescape.records import files
from ratescape.records.folders import SweepFolder
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import key
from ratescape.specs.runs import MergedSpec, NetworkSpec


def hand_over(data: ImageData, folder: SweepFolder) -> Path:
    """Put the prepared images where workers find them; an array's are kept, for nothing else holds them."""
    place = folder.path / "data" if data.spec.name.startswith("array:") else folder.packs / "data"
    if not (place / "facts.json").exists():
        write_prepared(data, place)
    return place


def carry_out(
    networks: list[NetworkSpec],
    pending: list[Pack],
    folder: SweepFolder,
    handed: Path,
    evaluation: EvaluationSpec,
    execution: ExecutionSpec,
) -> None:
    """Train the networks that are not there yet, then all pending packs: one after the other, or side by side.

    By as many processes of one thread each, if any; models of a conditioned sweep are taken from its networks.
    """
    networks = [network for network in networks if not folder.network(network).weights.exists()]
    count = min(workers(execution, chosen_device(execution.device)), max(len(pending), len(networks)))
    if not count:
        for network in networks:
            _network_task(network, folder, handed, execution)
        for pack in pending:
            _pack_task(pack, folder, handed, evaluation, execution)
        return
    with _worker_processes(count) as executor:
        with _workers_spared_of_interrupts():
            # First, so that nobody waits for the judge who could train.
            tasks = [executor.submit(_judge_task, handed, evaluation, execution)]
            trainings = [executor.submit(_network_task, network, folder, handed, execution) for network in networks]
        for training in trainings:  # their models are taken from them
            training.result()
        with _workers_spared_of_interrupts():
            tasks += [executor.submit(_pack_task, pack, folder, handed, evaluation, execution) for pack in pending]
        for task in as_completed(tasks):
            task.result()


@contextlib.contextmanager
def _worker_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that outlive neither this block nor this process."""
    environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    executor = ProcessPoolExecutor(count, initializer=_begin_worker, initargs=(os.getpid(),), env=environment)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "A worker stopped", UserWarning)  # it is replaced by a fresh one
            yield executor
    except BrokenProcessPool as error:
        raise ResourceError(
            "a worker process was killed, probably because memory ran out: run the same command again with fewer "
            "execution.workers; what is finished is kept"
        ) from error
    finally:
        executor.shutdown(kill_workers=True)  # what they were to write is written; a torch takes seconds to leave


@contextlib.contextmanager
def _workers_spared_of_interrupts() -> Iterator[None]:
    """Processes started in this block never see the Ctrl-C that a terminal sends to all; their parent ends them."""
    resource_tracker.ensure_running()  # started inside the block, it would unblock the signal again (Python 3.11)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker(parent: int) -> None:
    """Make this process one of one thread, which ends soon after its parent, however that ended.

    Else the workers of a killed sweep would go on training unseen.
    """
    torch.set_num_threads(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _judge_task(handed: Path, evaluation: EvaluationSpec, execution: ExecutionSpec) -> None:
    """Have the judge that the models' samples will need."""
    judge_for(read_prepared(handed), evaluation, chosen_device(execution.device))


def _network_task(spec: NetworkSpec, folder: SweepFolder, handed: Path, execution: ExecutionSpec) -> None:
    """One conditioned network of a sweep."""
    place = folder.network(spec)
    with files.waited_for(folder.packs / f"{key(spec)}.lock"):
        complete_network(spec, place, read_prepared(handed), execution, _noting(place.steps))
    place.steps.unlink(missing_ok=True)


def _noting(note: Path) -> Callable[[int, int], None]:
    """A callback that notes the steps done in a file, now and then."""
    return now_and_then(lambda step: note_steps(note, step))


def note_steps(note: Path, step: int) -> None:
    """Note the steps done in a file."""
    with contextlib.suppress(OSError):  # a progress bar that stands still loses nothing
        note.write_text(str(step))


def now_and_then(tell: Callable[[int], None]) -> Callable[[int, int], None]:
    """A callback that tells the steps done, a few times a second and at the end."""
    last = 0.0

    def progress(step: int, steps: int) -> None:
        nonlocal last
        if step == steps or time.monotonic() - last > 0.3:
            last = time.monotonic()
            tell(step)

    return progress


def _pack_task(
    pack: Pack, folder: SweepFolder, handed: Path, evaluation: EvaluationSpec, execution: ExecutionSpec
) -> None:
    """One pack of a sweep; one that memory does not suffice for is split, and its halves are trained instead."""
    if _fits(pack, folder, handed, evaluation, execution):
        return
    torch.cuda.empty_cache()  # does nothing without a GPU
    for half in split(pack, folder):
        _pack_task(half, folder, handed, evaluation, execution)


def _fits(pack: Pack, folder: SweepFolder, handed: Path, evaluation: EvaluationSpec, execution: ExecutionSpec) -> bool:
    """Carry out one pack, its progress noted beside its checkpoint; False where it is too large for the memory.

    Raises:
        MemoryShortage: not even a single model fits.
    """
    progress = _noting(folder.packs / f"{pack.name}.steps")
    # A worker that a killed sweep left behind may still be at it; it ends by itself within a second.
    with files.waited_for(folder.packs / f"{pack.name}.lock"):
        places = [folder.run(run) for run in pack.runs]
        path = folder.packs / f"{pack.name}.safetensors"
        first = pack.runs[0]
        network = folder.network(first.network) if isinstance(first, MergedSpec) else None
        data = read_prepared(handed)
        try:
            complete_pack(list(pack.runs), places, path, data, evaluation, execution, progress, network)
        except MemoryShortage:
            if len(pack.runs) == 1:
                raise
            return False
    return True
