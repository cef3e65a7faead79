r"""Vectors: what models of rows keep and find, and how long a landscape of them takes.

    python benchmarks/vectors.py --levels
    python benchmarks/vectors.py --sets
    python benchmarks/vectors.py --speed

``--levels`` generates rows of two levels, a group and a place that varies smoothly around that of the group, and trains
a model whose top layer has as many dimensions as the places and is asked for 4 nats, of which the groups take log 4:
normalised mutual information of k-means clusters of each layer's means and the groups, on rows not trained on, for six
seeds.

``--sets`` trains the plain VAE on scikit-learn's digits (64 columns, of which those of one value alone are left out),
on breast cancer, and on rows of the size of covertype (20,000 of them, 54 columns of which 44 are booleans): -ELBO in
nats per row, R^2, and how well an RBF SVM reads the class off each layer.

``--speed`` maps 25 dedicated models of 10,000 rows of 50 columns by packs, with the package's own defaults, on as many
workers as there are cores; nothing is measured that needs classes.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

import ratescape as rs

GROUPS, COLUMNS = 4, 20
RATES = "2=4,1=4"
LEAN = {"samples": 0, "information": False, "probes": "none"}


def two_levels(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows ``[N, D]`` and the group of each, ``[N]``: a group has a place of its own, around which rows vary smoothly.

    Upper level: one of 4 groups u. Lower level: h ~ N(m_u, I) in 4 dimensions, the places m_u 10 along an axis each,
    seen as x = Q h + noise of 0.1, with Q of orthonormal columns.
    """
    generator = np.random.default_rng(seed)
    group = generator.integers(0, GROUPS, count)
    lower = 10.0 * np.eye(GROUPS)[group] + generator.normal(size=(count, GROUPS))
    directions, _ = np.linalg.qr(generator.normal(size=(COLUMNS, GROUPS)))
    return lower @ directions.T + 0.1 * generator.normal(size=(count, COLUMNS)), group


def groups_found(means: np.ndarray, group: np.ndarray) -> float:
    """Normalised mutual information of k-means clusters of a layer's means ``[N, d]``, and the groups ``[N]``."""
    found = KMeans(GROUPS, n_init=10, random_state=0).fit_predict(means)
    return float(normalized_mutual_info_score(group, found))


def levels() -> None:
    """What each layer finds of the upper level."""
    for seed in range(6):
        rows, group = two_levels(3000, seed)
        with tempfile.TemporaryDirectory() as folder:
            landscape = rs.map_landscape(
                rows[:1500],
                method=rs.Targeted(target_rates=(RATES,)),
                model={"channels": 32, "latents": (4, 4)},
                training={"steps": 800, "batch": 128},
                evaluation=LEAN,
                seeds=(seed,),
                execution={"engine": "in-process"},
                out=Path(folder) / "out",
            )
            (answer,) = landscape.answers()
            model = rs.load(landscape.folder.path / "runs" / str(answer.run))
        found = [groups_found(z.numpy(), group[1500:]) for z in model.encode(rows[1500:])]
        rates = ", ".join("-" if rate is None else f"{rate:.2f}" for rate in answer.rates)
        print(
            f"seed {seed}: NMI of groups and clusters of mu2 {found[0]:.3f}, of mu1 {found[1]:.3f}; rates {rates} "
            f"nats of z2, z1 (asked for: {RATES})"
        )


def sets() -> None:
    """The plain VAE on scikit-learn's own data, and on rows of covertype's form."""
    for name, (rows, labels) in {
        "digits": datasets.load_digits(return_X_y=True),
        "breast cancer": datasets.load_breast_cancer(return_X_y=True),
        "as covertype": as_covertype(20_000),
    }.items():
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            evaluation = {"information": False, "probe_kinds": ("rbf",)}
            rs.train(rows, labels, evaluation=evaluation, execution={"engine": "in-process"}, out=out)
            found = rs.evaluate(out, evaluation, data=rs.load_data(rows, labels))[1]["metrics"]
        accuracies = ", ".join(f"{value:.3f}" for value in found["accuracy_rbf"])
        print(
            f"{name}: {len(rows)} x {rows.shape[1]}; -ELBO {found['nelbo']:.2f} nats/row, rates {found['rates']}, R2 "
            f"{found['r2']:.3f}, RBF SVM on z2 and z1 {accuracies}, {time.monotonic() - begun:.0f} s"
        )


def as_covertype(count: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of 10 numbers and 44 booleans (one of 4, and one of 40), and 7 classes that they follow from."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 7, count)
    numbers = generator.normal(size=(7, 10))[labels] + generator.normal(size=(count, 3)) @ generator.normal(
        size=(3, 10)
    )
    frame = pd.DataFrame(100 * numbers + 2000, columns=[f"n{index}" for index in range(10)])
    for name, size in (("area", 4), ("soil", 40)):
        shares = generator.dirichlet(np.full(size, 0.3), 7)
        drawn = (generator.random((count, 1)) > shares.cumsum(1)[labels][:, :-1]).sum(1)
        for index in range(size):
            frame[f"{name}{index}"] = drawn == index
    return frame, labels


def speed() -> None:
    """A landscape of 25 dedicated models by packs."""
    generator = np.random.default_rng(0)
    rows = np.tanh(generator.normal(size=(10_000, 8)) @ generator.normal(size=(8, 50))) + 0.1 * generator.normal(
        size=(10_000, 50)
    )
    begun, before = time.monotonic(), sum(os.times()[:4])
    with tempfile.TemporaryDirectory() as folder:
        landscape = rs.map_landscape(
            rows, method="dedicated", grid={"steps": 5}, evaluation=LEAN, out=Path(folder) / "out"
        )
        spent, facts = sum(os.times()[:4]) - before, landscape.records.trained
        print(
            f"{len(landscape.table)} models in {time.monotonic() - begun:.0f} s, {spent:.0f} processor seconds, the "
            f"report included; {facts[landscape.table['run'][0]].steps} steps each; "
            f"{'; '.join(landscape.warnings) or 'no warnings'}"
        )
        print(landscape.folder.provenance()["sessions"][-1]["phases"])
        print(landscape.table[["beta_2", "beta_1", "rate_2", "rate_1", "r2"]].to_string())


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for task in (levels, sets, speed):
        parser.add_argument(f"--{task.__name__}", action="store_true")
    asked = parser.parse_args()
    for task in (levels, sets, speed):
        if getattr(asked, task.__name__):
            task()


if __name__ == "__main__":
    main()
