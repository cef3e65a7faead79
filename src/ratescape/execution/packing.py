"""Which runs train together, on which device and in how many processes, so that all of it fits into memory."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import joblib
import torch

from ratescape.compute import memory
from ratescape.compute.devices import chosen_device
from ratescape.compute.precision import FLOAT, mixed_precision
from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData
from ratescape.errors import RecordError, ResourceError
from ratescape.model.packs import training_bytes
from ratescape.model.registry import build
from ratescape.records import files
from ratescape.records.folders import SweepFolder
from ratescape.specs.checks import from_json
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import key
from ratescape.specs.runs import NetworkSpec, RunSpec
from ratescape.specs.sweep import SweepSpec

CPU_PACK = 1
"""Members of a pack on a CPU: on one thread larger packs measured no faster (docs/results/training-speed.md)."""

CPU_PACK_OF_ROWS = 32
"""The same of models of rows, whose matrices are so small that calls take as long as arithmetic (docs/vectors.md)."""

MEMORY_SHARE = 0.7
"""Share of the free memory that packs may be planned to fill; the rest is for what the estimate does not see."""


@dataclasses.dataclass(frozen=True)
class Pack:
    """Runs trained together: one seed, one structure, different betas."""

    runs: tuple[RunSpec, ...]

    @property
    def name(self) -> str:
        return key(self.runs[0]) + f"-{len(self.runs)}"

    def halves(self) -> tuple["Pack", "Pack"]:
        """Two packs of half the members each."""
        middle = -(-len(self.runs) // 2)
        return Pack(self.runs[:middle]), Pack(self.runs[middle:])


Sizing = Callable[[SweepSpec, ImageData, ExecutionSpec], int]


def planned(
    spec: SweepSpec, data: ImageData, folder: SweepFolder, execution: ExecutionSpec, sizing: Sizing | None = None
) -> list[Pack]:
    """The packs of a sweep.

    Args:
        sizing: says how many members a pack has; default: :func:`pack_size`, for this machine.
    """
    size = _planned_size(spec, data, folder.packs / "plan.json", execution, sizing or pack_size)
    packs: list[Pack] = []
    for seed in spec.seeds:
        runs = [run for run in spec.runs() if run.seed == seed]
        packs += [Pack(tuple(runs[i : i + size])) for i in range(0, len(runs), size)]
    return [piece for pack in packs for piece in pieces(pack, folder)]


def split(pack: Pack, folder: SweepFolder) -> tuple[Pack, Pack]:
    """The halves of a pack that turned out too large for the memory; a sweep taken up again starts from them."""
    _split_mark(pack, folder).touch()
    return pack.halves()


def pieces(pack: Pack, folder: SweepFolder) -> list[Pack]:
    """The packs that a pack is carried out as: itself, or what it was split into."""
    if not _split_mark(pack, folder).exists():
        return [pack]
    return [piece for half in pack.halves() for piece in pieces(half, folder)]


def _split_mark(pack: Pack, folder: SweepFolder) -> Path:
    return folder.packs / f"{pack.name}.split"


def _planned_size(spec: SweepSpec, data: ImageData, path: Path, execution: ExecutionSpec, sizing: Sizing) -> int:
    """Members of a pack; what was planned first is kept, so that a resumed pack finds its checkpoint."""
    if not path.exists():
        size = sizing(spec, data, execution)
        files.write_atomically(path, json.dumps({"pack": size}))
        return size
    try:
        size = int(from_json(path.read_text(encoding="utf-8"))["pack"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise files.unusable(path, error, f"delete {path.parent} and run the same command again") from error
    if execution.pack is not None and min(execution.pack, spec.models()) != size:
        raise RecordError(
            f"{path.parent.parent} was begun with packs of {size}, not {execution.pack}: leave out execution.pack to "
            "finish it, or choose another folder with --out"
        )
    return size


def pack_size(spec: SweepSpec, data: ImageData, execution: ExecutionSpec) -> int:
    """Members of a pack: as asked for, or as many as are fast and fit.

    Raises:
        ResourceError: not even one member, or not as many as asked for, fit into the free memory.
    """
    device = chosen_device(execution.device)
    together, models = spec.models(), len(spec.runs())
    processes = max(1, min(workers(execution, device), models))
    each, free = member_bytes(spec, data, execution.checkpointing), memory.free_bytes(device)
    wanted, fitting = min(execution.pack or 1, together), int(MEMORY_SHARE * free / processes / each)
    if fitting < wanted:
        smaller = f"set execution.pack to at most {fitting}, or take" if fitting else "take"
        raise ResourceError(
            f"a pack of {wanted} needs about {wanted * each / 2**30:.1f} GiB in each process of {processes}, but "
            f"only about {free / 2**30:.1f} GiB are free: {smaller} fewer execution.workers or a smaller training.batch"
        )
    if execution.pack is not None:
        return wanted
    on_cpu = CPU_PACK if data.columns is None else CPU_PACK_OF_ROWS
    fast = on_cpu if device.type == "cpu" else together
    return max(1, min(fast, fitting, together, -(-models // processes)))


def member_bytes(spec: SweepSpec | RunSpec | NetworkSpec, data: ImageData, checkpointing: bool = False) -> int:
    """Memory that training takes for each member of a pack."""
    dtype = FLOAT[spec.training.precision]
    few = Images.of(data, data.train.pixels[: spec.training.batch], dtype=dtype)
    model = build(spec.model, data.shape).to(dtype)
    with mixed_precision(spec.training.precision, few.device):
        return training_bytes(model, few.take(torch.arange(len(few))), checkpointing)


def workers(execution: ExecutionSpec, device: torch.device) -> int:
    """Worker processes that train side by side; 0 to train in this process.

    A function of the settings alone and not of what is left to do: one thread rounds otherwise than several, and a
    resumed sweep shall end with the numbers of one never interrupted.
    """
    in_process = execution.engine == "in-process" or (execution.engine == "auto" and device.type != "cpu")
    return 0 if in_process else execution.workers or joblib.cpu_count()
