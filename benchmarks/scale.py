"""How packs scale on one device, against a plain one-model PyTorch loop in the same call.

    python benchmarks/scale.py [--members 1 8 64 441] [--device auto] [--batch 256] [--precision bf16]
        [--json FILE]

The network is the paper's GHVAE on 32x32 colour images, as in the presets of SVHN and CIFAR-10; images are random,
for a step's time does not depend on what they show. Printed, for packs of P members: model-images per second of the
real training loop (`ratescape.training.loop.train`), peak memory, the ratio to a plain loop (module, autograd,
torch.optim.Adam, images on the device, in the precision PyTorch comes with or in bf16 if that is asked for and
faster; a process of its own), and the time that the paper's SVHN grid would take at that speed. Rounds alternate, so
that a machine's drift hits all alike; medians. Members that do not fit into memory together are trained as several
packs, of which one is timed. Then the roofline: what a step must compute and move against what the device does in a
large matrix product and a large copy, both measured in the same call; and which operators take the time.

On two slow cores: `--members 1 8 --batch 64`.

    python benchmarks/scale.py --curves docs/results/scale --batch 64

draws cost curves instead: time and memory against members, layers, image size and beta points.
"""

import argparse
import json
import math
import multiprocessing
import platform
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from curves import curves
from measures import WARM, network, peak_bytes, random_images, step_seconds
from roofline import Rates, Work, rates, shares, work
from training import plain_loop

from ratescape.compute.devices import chosen_device
from ratescape.compute.memory import free_bytes
from ratescape.compute.precision import FLOAT, mixed_precision
from ratescape.execution.packing import MEMORY_SHARE
from ratescape.model.packs import stack, training_bytes
from ratescape.specs.execution import CompileName
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.optimiser import PackAdam

SHAPE = (3, 32, 32)
GRID = 441 * 500 * 73_257
"""Model-images of the paper's SVHN grid: models, epochs, images."""


def packs_of(members: int, each: int, free: int) -> tuple[int, int]:
    """How many packs, and of how many members, so that a pack fits into memory; (0, 0) if not even one member does."""
    fitting = int(MEMORY_SHARE * free / each)
    if not fitting:
        return 0, 0
    packs = math.ceil(members / fitting)
    return packs, math.ceil(members / packs)


def begun(members: int, device: torch.device, timed: Callable[[int], float], each: int) -> dict[str, Any]:
    """How ``members`` are packed, and the memory that a pack takes; more packs where memory runs out all the same."""
    free = free_bytes(device)
    packs, size = packs_of(members, each, free)
    peak = 0
    while size and not peak:
        try:
            peak = peak_bytes(device, partial(timed, size))
        except RuntimeError as error:
            if "memory" not in str(error):
                raise
            packs, size = packs_of(members, each, int(each * (size - 1) / MEMORY_SHARE))
    return {
        "members": members,
        "packs": packs,
        "pack": size,
        "planned_bytes": each * size,
        "peak_bytes": peak,
        "free_bytes": free,
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything but the curves."""
    device, batch = chosen_device(options.device), options.batch
    recipe = TrainingSpec(epochs=1, batch=batch, precision=options.precision)
    images = random_images((WARM + options.steps) * batch, SHAPE, device)
    model = network(ModelSpec(), SHAPE, device)
    first = images.take(torch.arange(batch, device=device))
    with mixed_precision(recipe.precision, device):
        each, weights = training_bytes(model, first), sum(p.nbytes for p in model.parameters())
    timed = partial(step_seconds, model, images, recipe=recipe, compiled=options.compile)
    rows = [begun(members, images.device, timed, each) for members in options.members]
    plain: dict[bool, list[float]] = {bf16: [] for bf16 in {False, recipe.precision == "bf16"}}
    times: dict[int, list[float]] = {row["pack"]: [] for row in rows if row["pack"]}
    pixels = images.pixels.cpu().numpy()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        for _ in range(options.rounds):
            for bf16, seconds in plain.items():
                one = process.submit(plain_loop, pixels, False, options.steps, batch, str(device), bf16)
                seconds.append(one.result())
            for size, seconds in times.items():
                seconds.append(timed(size))
    alone = batch * options.steps / min(map(statistics.median, plain.values()))
    for row in rows:
        if row["pack"]:
            row["model_images_per_second"] = row["pack"] * batch / statistics.median(times[row["pack"]])
            row["ratio"] = row["model_images_per_second"] / alone
            row["grid_hours"] = GRID / row["model_images_per_second"] / 3600
    adam = PackAdam(list(stack([model]).values()))
    moves = None if device.type == "cpu" else torch.ones(1, dtype=torch.bool, device=device)
    counted = work(
        model,
        first,
        recipe.precision,
        lambda gradients: adam.step(adam.row([g[None] for g in gradients]), 1e-3, moves),
        (each - 4 * weights) // 2,
    )
    largest = max(times, default=0)
    busy, operators = shares(device, partial(timed, largest)) if largest else (0.0, [])
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "batch": batch,
        "precision": recipe.precision,
        "compiled": options.compile,
        "steps": options.steps,
        "rounds": options.rounds,
        "member_bytes": each,
        "plain_images_per_second": alone,
        "rows": rows,
        "work": counted._asdict(),
        "rates": rates(device, recipe.precision)._asdict(),
        "profiled_pack": largest,
        "busy": busy,
        "operators": operators,
    }


def show(found: dict[str, Any]) -> None:
    """Print what :func:`measure` found."""
    gib = 2**30
    print(
        f"{found['device']}, torch {found['torch']}, {found['threads']} threads, batch {found['batch']}, "
        f"{found['precision']}{', compiled' * found['compiled']}"
    )
    print(f"plain loop: {found['plain_images_per_second']:.0f} images/s\n")
    print(
        f"{'P':>5} {'packs':>9} {'model-images/s':>15} {'x plain':>8} {'peak GiB':>9} {'planned':>8} {'paper grid':>12}"
    )
    for row in found["rows"]:
        if not row["pack"]:
            need, free = found["member_bytes"] / gib, row["free_bytes"] / gib
            print(f"{row['members']:5} skipped: a member needs {need:.2f} GiB, {free:.2f} GiB are free")
            continue
        print(
            f"{row['members']:5} {row['packs']:4} x {row['pack']:<3} {row['model_images_per_second']:14.0f} "
            f"{row['ratio']:8.2f} {row['peak_bytes'] / gib:9.2f} {row['planned_bytes'] / gib:8.2f} "
            f"{row['grid_hours']:10.1f} h"
        )
    done, can, batch = Work(**found["work"]), Rates(**found["rates"]), found["batch"]
    flops, moved = done.forward + done.backward, done.passed + done.updated
    print(
        f"\na model-image: {done.forward / batch / 1e6:.1f} MFLOP forward, {done.backward / batch / 1e6:.1f} backward; "
        f"operators move {done.passed / batch / 2**20:.2f} MiB in the passes, {done.updated / batch / 2**20:.2f} in "
        f"Adam (at least {done.least / batch / 2**20:.2f} in all)"
    )
    print(f"the device: {can.matrix / 1e9:.0f} GFLOP/s in a large product, {can.copy / 1e9:.1f} GB/s in a large copy")
    fastest = max((row["model_images_per_second"] for row in found["rows"] if row["pack"]), default=0.0)
    for what, limit in (
        ("arithmetic", can.matrix / flops),
        ("bytes as PyTorch's operators move them", can.copy / moved),
        ("bytes at least", can.copy / done.least),
    ):
        print(f"  roof of {what}: {limit * batch:.0f} model-images/s; reached {100 * fastest / (limit * batch):.0f} %")
    print(f"\nP = {found['profiled_pack']}: operators run {100 * found['busy']:.0f} % of the wall time; of that")
    for name, share in found["operators"]:
        print(f"  {100 * share:5.1f} %  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, nargs="+", default=[1, 8, 64, 441])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--precision", choices=list(FLOAT), default="float32")
    parser.add_argument("--compile", choices=get_args(CompileName), default="never", help="as execution.compile")
    parser.add_argument("--steps", type=int, default=10, help="timed steps of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--curves", type=Path, metavar="FOLDER", help="measure cost curves instead, into this folder")
    options = parser.parse_args()
    if options.curves:
        recipe = TrainingSpec(epochs=1, batch=options.batch, precision=options.precision)
        device = chosen_device(options.device)
        curves(device, recipe, WARM + options.steps, options.rounds, options.curves)
        return
    found = measure(options)
    show(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
