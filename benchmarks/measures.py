"""What the benchmarks of scale measure: seconds of a step of the real training loop, and peak memory."""

import ctypes
import gc
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import torch

from ratescape.compute.devices import synchronise
from ratescape.data.batches import Images
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.specs.execution import CompileName
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.context import TrainingContext
from ratescape.training.loop import train

WARM = 3
"""Steps before the clock starts."""


def random_images(count: int, shape: tuple[int, int, int], device: torch.device) -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    return Images(pixels, False, device)


def network(spec: ModelSpec, shape: tuple[int, int, int], device: torch.device) -> HVAE:
    return build(resolved_model(spec, shape, False), shape).to(device)


def step_seconds(
    model: HVAE, images: Images, members: int, recipe: TrainingSpec, compiled: CompileName = "never"
) -> float:
    """Seconds of a step of the real loop, over one epoch of the images but for its first steps."""
    marks: list[float] = []

    class Clock:
        def step(self, done: int, total: int) -> None:
            if done in (WARM, total):
                synchronise(images.device)
                marks.append(time.perf_counter())

        def epoch(self, records: object) -> None: ...

    betas = FixedBetas(torch.ones(members, len(model.latent_shapes), device=images.device), 0)
    train(recipe, model, images, betas, members, 0, context=TrainingContext(listener=Clock(), compiled=compiled))
    return (marks[1] - marks[0]) / (len(images) // recipe.batch - WARM)


def peak_bytes(device: torch.device, act: Callable[[], object]) -> int:
    """Memory that ``act`` takes at its peak, above what was in use before: of tensors on a GPU, else of the process."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        act()
        return torch.cuda.max_memory_allocated(device) - before
    ctypes.CDLL(None).malloc_trim(0)
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew (Linux)
    act()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split("VmHWM:")[1].split()[0]) - before
