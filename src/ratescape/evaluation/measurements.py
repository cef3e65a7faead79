"""The package's own measurements: from one split of a subject to the metrics of its record.

What can be told from labels comes in three parts: information, probes on the posterior means mu_l, which is what users
build on, and one more probe on a *sample* of q(z_l | x), which is what the ceilings bound: if that is above a ceiling,
a measurement is wrong.
"""

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from ratescape.errors import DataError
from ratescape.evaluation import anomalies, errors, restoration
from ratescape.evaluation.bounds import ceiling_by_information, ceiling_by_rate, exceeds
from ratescape.evaluation.estimators import LABEL_MEASURES, MEASURE_OF
from ratescape.evaluation.features import Indices, fitting_images, paper_split
from ratescape.evaluation.generation import generation, score_of_images
from ratescape.evaluation.information import layer_information
from ratescape.evaluation.probes import LayerScores, Probes, fit_probes, paper_probes
from ratescape.evaluation.rates import active_units, rates
from ratescape.evaluation.reconstruction import Reconstruction
from ratescape.evaluation.samples import Labels, SampleProbes
from ratescape.evaluation.subject import Measured, Measurement, SplitView, Subject
from ratescape.judges.cache import Judge
from ratescape.specs.evaluation import SCORE_SPLITS

NO_LABELS = "the images have no labels"
OF_IMAGES = "the data are vectors: it is of images"
ONE_CLASS = "the images are all of one class"


def fidelity(subject: Subject, split: SplitView) -> Measured:
    """Rates, distortion, their sums, active units, and PSNR; of vectors R^2 and mean squared error in its place."""
    restored, per_image, distortions = split.reading.restored, split.rates.rates, split.rates.distortion
    layers, distortion = split.layer_rates, distortions.mean().item()
    weighted = sum(beta * rate for beta, rate in zip(subject.betas, layers, strict=True))
    totals, loss = per_image.sum(1), distortions + per_image @ per_image.new_tensor(subject.betas)
    exact = {"rates": per_image, "rate": totals, "distortion": distortions, "loss": loss, "nelbo": distortions + totals}
    return Measured(
        {
            "rates": layers,
            "rate": sum(layers),
            "distortion": distortion,
            "loss": distortion + weighted,
            "nelbo": distortion + sum(layers),
            **_kept(restored),
            "active": active_units(restored.means),
        },
        errors=_known({name: errors.of_mean(values) for name, values in exact.items()} | _errors_of_kept(restored)),
        parts={
            **{name: errors.parts(shares) for name, shares in shares_of_kept(restored).items()},
            "nelbo": errors.parts(exact["nelbo"]),
            "distortion": errors.parts(distortions),
        }
        | _rate_parts(per_image),
        absent={} if restored.varied is None else {"psnr": OF_IMAGES},
    )


def _kept(restored: Reconstruction) -> dict[str, float | None]:
    """What says how well reconstructions are: of images PSNR, of vectors R^2 and mean squared error."""
    if restored.varied is None:
        return {"psnr": restored.psnr}
    return {"r2": restored.r2, "mse": restored.mse}


def shares_of_kept(restored: Reconstruction) -> dict[str, Tensor]:
    """What each image or vector adds to these numbers, to first order, ``[N]``."""
    if restored.varied is None:
        return {"psnr": errors.shares_of_psnr(restored.errors)}
    shares = {} if restored.r2 is None else {"r2": errors.shares_of_r2(restored.errors, restored.varied)}
    return shares | {"mse": restored.errors}


def _errors_of_kept(restored: Reconstruction) -> dict[str, Any]:
    """Their standard errors."""
    if restored.varied is None:
        return {"psnr": errors.of_psnr(restored.errors)}
    return {name: errors.of_mean(shares) for name, shares in shares_of_kept(restored).items()}


def _rate_parts(per_image: Tensor) -> dict[str, list[float]]:
    """Parts of the layers' rates ``[N, L]``, which the errors of groups' sums are told by; two layers form none."""
    layers = per_image.shape[1]
    if layers < 3:
        return {}
    return {f"rate_{layers - index}": errors.parts(per_image[:, index]) for index in range(layers)}


def training_loss(subject: Subject, split: SplitView) -> Measured:
    """The loss on as many training images as the split that models are chosen on has; not told of other splits."""
    if split.position > 0:
        return Measured({})
    settings, train = subject.settings, subject.data.train.pixels
    images = subject.images(train[fitting_images(len(train), settings.seed, limit=len(split.images))])
    seen = rates(subject.model, images, settings.seed, settings.draws)
    layers = seen.rates.mean(0).tolist()
    costs = sum(beta * rate for beta, rate in zip(subject.betas, layers, strict=True))
    return Measured({"train_loss": seen.distortion.mean().item() + costs})


def sample_quality(subject: Subject, split: SplitView) -> Measured:
    """Inception score; each split has draws of its own, so that what was chosen on one is reported on others."""
    judge, settings = subject.judge, subject.settings
    if judge is None and subject.data.columns is not None:
        return Measured({}, {"inception_score": OF_IMAGES})
    if judge is None:
        labels = _labels(split)
        lacking = labels if isinstance(labels, str) else "a judge needs labels of two classes or more"
        return Measured({}, {"inception_score": "no samples were asked for" if settings.samples == 0 else lacking})
    score = generation(subject.model, judge, settings.samples, SCORE_SPLITS, seed=2 * settings.seed + split.position)
    values = {"inception_score": score.score, "diversity": score.diversity, "sharpness": score.sharpness}
    values |= {"judge_accuracy": judge.accuracy, "score_of_data": _score_of_data(judge, subject, split)}
    sampling = errors.of_accuracy(judge.accuracy, len(subject.data.test.pixels))
    return Measured(values, errors=score.errors | {"judge_accuracy": sampling})


def _score_of_data(judge: Judge, subject: Subject, split: SplitView) -> float:
    """What the judge gives the split's own images, asked once for all models that it judges."""
    asked = ("score of data", split.position, len(split.images), subject.settings.samples)
    if asked not in judge.known:
        judge.known[asked] = score_of_images(judge, split.images, subject.settings.samples, SCORE_SPLITS).score
    return judge.known[asked]


def most_frequent(subject: Subject, split: SplitView) -> Measured:
    """``chance``: the accuracy of always naming the most frequent class of the images that probes are scored on."""
    labels = _labels(split)
    if isinstance(labels, str):
        return Measured({})
    scored = paper_split(len(labels), subject.settings.seed)[1] if subject.settings.probes == "paper" else slice(None)
    return Measured({"chance": float(np.bincount(labels[scored]).max() / len(labels[scored]))})


def label_information(subject: Subject, split: SplitView) -> Measured:
    """Information about the labels in each layer, and the ceilings of accuracies that it and the rates make."""
    labels = _labels(split)
    if isinstance(labels, str):
        return Measured({}, {"information": labels})
    counts = np.bincount(labels)
    by_rate = {"ceiling_rate": ceiling_by_rate(split.layer_rates, counts).tolist()}
    if not subject.settings.information:
        return Measured(by_rate)
    try:
        layers = layer_information(split.reading.samples, split.reading.posteriors, labels)
    except DataError as error:
        return Measured(by_rate, {"information": str(error)})
    largest = [layer.paper for layer in layers]  # a ceiling must not rest on an estimate that is too small
    return Measured(
        by_rate
        | {
            "information": [layer.leave_one_out for layer in layers],
            "information_paper": largest,
            "ceiling_information": ceiling_by_information(largest, counts).tolist(),
        },
        errors={"information": [layer.standard_error for layer in layers]},
    )


class Fitted(NamedTuple):
    """Probes of one model that are fitted to training images, as far as these have labels or targets."""

    labels: Probes | None = None
    targets: Probes | None = None
    samples: SampleProbes | None = None


def mean_measures(subject: Subject) -> tuple[str, ...]:
    """Measures of the probes of labels that see posterior means, as far as they are wanted."""
    kinds = subject.settings.probe_kinds
    return tuple(measure for kind, measure in MEASURE_OF.items() if kind in kinds)


def fitted(subject: Subject) -> Fitted:
    """The probes of the held-out protocol; none under another."""
    if subject.settings.probes != "heldout":
        return Fitted()
    train, seed, wanted = subject.fitting(), subject.settings.seed, mean_measures(subject)
    targets = None if train.targets is None else fit_probes(train.means, numbers=train.targets)
    if train.labels is None:
        return Fitted(targets=targets)
    sampled = "sample" in subject.settings.probe_kinds and len(np.unique(train.labels)) > 1
    return Fitted(
        labels=fit_probes(train.means, train.labels, seed=seed, measures=wanted) if wanted else None,
        targets=targets,
        samples=SampleProbes(train.samples, train.labels) if sampled else None,
    )


def mean_probes(subject: Subject, split: SplitView) -> Measured:
    """Accuracies of the classifiers on the posterior means of each layer, and agreement of clusters with classes."""
    labels = _labels(split)
    if isinstance(labels, str):
        return Measured({}, {"accuracy": labels})
    if subject.settings.probes == "paper":
        wanted = mean_measures(subject)
        scores = paper_probes(split.means, labels, seed=subject.settings.seed, measures=wanted) if wanted else None
        return Measured({}) if scores is None else _scored(scores)
    probes = subject.once(fitted).labels
    return Measured({}) if probes is None else _scored(probes.score(split.means, labels))


def target_probes(subject: Subject, split: SplitView) -> Measured:
    """``ridge_r2`` of each layer, where there are targets."""
    targets = split.targets
    if targets is None or subject.settings.probes == "none":
        return Measured({})
    probes = subject.once(fitted).targets
    try:
        if probes is None:
            return _scored(paper_probes(split.means, numbers=targets, seed=subject.settings.seed))
        return _scored(probes.score(split.means, numbers=targets))
    except DataError as error:
        return Measured({}, {"ridge_r2": str(error)})


def sample_probe(subject: Subject, split: SplitView) -> Measured:
    """``accuracy_sample`` of each layer, and a flag if one is above its ceiling."""
    labels = _labels(split)
    if isinstance(labels, str) or "sample" not in subject.settings.probe_kinds:
        return Measured({})
    if subject.settings.probes == "paper":
        fit, scored = paper_split(len(labels), subject.settings.seed)
    else:
        fit, scored = None, np.arange(len(labels))
    probes = subject.once(fitted).samples if fit is None else _sample_probes(split, labels, fit)
    if probes is None:
        return Measured({})
    accuracies = probes.score([x[scored] for x in split.samples], labels[scored])
    above = flags(accuracies, split.once(label_information).metrics, len(scored))
    sampling = [errors.of_accuracy(value, len(scored)) for value in accuracies]
    return Measured(
        {"accuracy_sample": accuracies, "flag": "; ".join(above) or None}, errors={"accuracy_sample": sampling}
    )


def _sample_probes(split: SplitView, labels: Labels, fit: Indices) -> SampleProbes | None:
    """Probes fitted to some of the split's own images; None where these are all of one class."""
    return SampleProbes([x[fit] for x in split.samples], labels[fit]) if len(np.unique(labels[fit])) > 1 else None


def flags(accuracies: list[float | None], metrics: dict[str, Any], scored: int) -> list[str]:
    """Accuracies on samples above their ceilings by more than their sampling error, one short text each.

    Args:
        accuracies: of each layer, top first.
        metrics: with ``ceiling_...`` lists over the layers, top first.
        scored: images that accuracies were measured on.
    """
    ceilings = {name: values for name, values in metrics.items() if name.startswith("ceiling_")}
    return [
        f"accuracy_sample_{len(accuracies) - index} above {name}"
        for index, value in enumerate(accuracies)
        for name, limits in ceilings.items()
        if value is not None and exceeds(value, scored, limits[index])
    ]


def _labels(split: SplitView) -> Labels | str:
    """The labels of a split, or why nothing can be measured with them."""
    if split.labels is None:
        return NO_LABELS
    return split.labels if len(np.unique(split.labels)) > 1 else ONE_CLASS


def _scored(scores: LayerScores) -> Measured:
    why = {name: reason for layer in scores.reasons for name, reason in layer.items()}
    return Measured(dict(scores.metrics), why, dict(scores.errors), dict(scores.parts))


def _known(found: dict[str, Any]) -> dict[str, Any]:
    """Those errors that there are."""
    return {name: error for name, error in found.items() if error is not None}


BUILT_IN = (
    Measurement(("rates", "rate", "distortion", "loss", "nelbo", "psnr", "r2", "mse", "active"), fidelity),
    Measurement(("inception_score", "diversity", "sharpness", "judge_accuracy", "score_of_data"), sample_quality),
    Measurement(("chance",), most_frequent),
    Measurement(("train_loss",), training_loss),
    Measurement(("ceiling_rate", "information", "information_paper", "ceiling_information"), label_information),
    Measurement(LABEL_MEASURES, mean_probes),
    Measurement(("accuracy_sample",), sample_probe),
    Measurement(("ridge_r2",), target_probes),
    Measurement((*anomalies.COLUMNS, *anomalies.OF_SCORES), anomalies.anomalies),
    Measurement(restoration.COLUMNS, restoration.restoration),
)
"""In the order of a record's metrics."""
