"""How well are outliers told, by every score of a landscape and by simpler means? Prints a Markdown table.

    python benchmarks/anomalies.py OUT --cases fashion-mnist:mnist mnist:fashion-mnist
    python benchmarks/anomalies.py OUT --cases mnist-without-0 ... mnist-without-9
    python benchmarks/anomalies.py OUT --cases cifar10:fashion-mnist cifar10:noise fashion-mnist:cifar10

A case is IN:OUT, or a set without one of its classes, which is then what is out. For each set that is in, one network
that is conditioned on its betas is trained (OUT/IN/landscape; --landscape takes one that is there), and a plain VAE
of one layer (OUT/IN/plain). Models at the points of the grid, and their scores, are chosen by AUROC on 1,000
validation items and one half of 2,000 outliers, and reported on 1,000 test items and the other half; all that is
compared sees the same test items and outliers.

Beside them: -ELBO of the plain VAE; its likelihood regret (Xiao et al., 2020: how much the ELBO of an item rises where
its posterior is optimised for it alone); the squared error of a PCA of 64 components; an isolation forest and ECOD
(Li et al., 2022), by PyOD where that can be imported, else by scikit-learn and by definition. All are fitted to the
training images.

Every result is a line of OUT/results.jsonl; what stands there is not measured again, and networks are taken up where
they were broken off.
"""

import argparse
import importlib.util
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

import ratescape as rs
from ratescape.evaluation import anomalies
from ratescape.evaluation.subject import Subject
from ratescape.records.files import read_json_lines
from ratescape.scoring.outliers import outliers_for
from ratescape.scoring.separation import Separation, separation

LEAN = {"samples": 0, "information": False, "probes": "none"}
ONE = {"workers": 1}
ITEMS, COMPONENTS, REGRET_STEPS = 1000, 64, 100


class Case(NamedTuple):
    """What is in, and what is out."""

    name: str
    inside: str
    data: rs.ImageData
    outliers: str
    """A known set, or a path."""


def case_of(name: str, out: Path, limit: int | None) -> Case:
    """A case by its name; what is made for it is written to ``out``."""
    inside, _, outside = name.partition(":")
    if "-without-" not in name:
        if outside == "noise":
            outside = str(out / "noise.npy")
            np.save(outside, np.random.default_rng(0).integers(0, 256, (2 * ITEMS, 32, 32, 3), np.uint8))
        return Case(name, inside, rs.load_data(inside, limit=limit), outside)
    source, _, left_out = name.rpartition("-without-")
    data = rs.load_data(source)
    pixels = np.concatenate([data.train.pixels, data.unseen.pixels])
    labels = np.concatenate([np.asarray(data.train.labels), np.asarray(data.unseen.labels)])
    is_out, test_out = labels == int(left_out), np.asarray(data.test.labels) == int(left_out)
    path, other = out / f"{name}.npz", out / f"{name}-out.npy"
    if not path.exists():
        first = np.flatnonzero(~test_out)[:ITEMS]  # the only ones looked at: measuring the grid's points is quick
        np.savez(path, x_train=pixels[~is_out], y_train=labels[~is_out], x_test=data.test.pixels[first],
                 y_test=np.asarray(data.test.labels)[first])  # fmt: skip
        np.save(other, data.test.pixels[test_out])
    return Case(name, name, rs.load_data(path, limit=limit, binary=data.spec.binary), str(other))


def landscape(case: Case, out: Path, arguments: argparse.Namespace) -> rs.Landscape:
    """One network for all betas; of its models only the corners are measured: nothing else is asked of them."""
    if arguments.landscape is not None:
        return rs.Landscape(arguments.landscape)
    method = rs.Conditioned(
        grid=rs.BetaGrid(arguments.low, arguments.high, 2),
        conditioning=rs.ConditioningSpec(fine=0, refine_recommended=0),
    )
    training = {"steps": arguments.steps}
    where, model = out / case.inside / "landscape", {"sigma": arguments.sigma}
    return rs.map_landscape(
        case.data, model=model, training=training, method=method, evaluation=LEAN, execution=ONE, out=where
    )


def of_landscape(case: Case, out: Path, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every score of the best model, and the best of them, chosen on validation."""
    network = landscape(case, out, arguments).network()
    settings = rs.EvaluationSpec(samples=0, information=False, probes="none", outliers=case.outliers)
    side = np.geomspace(arguments.low, arguments.high, arguments.points)
    best: tuple[float, tuple[float, float], Subject] | None = None
    for betas in [(float(top), float(low)) for top in side for low in side]:
        subject = Subject(network.at(betas), case.data, betas, settings)
        validation = next(iter(subject.splits.values()))
        auroc = max(one.auroc for one in anomalies.scored(subject, validation).separations.values())
        yield {"kind": "point", "method": f"betas {betas[0]:.3g}, {betas[1]:.3g}", "auroc": auroc}
        if best is None or auroc > best[0]:
            best = auroc, betas, subject
    assert best is not None
    _, betas, subject = best
    found, name = anomalies.scored(subject, list(subject.splits.values())[-1]).separations, anomalies.chosen(subject)
    yield line("best", f"{name} at betas {betas[0]:.3g}, {betas[1]:.3g}", found[name])
    for score, one in found.items():
        if score != "nll":  # the same as -ELBO, for one sample
            yield line("score", score, one)


def line(kind: str, method: str, found: Separation) -> dict[str, Any]:
    return {"kind": kind, "method": method} | found._asdict()


def baselines(case: Case, out: Path, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What is simpler, on the same test items and outliers."""
    test = _flat(case, case.data.test.pixels[:ITEMS])
    outliers = outliers_for(case.data, case.outliers, 2 * ITEMS)[1::2]
    train, others = _flat(case, case.data.train.pixels), _flat(case, outliers)
    methods: dict[str, Callable[[], tuple[Any, ...]]] = {
        "PCA, squared error": lambda: _pca(train, test, others),
        "isolation forest": lambda: _forest(train, test, others),
        "ECOD": lambda: _ecod(train, test, others),
    }
    for name, measure in methods.items():
        begun = time.perf_counter()
        normal, others_scored = measure()
        yield line("baseline", name, separation(normal, others_scored)) | {"seconds": time.perf_counter() - begun}
    model = rs.train(
        case.data,
        model={"family": "residual", "latents": (32,), "sigma": arguments.sigma},
        training={"steps": arguments.steps},
        evaluation=LEAN,
        out=out / case.inside / "plain",
    )
    both = [_thresholded(case, pixels) for pixels in (case.data.test.pixels[:ITEMS], outliers)]
    yield line("baseline", "plain VAE, -ELBO", separation(*(model.score(pixels)["nelbo"] for pixels in both)))
    begun = time.perf_counter()
    regrets = separation(*(likelihood_regret(model, pixels) for pixels in both))
    yield line("baseline", "plain VAE, likelihood regret", regrets) | {"seconds": time.perf_counter() - begun}


def likelihood_regret(model: rs.HVAE, pixels: np.ndarray) -> np.ndarray:
    """How much the ELBO of each item rises where mean and spread of its posterior are optimised, nats ``[N]``."""
    found: list[np.ndarray] = []
    for chunk in model.inputs(pixels).split(250):
        with torch.no_grad():
            first = model(lambda index, prior, posterior: posterior.mean, chunk).posteriors[0]
        generator = torch.Generator().manual_seed(0)
        noise = [torch.randn(first.mean.shape, generator=generator) for _ in range(8)]
        mean, log_sigma = first.mean.clone().requires_grad_(True), first.sigma.log().requires_grad_(True)
        before = _elbo(model, chunk, mean, log_sigma, noise).detach()
        optimiser = torch.optim.Adam([mean, log_sigma], lr=0.02)
        for _ in range(REGRET_STEPS):
            optimiser.zero_grad()
            loss = -_elbo(model, chunk, mean, log_sigma, [torch.randn(mean.shape, generator=generator)]).sum()
            loss.backward()
            optimiser.step()
        found.append((_elbo(model, chunk, mean, log_sigma, noise).detach() - before).numpy())
    return np.concatenate(found).astype(np.float64)


def _elbo(model: rs.HVAE, images: Any, mean: Any, log_sigma: Any, noise: list[Any]) -> Any:
    """The ELBO of a model of one layer at a Gaussian posterior of each image, the mean over draws ``[B]``."""
    sigma = log_sigma.exp()
    rate = (0.5 * (mean**2 + sigma**2 - 1) - log_sigma).flatten(1).sum(1)  # from a standard normal prior
    layer: Any = model.layers[0]
    outputs = [model.decoder(layer.advance(None, mean + sigma * one)) for one in noise]
    return -torch.stack([model.likelihood.distortion(one, images) for one in outputs]).mean(0) - rate


def _thresholded(case: Case, pixels: np.ndarray) -> np.ndarray:
    return np.where(pixels > 127, 255, 0).astype(np.uint8) if case.data.spec.binary else pixels


def _flat(case: Case, pixels: np.ndarray) -> np.ndarray:
    return _thresholded(case, pixels).reshape(len(pixels), -1).astype(np.float32) / 255


def _pca(train: np.ndarray, *items: np.ndarray) -> tuple[np.ndarray, ...]:
    pca = PCA(COMPONENTS, random_state=0).fit(train)
    return tuple(np.square(x - pca.inverse_transform(pca.transform(x))).sum(1).astype(np.float64) for x in items)


def _forest(train: np.ndarray, *items: np.ndarray) -> tuple[np.ndarray, ...]:
    if importlib.util.find_spec("pyod"):
        theirs: Any = importlib.import_module("pyod.models.iforest").IForest(random_state=0).fit(train)
        return tuple(theirs.decision_function(x) for x in items)
    forest = IsolationForest(random_state=0).fit(train)
    return tuple(-forest.score_samples(x) for x in items)


def _ecod(train: np.ndarray, *items: np.ndarray) -> tuple[np.ndarray, ...]:
    """The largest of three sums of -log tail probabilities over the columns: left, right, and the tail by skewness."""
    if importlib.util.find_spec("pyod"):
        ecod: Any = importlib.import_module("pyod.models.ecod").ECOD().fit(train)
        return tuple(ecod.decision_function(x) for x in items)
    return tuple(_ecod_of(train, x) for x in items)


def _ecod_of(train: np.ndarray, items: np.ndarray) -> np.ndarray:
    """By definition; as PyOD does, the items are ranked among themselves and the training items."""
    left, right = np.empty(items.shape), np.empty(items.shape)
    for column in range(train.shape[1]):
        both = np.concatenate([train[:, column], items[:, column]])
        left[:, column] = rankdata(both, "max")[len(train) :] / len(both)
        right[:, column] = rankdata(-both, "max")[len(train) :] / len(both)
    low, high = -np.log(left), -np.log(right)
    centred = train - train.mean(0)
    skewed = np.where((centred**3).mean(0) < 0, low, high)
    return np.maximum.reduce([low.sum(1), high.sum(1), skewed.sum(1)])


def told(lines: list[dict[str, Any]]) -> None:
    """The table of all results."""
    print("\n| in : out | by | AUROC | AUPRC | FPR80 |\n|---|---|---:|---:|---:|")
    for one in lines:
        if one["kind"] != "point":
            numbers = " | ".join(f"{one[name]:.4f}" for name in ("auroc", "auprc", "fpr80"))
            bold = "**" if one["kind"] == "best" else ""
            print(f"| {one['case']} | {bold}{one['method']}{bold} | {numbers} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", nargs="+", default=["fashion-mnist:mnist", "mnist:fashion-mnist"])
    parser.add_argument("--limit", type=int, help="training images at most")
    parser.add_argument("--steps", type=int, default=4000, help="of each training")
    parser.add_argument("--sigma", type=float, default=0.2, help="of the Gaussian likelihood, of what is not binary")
    parser.add_argument("--low", type=float, default=0.03)
    parser.add_argument("--high", type=float, default=10.0)
    parser.add_argument("--points", type=int, default=5, help="points of the grid along each beta")
    parser.add_argument("--landscape", type=Path, help="of the set that is in, mapped by the conditioned method")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "results.jsonl"
    for name in arguments.cases:
        done = {(one["case"], one["part"]) for one in read_json_lines(path)} if path.exists() else set()
        case = case_of(name, arguments.out, arguments.limit)
        for part in (baselines, of_landscape):
            if (name, part.__name__) not in done:
                found = [one | {"case": name, "part": part.__name__} for one in part(case, arguments.out, arguments)]
                with path.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(one) + "\n" for one in found)
    told(read_json_lines(path))


if __name__ == "__main__":
    main()
