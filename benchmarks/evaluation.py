"""Where does the time of evaluating one 28x28 model go, with everything on, on 10,000 test images?

    python benchmarks/evaluation.py [--run LANDSCAPE/runs/KEY] [--images 10000] [--noise] [--paper]

The images are MNIST (fetched, or where RATESCAPE_DATA points), the model that of --run, or one trained here for a
moment. Measured is what a record of one split holds: rates, reconstruction, information, generation and probes (fitted
to training images, which another split of the same model would share). Compared with: a budget of 10 s of a processor.
--noise scores probes on noise of the layers' sizes instead, the worst case, which a collapsed layer comes near;
--paper also times the paper's protocol. On a busy machine read the processors' time, with OMP_NUM_THREADS=1.
"""

import argparse
import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from ratescape import checkpoint
from ratescape.compute.memory import keep_freed_memory
from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData, load_data
from ratescape.evaluation import probes
from ratescape.evaluation.estimators import Scored
from ratescape.evaluation.features import features, fitting_images, posterior_samples
from ratescape.evaluation.generation import generation
from ratescape.evaluation.information import layer_information
from ratescape.evaluation.pictures import reconstructions, samples
from ratescape.evaluation.rates import active_units
from ratescape.evaluation.reading import Reading, read
from ratescape.evaluation.samples import SampleProbes
from ratescape.judges.cache import Judge
from ratescape.judges.networks import network
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.specs.judge import JudgeSpec
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.loop import train

BUDGET = 10.0
"""Seconds of a processor."""
TRAINING_IMAGES = 5000


class Watch:
    """Seconds by stage, on the clock and of processors, in the order in which stages first ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        wall, processors = time.perf_counter(), time.process_time()
        yield
        before = self.seconds.get(name, (0.0, 0.0))
        self.seconds[name] = before[0] + time.perf_counter() - wall, before[1] + time.process_time() - processors

    def show(self, label: str) -> None:
        wall, processors = map(sum, zip(*self.seconds.values(), strict=True))
        print(f"{'':52} {'clock':>8}   {'processors':>10}")
        for name, (own_wall, own) in {**self.seconds, label: (wall, processors)}.items():
            print(f"{name:52} {own_wall:8.2f} s {own:10.2f} s {own / processors:6.0%}", flush=True)


def trained(data: ImageData, run: Path | None) -> HVAE:
    """The model of a run, or one that has seen a few images: its layers carry something, which is what times need."""
    if run is not None:
        return checkpoint.load_model(run / "weights.safetensors", torch.device("cpu"))[0]
    images = Images(data.train.pixels[:TRAINING_IMAGES], binary=True)
    torch.manual_seed(0)
    model = build(resolved_model(ModelSpec(), data.shape, binary=True), data.shape)
    recipe = TrainingSpec(epochs=4, batch=64, learning_rate=3e-3, annealing=0)
    result = train(recipe, model, images, FixedBetas(torch.ones(1, 2), 0), 1, 0)
    model.load_state_dict({name: value[0] for name, value in result.parameters.items()})
    return model.requires_grad_(False)


def stand_in(data: ImageData) -> Judge:
    """A judge that learned nothing: it takes as long as one that did."""
    classes = tuple(map(str, range(10)))
    untrained = network("small-cnn", data.shape, len(classes)).eval().requires_grad_(False)
    return Judge(untrained, JudgeSpec(), data.shape, classes, data.fingerprint, 0.0, None, "", "")


@contextlib.contextmanager
def timed_probes(watch: Watch) -> Iterator[None]:
    """Every fit and every score of an estimator as a stage of its own."""
    fit, score = probes.converges, probes.score_of

    def timed_fit(estimator: Any, x: np.ndarray, y: Any) -> bool:
        kind = type(estimator).__name__
        with watch.stage(f"fit   {kind}, {len(x)} x {x.shape[1]}"):
            return fit(estimator, x, y)

    def timed_score(name: str, estimator: Any, x: np.ndarray, y: Any) -> Scored:
        with watch.stage(f"score {name}, {len(x)} x {x.shape[1]}"):
            return score(name, estimator, x, y)

    with mock.patch.multiple(probes, converges=timed_fit, score_of=timed_score):
        yield


def without_probes(model: HVAE, data: ImageData, images: Images, labels: np.ndarray, watch: Watch) -> Reading:
    with watch.stage("rates, reconstruction, means and samples"):
        reading = read(model, images, seed=0)
        active_units(reading.restored.means)
    with watch.stage("pictures"):
        reconstructions(model, images, 8)
        samples(model, 8, 0)
    with watch.stage("information of every layer"):
        layer_information(reading.samples, reading.posteriors, labels)
    with watch.stage("inception score of 10,000 samples"):
        generation(model, stand_in(data), 10_000)
    return reading


def heldout(model: HVAE, data: ImageData, reading: Reading, labels: np.ndarray, noise: bool, watch: Watch) -> None:
    chosen = fitting_images(len(data.train.pixels), 0)
    assert data.train.labels is not None
    fitted_labels = data.train.labels[chosen]
    fitted_to = Images(data.train.pixels[chosen], binary=True)
    with watch.stage("features"):
        fit = features(model, fitted_to, 0)
        score = [mode.flatten(1).numpy() for mode in reading.restored.means]
    with watch.stage("RBF SVMs on samples"):
        on_samples = SampleProbes(posterior_samples(model, fitted_to, 0), fitted_labels)
        on_samples.score([sample.numpy() for sample in reading.samples], labels)
    if noise:
        generator = np.random.default_rng(0)
        fit, score = ([generator.normal(size=x.shape).astype(np.float32) for x in layers] for layers in (fit, score))
    with timed_probes(watch):
        report(probes.fit_probes(fit, fitted_labels).score(score, labels))


def paper(model: HVAE, images: Images, labels: np.ndarray, watch: Watch) -> None:
    with watch.stage("features at samples"):
        layers = features(model, images, 0, sampled=True)
    with timed_probes(watch):
        report(probes.paper_probes(layers, labels))


def report(scored: probes.LayerScores) -> None:
    print(f"Probes fitted to {scored.fitted} images and scored on {scored.scored}; not converged: {scored.unconverged}")
    for name, values in scored.metrics.items():
        print(f"  {name:22}", *(f"{value:.4f}" if value is not None else "-" for value in values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="folder of a trained run on 28x28 binary images")
    parser.add_argument("--images", type=int, default=10_000, help="test images")
    parser.add_argument("--noise", action="store_true", help="probe noise, as of collapsed layers")
    parser.add_argument("--paper", action="store_true", help="time the paper's protocol too")
    options = parser.parse_args()
    data = load_data("mnist")
    data = dataclasses.replace(data, test=dataclasses.replace(data.test, pixels=data.test.pixels[: options.images]))
    assert data.test.labels is not None
    labels = data.test.labels[: options.images]
    images = Images(data.test.pixels, binary=True)
    model = trained(data, options.run)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {len(images)} test images")
    keep_freed_memory()  # as a sweep does
    watch = Watch()
    reading = without_probes(model, data, images, labels, watch)
    heldout(model, data, reading, labels, options.noise, watch)
    watch.show(f"everything (budget {BUDGET:.0f} s)")
    if options.paper:
        watch = Watch()
        paper(model, images, labels, watch)
        watch.show("the paper's protocol of probes")


if __name__ == "__main__":
    main()
