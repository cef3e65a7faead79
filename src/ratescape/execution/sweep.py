"""From a spec to finished runs: claim a folder, have its packs carried out, tell the progress, skip what is done.

A sweep may be killed at any moment. What it leaves behind is either whole or a checkpoint, so the same command
takes it up again; a lock keeps two of them out of one folder.
"""

import contextlib
import dataclasses
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ratescape import checkpoint
from ratescape.compute.devices import chosen_device
from ratescape.data.catalog import ImageData
from ratescape.errors import RecordError
from ratescape.evaluation.grid import grid_table, seen_images
from ratescape.execution import local
from ratescape.execution.packing import Pack, pieces, planned
from ratescape.execution.provenance import here, note_provenance
from ratescape.execution.work import complete_pack, is_complete, is_trained, refining
from ratescape.model.registry import resolved_model
from ratescape.records import files, folders
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.table import Table, read_fine, read_table
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import differences
from ratescape.specs.runs import MergedSpec, RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.schedule import resolved_training, total_steps

if TYPE_CHECKING:
    from ratescape.execution.ray.driver import Cluster


Fitted = TypeVar("Fitted", SweepSpec, RunSpec)


class Progress(NamedTuple):
    """How far a sweep is."""

    steps: int
    """Training steps done, over all members; steps found done from an earlier run count too."""
    total: int
    models: int
    """Models finished."""
    total_models: int


def resolved(spec: Fitted, data: ImageData) -> Fitted:
    """The spec with every field that was left open filled in for these images.

    Raises:
        SpecError: the network cannot take them.
    """
    count, training = len(data.train.pixels), spec.training
    if isinstance(spec, SweepSpec) and spec.method == "conditioned" and training.epochs is None:
        training = dataclasses.replace(
            training, epochs=2 * (resolved_training(TrainingSpec(batch=training.batch), count).epochs or 0)
        )
    training = resolved_training(training, count)
    model = resolved_model(spec.model, data.shape, bool(data.spec.binary))
    whole = dataclasses.replace(spec, data=data.spec, model=model, training=training)
    if isinstance(whole, RunSpec) and not whole.betas:
        return dataclasses.replace(whole, betas=(1.0,) * model.layers)
    return whole


def run_sweep(
    spec: SweepSpec,
    data: ImageData,
    folder: SweepFolder,
    execution: ExecutionSpec,
    progress: Callable[[Progress], None] | None = None,
) -> Table:
    """Train and measure every model of a sweep that is not done yet; returns the table over all of them.

    Args:
        spec: as returned by :func:`resolved`.

    Raises:
        RecordError: the folder is busy, belongs to another spec or other images, or cannot be written.
        ResourceError: a pack does not fit into memory, or there is no such device.
    """
    with files.locked(folder.path):
        _same_images(folder, data)
        folder.claim(spec)
        networks = [folder.network(network).weights.exists() for network in spec.networks()]
        if not all(networks) or not all(is_complete(folder.run(run), spec.evaluation) for run in spec.runs()):
            _finish(spec, data, folder, execution, progress)
        _measure_finely(spec, data, folder, execution)
        _tidy(folder)
        table = read_table(folder)
        files.write_atomically(folder.table, table.rows.to_csv(index=False))
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
    with _cluster(execution) as cluster:
        packs = planned(spec, data, folder, execution, cluster.pack_size if cluster else None)
        pending = [pack for pack in packs if not all(is_complete(folder.run(r), spec.evaluation) for r in pack.runs)]
        where = (cluster.title, cluster.places) if cluster else here(execution)
        # The fingerprint comes before the images: whatever is handed over already is what it says.
        note_provenance(folder, data, begun, *where)
        handed = local.hand_over(data, folder)
        with _Watch(spec, len(data.train.pixels), folder, packs, progress).watching():
            if cluster:
                cluster.carry_out(spec.networks(), pending, folder, data, spec.evaluation)
            else:
                local.carry_out(spec.networks(), pending, folder, handed, spec.evaluation, execution)
    note_provenance(folder, data, begun, *where)


@contextlib.contextmanager
def _cluster(execution: ExecutionSpec) -> Iterator["Cluster | None"]:
    """The cluster that carries out the packs, if not this machine alone; Ray is imported only where it is asked for."""
    if execution.engine != "ray":
        yield None
        return
    from ratescape.execution.ray.cluster import joined

    with joined(execution) as cluster:
        yield cluster


def _measure_finely(spec: SweepSpec, data: ImageData, folder: SweepFolder, execution: ExecutionSpec) -> None:
    """Measure the fine landscape of a conditioned network, unless that is done."""
    networks, points = spec.networks(), spec.fine_points()
    source = folder.network(networks[0]) if points else None
    if source is None or files.read_json_lines(source.training)[-1]["status"] == "diverged":
        folder.fine.unlink(missing_ok=True)
        return
    with contextlib.suppress(RecordError):  # damaged, or of another grid: made anew
        if read_fine(folder) is not None:
            return
    device = "auto" if execution.engine == "ray" else execution.device  # this machine's, not the cluster's
    network, _ = checkpoint.load_network(source.weights, chosen_device(device))
    table = grid_table(network, seen_images(network, data), points)
    files.write_atomically(folder.fine, table.to_csv(index=False))


def _tidy(folder: SweepFolder) -> None:
    """Remove what only an unfinished sweep needs, and what killed ones left half-written."""
    shutil.rmtree(folder.packs, ignore_errors=True)
    for pattern in ("runs/*/.*.tmp", "networks/*/.*.tmp", "networks/*/checkpoint.safetensors", "networks/*/steps"):
        for leftover in folder.path.glob(pattern):
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
    with files.locked(folder.path):
        if (folder.path / "spec.yaml").exists():
            folders.refuse_differences(folder.path, differences(folder.spec(), run))
        if is_trained(folder):
            _refuse_other_images(folder.path, checkpoint.load(folder.weights)[1].get("fingerprint"), data)
        folder.write_spec(run)
        complete_pack([run], [folder], folder.checkpoint, data, evaluation, execution, progress)


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


class _Watch:
    """Reads how far the packs are, from the notes their processes leave, and tells it on."""

    def __init__(
        self,
        spec: SweepSpec,
        count: int,
        folder: SweepFolder,
        packs: list[Pack],
        tell: Callable[[Progress], None] | None,
    ) -> None:
        self.networks = [folder.network(network) for network in spec.networks()]
        self.network_steps = total_steps(spec.training, count)
        self.steps = _steps_of_run(spec, count)
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
        for pack in [piece for whole in self.packs for piece in pieces(whole, self.folder)]:
            done = sum(self.folder.run(run).done for run in pack.runs)
            models += done
            steps += self.steps * done + _noted(self.folder.packs / f"{pack.name}.steps") * (len(pack.runs) - done)
        total = sum(len(pack.runs) for pack in self.packs)
        for network in self.networks:
            steps += self.network_steps if network.weights.exists() else _noted(network.steps)
        return Progress(steps, self.network_steps * len(self.networks) + self.steps * total, models, total)


def _noted(note: Path) -> int:
    """Steps that a process has noted."""
    try:
        return int(note.read_text() or 0)
    except (OSError, ValueError):
        return 0


def _steps_of_run(spec: SweepSpec, count: int) -> int:
    """Training steps of one model of a sweep on ``count`` images, besides those of the network it is taken from."""
    first = spec.runs()[0]
    if not isinstance(first, MergedSpec):
        return total_steps(spec.training, count)
    return total_steps(refining(first), count) if first.refine else 0
