r"""What a model's layers are worth to a classifier, beside principal components and the pixels themselves.

    python benchmarks/estimators.py

scikit-learn's digits (1,797 of 8 x 8 pixels), of which the pixels of a variance below 2 are left out: one that is dark
in all training digits but a few has no scale. An SVM (RBF) classifies what each representation gives, standardised.
A grid search of 2 folds within the training part chooses C of the SVM (1, 3, 10), and betas of the transformer or the
number of principal components. Accuracy is that of 5 folds around it, which neither training nor choice has seen. The
table gives their mean, the smallest and largest, how often each setting was chosen, and processor seconds.
"""

import argparse
import collections
import tempfile
import time
from typing import Any

import numpy as np
from joblib import Memory
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.feature_selection import VarianceThreshold
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from ratescape.estimators import RateTransformer

BETAS = [1.0, 0.3, (0.3, 1.0)]
"""One for both layers, or one for each, top layer first."""


def representations(epochs: int) -> dict[str, tuple[Any, Any, dict[str, list[Any]]]]:
    """What stands before the classifier, what is taken of it, and what is searched."""
    own, every = RateTransformer(epochs=epochs, batch_size=128, random_state=0), "passthrough"
    return {
        "both layers, 8 + 8": (own, every, {"z__betas": BETAS}),
        "z2 alone, 8": (own, FunctionTransformer(upper), {"z__betas": BETAS}),
        "z1 alone, 8": (own, FunctionTransformer(lower), {"z__betas": BETAS}),
        "PCA": (PCA(random_state=0), every, {"z__n_components": [8, 16, 32]}),
        "pixels": ("passthrough", every, {}),
    }


def upper(means: np.ndarray) -> np.ndarray:
    """The columns of z2; ``layer=2`` would give the same, but be trained again."""
    return means[:, :8]


def lower(means: np.ndarray) -> np.ndarray:
    """The columns of z1."""
    return means[:, 8:]


def measured(z: Any, taken: Any, searched: dict[str, list[Any]], folds: int, memory: Memory) -> tuple[Any, list[Any]]:
    """Accuracies on the folds, and what was chosen in each."""
    x, y = load_digits(return_X_y=True)
    steps = [("known", VarianceThreshold(2.0)), ("z", z), ("taken", taken), ("scale", StandardScaler()), ("svm", SVC())]
    inner, outer = (StratifiedKFold(count, shuffle=True, random_state=0) for count in (2, folds))
    search = GridSearchCV(Pipeline(steps, memory=memory), searched | {"svm__C": [1, 3, 10]}, cv=inner)
    accuracies: list[float] = []
    chosen: list[Any] = []
    for train, test in outer.split(x, y):
        found = clone(search).fit(x[train], y[train])
        accuracies.append(found.score(x[test], y[test]))
        chosen += [value for name, value in found.best_params_.items() if name.startswith("z__")]
    return np.array(accuracies), chosen


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=170, help="of the transformer's trainings (default: 170)")
    parser.add_argument("--folds", type=int, default=5)
    asked = parser.parse_args()
    print("| representation | accuracy | from to | chosen | processor seconds |\n|---|---:|---|---|---:|")
    with tempfile.TemporaryDirectory() as folder:
        memory = Memory(folder, verbose=0)  # one training serves all classifiers behind it
        for name, (z, taken, searched) in representations(asked.epochs).items():
            begun = time.process_time()
            accuracies, chosen = measured(z, taken, searched, asked.folds, memory)
            seconds = time.process_time() - begun
            counted = ", ".join(f"{value}: {count}" for value, count in collections.Counter(chosen).most_common())
            cells = [name, f"{accuracies.mean():.3f}", f"{accuracies.min():.3f} to {accuracies.max():.3f}", counted]
            print(f"| {' | '.join(cells)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
