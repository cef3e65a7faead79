"""What do rates and information promise at best? The bounds of Sec. 4 and App. B, nats and fractions.

Every bound that concerns labels depends on them through their counts ``[M]``: how many images each class has in the
split that is measured. Classes without an image do not count.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import entr, xlogy

from ratescape.errors import SpecError

FloatArray: TypeAlias = npt.NDArray[np.float64]

HALVINGS = 60
"""An interval within [0, 1] that is halved so often is narrower than the spacing of float64 below 1 (2^-53)."""

FLAGGED_ERRORS = 3.0
"""A true accuracy at its ceiling is measured above it by so many standard errors once in about 700 times."""


def label_entropy(counts: npt.ArrayLike) -> float:
    """H[p_data(y)] = -sum_y p(y) log p(y), nats, of the classes' frequencies.

    Args:
        counts: images of each class ``[M]``.

    Raises:
        SpecError: see :func:`f`.
    """
    return float(entr(_frequencies(counts)).sum())


def f(accuracy: npt.ArrayLike, counts: npt.ArrayLike) -> FloatArray:
    """The least information about the label that an accuracy alpha needs, nats (Eq. 14).

    I_q(y; z) >= f(alpha) with f(a) = H(y) + a log a + (1 - a) log((1 - a) / (M - 1)). For, given z, the label's entropy
    is largest where all classes but the predicted one are equally likely: H(y | z) <= H_2(q) + (1 - q) log(M - 1) with
    q = q(y = prediction | z) (Eq. 18). The right-hand side is concave in q, so its mean over z is at most its value at
    the mean of q, which is the accuracy (Eq. 19); and I = H(y) - H(y | z).

    f grows on [max_y p(y), 1], from f(max_y p(y)) <= 0 (it is 0 where the other classes are equally frequent) to
    f(1) = H(y).

    Args:
        accuracy: fractions in [0, 1], any shape; NaN gives NaN.
        counts: images of each class ``[M]``.

    Raises:
        SpecError: an accuracy outside [0, 1], counts that are not a vector of whole numbers, or a single class.
    """
    a = _fractions(accuracy, "accuracy")
    p = _frequencies(counts)
    return np.asarray(entr(p).sum() + xlogy(a, a) + xlogy(1 - a, (1 - a) / (len(p) - 1)))


def f_inverse(nats: npt.ArrayLike, counts: npt.ArrayLike) -> FloatArray:
    """The accuracy a in [max_y p(y), 1] with f(a) = ``nats`` (Eq. 11), by bisection.

    Outside the range of f it is clipped: max_y p(y), which is the accuracy of always predicting the most frequent
    class, for nats <= f(max_y p(y)) (an estimate of information may come out below 0), and 1 for nats >= H(y). Its
    error is at most 1e-7, and far less except near 1/M, where f is flat.

    Args:
        nats: any shape; NaN gives NaN.
        counts: images of each class ``[M]``.

    Raises:
        SpecError: counts that are not a vector of whole numbers, or a single class.
    """
    target = np.asarray(nats, np.float64)
    most_frequent = _frequencies(counts).max()
    low = np.full(target.shape, most_frequent)
    high = np.ones(target.shape)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = f(middle, counts) > target
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    inside = np.where(target >= label_entropy(counts), 1.0, (low + high) / 2)
    clipped = np.where(target <= f(most_frequent, counts), most_frequent, inside)
    return np.where(np.isnan(target), np.nan, clipped)


def ceiling_by_information(information: npt.ArrayLike, counts: npt.ArrayLike) -> FloatArray:
    """The best accuracy of any classifier that sees z: alpha <= f^-1(I_q(y; z)) (Eqs. 11 and 15).

    Example::

        ceiling_by_information(1.2, np.bincount(labels))  # 1.2 nats of, say, ten classes

    It follows from I_q(y; z) >= f(alpha) (Eq. 14), as f grows. Two conditions decide whether it holds of a number
    that was measured:

    - The information must not be underestimated: take an estimate that is too large rather than too small
      (``Information.paper``, not ``Information.leave_one_out``).
    - The classifier must see a *sample* of q(z | x), as the Markov chain y -> x -> z of Eq. 10 has it. The posterior
      mean mu(x) is not a function of z, but z of mu and noise: mu may tell more of y than z does, without limit where
      a layer is nearly collapsed: a probe on means above this ceiling is no defect, one on samples is.

    Args:
        information: I_q(y; z), nats, any shape; NaN gives NaN.
        counts: images of each class ``[M]``.
    """
    return f_inverse(information, counts)


def ceiling_by_rate(layer_rates: npt.ArrayLike, counts: npt.ArrayLike) -> FloatArray:
    """The best accuracy on each layer's latents that the rates allow: alpha <= f^-1(R(z_>=l)) (Eqs. 11 and 15).

    By data processing and because KL divergences are not negative, I_q(y; z_l) <= I_q(x; z_l) <= R(z_>=l) =
    R(z_L) + R(z_{L-1} | z_L) + ... + R(z_l | z_>l) (Eq. 10): the rates of *all* layers from the top down to l count.
    They are summed here. What :func:`ceiling_by_information` says of posterior means holds here too.

    Example::

        ceiling_by_rate([0.5, 12.0], np.bincount(labels))  # of z_2 by 0.5 nats, of z_1 by 12.5

    Args:
        layer_rates: the single layers' rates R(z_L), ..., R(z_1 | z_>1), means over images, nats, top first
            ``[..., L]``.
        counts: images of each class ``[M]``.

    Returns:
        The ceiling of each layer, top first ``[..., L]``.
    """
    return f_inverse(np.cumsum(np.asarray(layer_rates, np.float64), axis=-1), counts)


def distortion_floor(entropy: npt.ArrayLike, layer_rates: npt.ArrayLike) -> FloatArray:
    """The least mean distortion, nats per image: E[D] >= H[p_data(x)] - E[R(z_L) + ... + R(z_1 | z_>1)] (Eq. 9).

    R + D is at least the expected -log p(x), by Jensen's inequality, which is at least the entropy, as KL divergences
    are not negative (Eq. 3).

    Args:
        entropy: H[p_data(x)] or a lower bound of it, nats per image, any shape ``[...]``. It must be of the kind that
            the likelihood is: an entropy of pixel levels for a probability mass (Bernoulli, discretised logistics),
            a differential entropy for a density. Of pixels on 256 levels the latter is -infinity: under a density
            they have no floor, unless they were dequantised.
        layer_rates: the single layers' rates, means over images, nats, top first ``[..., L]``.
    """
    return np.asarray(np.asarray(entropy, np.float64) - np.sum(np.asarray(layer_rates, np.float64), axis=-1))


def sampling_error(accuracy: npt.ArrayLike, n: int) -> FloatArray:
    """Standard error of an accuracy measured on ``n`` images, as a fraction.

    The binomial sqrt(a (1 - a) / n) in Wilson's form (half the width of his interval of one standard error), which
    is not 0 where all images are right or all wrong.

    Args:
        accuracy: fractions in [0, 1], any shape; NaN gives NaN.

    Raises:
        SpecError: an accuracy outside [0, 1], or no image.
    """
    a = _fractions(accuracy, "accuracy")
    if n < 1:
        raise SpecError(f"an accuracy on {n} images has no sampling error: measure it on at least one")
    return np.asarray(np.sqrt(a * (1 - a) / n + 1 / (4 * n**2)) / (1 + 1 / n))


def exceeds(accuracy: float, n: int, ceiling: float) -> bool:
    """Whether an accuracy measured on ``n`` images lies above its ceiling by more than chance can explain.

    The sampling error is that of a true accuracy at the ceiling. If the ceiling comes from an estimate of
    information, take it at the upper end of that estimate's own error. False where either number is missing (NaN).

    Raises:
        SpecError: a number outside [0, 1], or no image.
    """
    _fractions(accuracy, "accuracy")
    _fractions(ceiling, "ceiling")
    return bool(accuracy - ceiling > FLAGGED_ERRORS * sampling_error(ceiling, n))


def _fractions(values: npt.ArrayLike, name: str) -> FloatArray:
    fractions = np.asarray(values, np.float64)
    if bool(((fractions < 0) | (fractions > 1)).any()):
        raise SpecError(f"{name} lies outside [0, 1]: give fractions, not percent")
    return fractions


def _frequencies(counts: npt.ArrayLike) -> FloatArray:
    """p(y) ``[M]`` of the classes that have images."""
    given = np.asarray(counts, np.float64)
    if given.ndim != 1 or not bool(((given >= 0) & (given == np.floor(given)) & np.isfinite(given)).all()):
        raise SpecError("counts are not the numbers of images of the classes: give one whole number for each class")
    present = given[given > 0]
    if len(present) < 2:
        raise SpecError(
            f"counts name {len(present)} class{'es' if len(present) == 0 else ''} with images: "
            "accuracies are bounded only for two classes or more"
        )
    return present / present.sum()
