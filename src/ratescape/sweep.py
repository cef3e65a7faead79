"""From a spec to finished runs: plan packs, train them on an engine, measure every model, skip what is done.

A sweep may be killed at any moment. What it leaves behind is either whole or a checkpoint, so the same command
takes it up again; a lock keeps two of them out of one folder.
"""

import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
import platform
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import joblib
import numpy as np
import psutil
import torch
from joblib.externals.loky import BrokenProcessPool, ProcessPoolExecutor, as_completed

from ratescape import checkpoint, records
from ratescape.data.batches import Images, stream
from ratescape.data.catalog import ImageData
from ratescape.data.prepared import read_prepared, write_prepared
from ratescape.errors import RecordError, ResourceError
from ratescape.evaluation import pictures, suite
from ratescape.model.hierarchy import HVAE
from ratescape.model.networks import build, complete
from ratescape.model.packs import member, training_bytes
from ratescape.multipliers import FixedBetas
from ratescape.records import RunFolder, SweepFolder
from ratescape.specs import EvaluationSpec, ExecutionSpec, RunSpec, SweepSpec, key, to_dict
from ratescape.training import FLOAT, WARMUP_SHARE, Saving, Trained, steps_per_epoch, train, warmup_steps
from ratescape.version import __version__

CPU_PACK = 1
"""Members of a pack on a CPU: on one thread larger packs measured no faster (docs/results/training-speed.md)."""

MEMORY_SHARE = 0.7
"""Share of the free memory that packs may be planned to fill; the rest is for what the estimate does not see."""


Fitted = TypeVar("Fitted", SweepSpec, RunSpec)


class Progress(NamedTuple):
    """How far a sweep is."""

    steps: int
    """Training steps done, over all members; steps found done from an earlier run count too."""
    total: int
    models: int
    """Models finished."""
    total_models: int


@dataclasses.dataclass(frozen=True)
class _Pack:
    """Runs trained together: one seed, one structure, different betas."""

    runs: tuple[RunSpec, ...]

    @property
    def name(self) -> str:
        return key(self.runs[0]) + f"-{len(self.runs)}"


def fitted(spec: Fitted, data: ImageData) -> Fitted:
    """The spec with every field that was left open filled in for these images.

    Raises:
        SpecError: the network cannot take them.
    """
    training = spec.training
    if training.warmup is None:
        training = dataclasses.replace(training, warmup=WARMUP_SHARE * training.epochs)
    model = complete(spec.model, data.shape, bool(data.spec.binary))
    return dataclasses.replace(spec, data=data.spec, model=model, training=training)


def run_sweep(
    spec: SweepSpec,
    data: ImageData,
    folder: SweepFolder,
    execution: ExecutionSpec,
    progress: Callable[[Progress], None] | None = None,
) -> records.Table:
    """Train and measure every model of a sweep that is not done yet; returns the table over all of them.

    Args:
        spec: as returned by :func:`fitted`.

    Raises:
        RecordError: the folder is busy, belongs to another spec or other images, or cannot be written.
        ResourceError: a pack does not fit into memory, or there is no such device.
    """
    with records.locked(folder.path):
        _same_images(folder, data)
        folder.claim(spec)
        if not all(_complete(folder.run(run), spec.evaluation) for run in spec.runs()):
            _finish(spec, data, folder, execution, progress)
        _tidy(folder)
        table = records.landscape(folder)
        records.write_atomically(folder.table, table.rows.to_csv(index=False))
        return table


def _finish(
    spec: SweepSpec,
    data: ImageData,
    folder: SweepFolder,
    execution: ExecutionSpec,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Carry out what is not done yet."""
    begun = time.time()
    packs = _planned(spec, data, folder, execution)
    pending = [pack for pack in packs if not all(_complete(folder.run(run), spec.evaluation) for run in pack.runs)]
    # The fingerprint comes before the images: whatever is handed over already is what it says.
    _note_provenance(folder, data, execution, begun)
    handed = _hand_over(data, folder)
    with _Watch(spec, len(data.train.pixels), folder, packs, progress).watching():
        _carry_out(pending, folder, handed, spec.evaluation, execution)
    _note_provenance(folder, data, execution, begun)


def _tidy(folder: SweepFolder) -> None:
    """Remove what only an unfinished sweep needs, and what killed ones left half-written."""
    shutil.rmtree(folder.packs, ignore_errors=True)
    for leftover in folder.path.glob("runs/*/.*.tmp"):
        leftover.unlink(missing_ok=True)


def run_single(
    run: RunSpec,
    data: ImageData,
    folder: RunFolder,
    evaluation: EvaluationSpec,
    execution: ExecutionSpec,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Train and measure one model into its own folder, unless it is done.

    Raises:
        RecordError: the folder is busy, belongs to another spec or other images, or cannot be written.
        ResourceError: it does not fit into memory, or there is no such device.
    """
    with records.locked(folder.path):
        if (folder.path / "spec.yaml").exists() and (fields := records.differences(folder.spec(), run)):
            raise RecordError(
                f"{folder.path} was made by another spec (it differs in {', '.join(fields)}): choose another folder "
                "with --out, or ask for the same again"
            )
        if _trained(folder):
            _refuse_other_images(folder.path, checkpoint.load(folder.weights)[1].get("fingerprint"), data)
        folder.write_spec(run)
        path = folder.path / "checkpoint.safetensors"
        _complete_pack([run], [folder], path, data, evaluation, execution, progress)


def _same_images(folder: SweepFolder, data: ImageData) -> None:
    """Refuse to go on with other images than the folder was begun with."""
    if not (folder.path / "provenance.json").exists():
        return
    _refuse_other_images(folder.path, folder.provenance().get("fingerprint"), data)


def _refuse_other_images(path: Path, begun_with: str | None, data: ImageData) -> None:
    if begun_with != data.fingerprint:
        raise RecordError(
            f"{path} was begun with other images (fingerprint {begun_with}, now {data.fingerprint}) under the "
            f"name {data.spec.name}: restore them, or choose another folder with --out"
        )


def _trained(place: RunFolder) -> bool:
    """Whether a run is done; who deletes damaged weights, as the message about them says, asks for them again."""
    return place.done and place.weights.exists()


def _complete(place: RunFolder, evaluation: EvaluationSpec) -> bool:
    """Whether a run is trained, and measured as it now shall be."""
    if not _trained(place):
        return False
    wanted = to_dict(evaluation)
    return all(record.get("settings") == wanted for record in records.read_json_lines(place.evaluation))


# Planning


def _planned(spec: SweepSpec, data: ImageData, folder: SweepFolder, execution: ExecutionSpec) -> list[_Pack]:
    """The packs of a sweep."""
    size = _planned_size(spec, data, folder.packs / "plan.json", execution)
    packs: list[_Pack] = []
    for seed in spec.seeds:
        runs = [run for run in spec.runs() if run.seed == seed]
        packs += [_Pack(tuple(runs[i : i + size])) for i in range(0, len(runs), size)]
    return packs


def _planned_size(spec: SweepSpec, data: ImageData, path: Path, execution: ExecutionSpec) -> int:
    """Members of a pack; what was planned first is kept, so that a resumed pack finds its checkpoint."""
    if not path.exists():
        size = _pack_size(spec, data, execution)
        records.write_atomically(path, json.dumps({"pack": size}))
        return size
    try:
        size = int(json.loads(path.read_text(encoding="utf-8"))["pack"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RecordError(f"{path} is damaged: delete {path.parent} and run the same command again") from error
    if execution.pack is not None and min(execution.pack, len(spec.points())) != size:
        raise RecordError(
            f"{path.parent.parent} was begun with packs of {size}, not {execution.pack}: leave out execution.pack to "
            "finish it, or choose another folder with --out"
        )
    return size


def _pack_size(spec: SweepSpec, data: ImageData, execution: ExecutionSpec) -> int:
    """Members of a pack: as asked for, or as many as are fast and fit.

    Raises:
        ResourceError: not even one member, or not as many as asked for, fit into the free memory.
    """
    device = chosen_device(execution.device)
    points, models = len(spec.points()), len(spec.runs())
    processes = max(1, min(_workers(execution, device), models))
    each, free = _member_bytes(spec, data), _free_bytes(device)
    wanted, fitting = min(execution.pack or 1, points), int(MEMORY_SHARE * free / processes / each)
    if fitting < wanted:
        smaller = f"set execution.pack to at most {fitting}, or take" if fitting else "take"
        raise ResourceError(
            f"a pack of {wanted} needs about {wanted * each / 2**30:.1f} GiB in each of {processes} process(es), but "
            f"only about {free / 2**30:.1f} GiB are free: {smaller} fewer execution.workers or a smaller training.batch"
        )
    if execution.pack is not None:
        return wanted
    fast = CPU_PACK if device.type == "cpu" else points
    return max(1, min(fast, fitting, points, -(-models // processes)))


def _member_bytes(spec: SweepSpec, data: ImageData) -> int:
    """Memory that training takes for each member of a pack."""
    dtype = FLOAT[spec.training.precision]
    few = Images(data.train.pixels[: spec.training.batch], bool(data.spec.binary), dtype=dtype)
    model = build(spec.model, data.shape).to(dtype)
    return training_bytes(model, few.take(torch.arange(len(few))))


def chosen_device(name: str) -> torch.device:
    """The device a name stands for.

    Raises:
        ResourceError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ResourceError(f"execution.device is {name!r}, which cannot be used here ({reason}): try cpu") from error
    return device


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def _workers(execution: ExecutionSpec, device: torch.device) -> int:
    """Worker processes that train side by side; 0 to train in this process.

    A function of the settings alone and not of what is left to do: one thread rounds otherwise than several, and a
    resumed sweep shall end with the numbers of one never interrupted.
    """
    in_process = execution.engine == "in-process" or (execution.engine == "auto" and device.type != "cpu")
    return 0 if in_process else execution.workers or joblib.cpu_count()


def _hand_over(data: ImageData, folder: SweepFolder) -> Path:
    """Put the prepared images where workers find them; an array's are kept, for nothing else holds them."""
    place = folder.path / "data" if data.spec.name.startswith("array:") else folder.packs / "data"
    if not (place / "facts.json").exists():
        write_prepared(data, place)
    return place


# Engines


def _carry_out(
    pending: list[_Pack], folder: SweepFolder, handed: Path, evaluation: EvaluationSpec, execution: ExecutionSpec
) -> None:
    """Train all pending packs: one after the other, or by as many processes of one thread each."""
    workers = min(_workers(execution, chosen_device(execution.device)), len(pending))
    if not workers:
        for pack in pending:
            _pack_task(pack, folder, handed, evaluation, execution)
        return
    with _worker_processes(workers) as executor:
        with _workers_spared_of_interrupts():
            tasks = [executor.submit(_pack_task, pack, folder, handed, evaluation, execution) for pack in pending]
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


def _pack_task(
    pack: _Pack, folder: SweepFolder, handed: Path, evaluation: EvaluationSpec, execution: ExecutionSpec
) -> None:
    """One pack of a sweep, with its progress noted beside its checkpoint."""
    note = folder.packs / f"{pack.name}.steps"
    last = 0.0

    def progress(step: int, steps: int) -> None:
        nonlocal last
        if step == steps or time.monotonic() - last > 0.3:
            last = time.monotonic()
            with contextlib.suppress(OSError):  # a progress bar that stands still loses nothing
                note.write_text(str(step))

    with _alone(folder.packs / f"{pack.name}.lock"):
        places = [folder.run(run) for run in pack.runs]
        path = folder.packs / f"{pack.name}.safetensors"
        _complete_pack(list(pack.runs), places, path, read_prepared(handed), evaluation, execution, progress)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait for a worker that a killed sweep left behind to be gone; it ends by itself within a second."""
    try:
        file = path.open("w")
    except OSError as error:
        raise records.unwritable(path, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _complete_pack(
    runs: list[RunSpec],
    places: list[RunFolder],
    path: Path,
    data: ImageData,
    evaluation: EvaluationSpec,
    execution: ExecutionSpec,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Train one pack unless that is done, and measure anew what was measured under other settings."""
    device = chosen_device(execution.device)
    if not all(map(_trained, places)):
        saving = Saving(path, execution.checkpoint_seconds, "-".join([data.fingerprint, *map(key, runs)]))
        _train_pack(runs, places, saving, data, evaluation, device, progress)
    for run, place in zip(runs, places, strict=True):
        if not _complete(place, evaluation):
            _measure_again(run, place, data, evaluation, device)
    path.unlink(missing_ok=True)


def _train_pack(
    runs: list[RunSpec],
    places: list[RunFolder],
    saving: Saving,
    data: ImageData,
    evaluation: EvaluationSpec,
    device: torch.device,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Train one pack and write the folders of its runs; the runs differ in nothing but betas."""
    spec = runs[0]
    images = Images(data.train.pixels, bool(data.spec.binary), device, FLOAT[spec.training.precision])
    model = initial(spec, data.shape).to(device)
    betas = torch.tensor([run.betas for run in runs], device=device, dtype=FLOAT[spec.training.precision])
    multipliers = FixedBetas(betas, warmup_steps(spec.training, len(images)))
    try:
        trained = train(
            spec.training, model, images, multipliers, len(runs), spec.seed, saving=saving, progress=progress
        )
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        raise ResourceError(
            f"out of memory while training a pack of {len(runs)} models: choose another folder with --out and a "
            "smaller execution.pack, or a smaller training.batch"
        ) from error
    for index, (run, place) in enumerate(zip(runs, places, strict=True)):
        if not _trained(place):
            _write_run(run, place, trained, index, model, data, evaluation)


def initial(run: RunSpec, shape: tuple[int, int, int]) -> HVAE:
    """The untrained network of a run: a function of its structure and seed alone, drawn in float32."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(run.seed, "weights"))
        return build(run.model, shape).to(FLOAT[run.training.precision])


def _write_run(
    run: RunSpec, place: RunFolder, trained: Trained, index: int, model: HVAE, data: ImageData, spec: EvaluationSpec
) -> None:
    """Write everything about one trained member into its folder; the done mark comes last."""
    place.write_spec(run)
    weights = member(trained.parameters, index)
    model.load_state_dict(weights)
    header = {"image_shape": data.shape, "betas": run.betas, "run": key(run), "fingerprint": data.fingerprint}
    checkpoint.save_model(place.weights, weights, run.model, run.data, header)
    records.write_atomically(place.training, records.to_json_lines(trained.history[index]))
    _measure(run, place, model, data, spec, trained.diverged[index])
    place.mark_done()


def _measure(
    run: RunSpec, place: RunFolder, model: HVAE, data: ImageData, spec: EvaluationSpec, diverged: bool
) -> None:
    """Measure one model on validation and test, and draw its pictures."""
    splits = {"validation": data.validation, "test": data.test}
    lines: list[dict[str, Any]] = []
    like = next(model.parameters())
    for name, split in splits.items():
        if split is None:
            continue
        images = Images(split.pixels, bool(data.spec.binary), like.device, like.dtype)
        lines.append(
            suite.blank(name, run.betas, spec) if diverged else suite.record(model, images, name, run.betas, spec)
        )
    test = Images(data.test.pixels[: spec.pictures], bool(data.spec.binary), like.device, like.dtype)
    if not diverged:
        records.write_atomically(
            place.path / "reconstructions.png", pictures.reconstructions(model, test, spec.pictures)
        )
        records.write_atomically(place.path / "samples.png", pictures.samples(model, spec.pictures, spec.seed))
    records.write_atomically(place.evaluation, records.to_json_lines(lines))


def _measure_again(run: RunSpec, place: RunFolder, data: ImageData, spec: EvaluationSpec, device: torch.device) -> None:
    """Measure a finished model under new settings of evaluation."""
    model, _ = checkpoint.load_model(place.weights, device)
    diverged = records.read_json_lines(place.training)[-1]["status"] == "diverged"
    _measure(run, place, model, data, spec, diverged)


# What is told along the way


class _Watch:
    """Reads how far the packs are, from the notes their processes leave, and tells it on."""

    def __init__(
        self,
        spec: SweepSpec,
        count: int,
        folder: SweepFolder,
        packs: list[_Pack],
        tell: Callable[[Progress], None] | None,
    ) -> None:
        self.steps = spec.training.epochs * steps_per_epoch(count, spec.training.batch)
        self.folder = folder
        self.packs = packs
        self.tell = tell

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Tell the progress twice a second from a thread of its own, and once more at the end."""
        if self.tell is None:
            yield
            return
        over = threading.Event()

        def look(tell: Callable[[Progress], None]) -> None:
            while not over.wait(0.5):
                tell(self._look())

        thread = threading.Thread(target=look, args=(self.tell,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.tell(self._look())

    def _look(self) -> Progress:
        steps = models = 0
        for pack in self.packs:
            done = sum(self.folder.run(run).done for run in pack.runs)
            models += done
            steps += self.steps * done + self._noted(pack) * (len(pack.runs) - done)
        total = sum(len(pack.runs) for pack in self.packs)
        return Progress(steps, self.steps * total, models, total)

    def _noted(self, pack: _Pack) -> int:
        try:
            return int((self.folder.packs / f"{pack.name}.steps").read_text() or 0)
        except (OSError, ValueError):
            return 0


def _note_provenance(folder: SweepFolder, data: ImageData, execution: ExecutionSpec, begun: float) -> None:
    """Note with what, where and for how long the sweep has been working; earlier sittings are kept."""
    path = folder.path / "provenance.json"
    new: dict[str, Any] = {"fingerprint": data.fingerprint, "sittings": []}
    known = folder.provenance() if path.exists() else new
    device = chosen_device(execution.device)
    sitting = {
        "begun": datetime.datetime.fromtimestamp(begun, datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - begun, 1),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "processes": max(1, _workers(execution, device)),
        "versions": versions(),
    }
    sittings = [one for one in known["sittings"] if one["begun"] != sitting["begun"]]
    folder.write_provenance(known | {"sittings": [*sittings, sitting]})


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {
        "ratescape": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Name of the processor, as far as the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
