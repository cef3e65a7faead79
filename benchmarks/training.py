"""Time training against a plain PyTorch loop over the same networks, on this machine, in this run.

    python benchmarks/training.py [--members 8] [--steps 24] [--rounds 3]

Compared with: a straightforward loop (module, autograd, torch.optim.Adam, DataLoader-free batches), run with PyTorch's
own choice of threads, once for each member, in a process of its own, for ratescape changes how a process gets its
memory. ratescape trains one member in this process with as many threads, the same network told its betas, and the sweep
with its default engine.
Rounds alternate, so that a machine's drift hits both alike; medians are printed.
A sweep's fixed cost (starting processes, measuring, pictures) is timed apart, by sweeps of two lengths.
"""

import argparse
import copy
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData, load_data
from ratescape.execution.sweep import resolved_sweep, run_sweep
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE, PosteriorSample
from ratescape.model.registry import build, resolved_model
from ratescape.records.folders import SweepFolder
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Dedicated
from ratescape.specs.model import ModelSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.annealing import LinearAnnealing
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.betas.sampled import BetaBox, SampledBetas
from ratescape.training.loop import train

BATCH = 256
LEAN = EvaluationSpec(samples=0, information=False, probes="none")


def plain_loop(
    pixels: np.ndarray, binary: bool, steps: int, batch: int = BATCH, device: str = "cpu", bf16: bool = False
) -> float:
    """Seconds of the plain loop, after three steps to warm up; in PyTorch's own precision, or with autocast."""
    images = Images(pixels, binary, device)
    shape = (images.pixels.shape[1], images.pixels.shape[2], images.pixels.shape[3])
    model = build(resolved_model(ModelSpec(), shape, binary), shape).to(device)
    plain_steps(model, images, 3, batch, bf16)
    return plain_steps(model, images, steps, batch, bf16)


def plain_steps(model: HVAE, images: Images, steps: int, batch: int, bf16: bool) -> float:
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    order = torch.randperm(len(images)).to(images.device)
    loss = torch.zeros(())
    begun = time.perf_counter()
    for step in range(steps):
        at = step * batch % (len(images) - batch)
        seen = images.take(order[at : at + batch])
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
            result = model(PosteriorSample(model.noise(len(seen))), seen)
        loss = (result.distortion + result.rates.sum(1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    if not torch.isfinite(loss):  # reading it also waits for an accelerator
        raise SystemExit("the plain loop diverged")
    return time.perf_counter() - begun


def our_loop(model: HVAE, images: Images, steps: int) -> float:
    """Seconds of ratescape's loop over one member, on a whole number of epochs of ``steps`` steps in all."""
    few = Images(images.pixels[: steps * BATCH].numpy(), images.binary)
    begun = time.perf_counter()
    train(TrainingSpec(epochs=1, batch=BATCH), model, few, FixedBetas(torch.ones(1, 2), 0), 1, 0)
    return time.perf_counter() - begun


def conditioned_loop(model: HVAE, images: Images, steps: int) -> float:
    """As :func:`our_loop`, for a network conditioned on its betas, another for every image."""
    few = Images(images.pixels[: steps * BATCH].numpy(), images.binary)
    network = Conditioned(copy.deepcopy(model), 0.08, 12.5, 64)
    policy = SampledBetas(BetaBox(0.08, 12.5, (0, 1)), 1, LinearAnnealing(0), 0, torch.empty(0))
    begun = time.perf_counter()
    train(TrainingSpec(epochs=1, batch=BATCH), network, few, policy, 1, 0)
    return time.perf_counter() - begun


def sweep_seconds(data: ImageData, members: int, epochs: int) -> float:
    """Seconds of a whole sweep with the default engine."""
    training = TrainingSpec(epochs=epochs, batch=BATCH)
    method = Dedicated(BetaGrid(steps=members), (0, 0))
    spec = SweepSpec(data=data.spec, method=method, training=training, evaluation=LEAN)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run_sweep(resolved_sweep(spec, data), data, SweepFolder(Path(folder) / "sweep"), ExecutionSpec())
        return time.perf_counter() - begun


def compare(name: str, data: ImageData, members: int, steps: int, rounds: int) -> None:
    """Print one network's rows."""
    binary = bool(data.spec.binary)
    images = Images(data.train.pixels, binary)
    model = build(resolved_model(ModelSpec(), data.shape, binary), data.shape)
    plain = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    def beside() -> float:
        return plain.submit(plain_loop, data.train.pixels, binary, steps).result()

    loops: dict[str, Callable[[], float]] = {
        "plain": beside,
        "ours": lambda: our_loop(model, images, steps),
        "conditioned": lambda: conditioned_loop(model, images, steps),
    }
    times: dict[str, list[float]] = {key: [] for key in loops}
    for _ in range(rounds + 1):  # the first round warms up
        for key, loop in loops.items():
            times[key].append(loop() / steps)
    one, ours, told = (statistics.median(times[key][1:]) for key in ("plain", "ours", "conditioned"))
    per_epoch = -(-len(images) // BATCH)
    short, long = 1, 1 + -(-2 * steps // per_epoch)
    sweeps: dict[int, list[float]] = {short: [], long: []}
    again: list[float] = []
    for _ in range(rounds):
        for epochs in (short, long):
            sweeps[epochs].append(sweep_seconds(data, members, epochs))
        again.append(beside() / steps)
    short_seconds, long_seconds = (statistics.median(sweeps[epochs]) for epochs in (short, long))
    each = (long_seconds - short_seconds) / ((long - short) * per_epoch * members)
    fixed = short_seconds - short * per_epoch * members * each
    between = statistics.median(again)
    rows = [
        (f"{name} plain loop, {torch.get_num_threads()} threads", one, 1.0),
        (f"{name} ratescape, one model, same process", ours, one / ours),
        (f"{name} conditioned ({told / ours:.2f} of one model's time)", told, one / told),
        (f"{name} plain loop again, between the sweeps", between, 1.0),
        (f"{name} ratescape, sweep of {members} (fixed cost {fixed:.1f} s)", each, between / each),
    ]
    for label, seconds, ratio in rows:
        print(f"{label:62} {1e3 * seconds:8.1f} ms a step and member {ratio:6.2f} x plain")


def colour_data(count: int) -> ImageData:
    """Random 32x32 colour images: the time of a step does not depend on what they show."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    return load_data(pixels, validation=0.02, test=0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--steps", type=int, default=14)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {BATCH}")
    grey = load_data("mnist-5k")
    for name, data in (("28x28 binary", grey), ("32x32 colour", colour_data(3600))):
        compare(name, data, options.members, options.steps, options.rounds)


if __name__ == "__main__":
    main()
