r"""What a model's layers are worth to a classifier, beside principal components and the pixels themselves.

    python benchmarks/estimators.py

scikit-learn's digits (1,797 of 8 x 8 pixels), of which the pixels of a variance below 2 are left out: one that is dark
in all training digits but a few has no scale. An SVM (RBF) classifies what each representation gives, standardised; each
is chosen by a grid search of 2 folds within the training part: the SVM's C of 1, 3 and 10, and betas of the transformer
or the number of principal components. Accuracy is that of 5 folds around it, which neither training nor choice has seen.
The table gives their mean, the smallest and largest, how often each setting was chosen, and processor seconds.
"""

import argparse
import collections
import tempfile
import time
import warnings
from typing import Any

import numpy as np
from joblib import Memory
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import VarianceThreshold
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ratescape.estimators import RateTransformer

BETAS = [1.0, 0.3, (0.3, 1.0)]
"""One for both layers, or one for each, top layer first."""


def representations(epochs: int) -> dict[str, tuple[Any, dict[str, list[Any]]]]:
    """What stands before the classifier, and what is searched of it."""
    own = RateTransformer(epochs=epochs, batch_size=128, random_state=0)
    return {
        "RateTransformer, both layers of 8": (own, {"z__betas": BETAS}),
        "RateTransformer, z2 alone": (clone(own).set_params(layer=2), {"z__betas": BETAS}),
        "RateTransformer, z1 alone": (clone(own).set_params(layer=1), {"z__betas": BETAS}),
        "PCA": (PCA(random_state=0), {"z__n_components": [8, 16, 32]}),
        "raw pixels": ("passthrough", {}),
    }


def measured(z: Any, searched: dict[str, list[Any]], folds: StratifiedKFold, memory: Memory) -> tuple[Any, list[Any]]:
    """Accuracies on the folds, and what was chosen in each."""
    x, y = load_digits(return_X_y=True)
    pipe = Pipeline(
        [("known", VarianceThreshold(2.0)), ("z", z), ("scale", StandardScaler()), ("svm", SVC())], memory=memory
    )
    search = GridSearchCV(pipe, searched | {"svm__C": [1, 3, 10]}, cv=StratifiedKFold(2, shuffle=True, random_state=0))
    accuracies: list[float] = []
    chosen: list[Any] = []
    for train, test in folds.split(x, y):
        found = clone(search).fit(x[train], y[train])
        accuracies.append(found.score(x[test], y[test]))
        chosen += [value for name, value in found.best_params_.items() if name.startswith("z__")]
    return np.array(accuracies), chosen


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=150, help="of the transformer's trainings (default: 150)")
    parser.add_argument("--folds", type=int, default=5)
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # of trainings on half of the rows, if there are any
    folds = StratifiedKFold(asked.folds, shuffle=True, random_state=0)
    print("| representation | accuracy | folds from to | chosen | processor seconds |\n|---|---:|---:|---|---:|")
    with tempfile.TemporaryDirectory() as folder:
        memory = Memory(folder, verbose=0)  # one training serves all classifiers behind it
        for name, (z, searched) in representations(asked.epochs).items():
            begun = time.process_time()
            accuracies, chosen = measured(z, searched, folds, memory)
            seconds = time.process_time() - begun
            counted = ", ".join(f"{value}: {count}" for value, count in collections.Counter(chosen).most_common())
            low, high = accuracies.min(), accuracies.max()
            print(
                f"| {name} | {accuracies.mean():.3f} | {low:.3f} {high:.3f} | {counted or '-'} | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
