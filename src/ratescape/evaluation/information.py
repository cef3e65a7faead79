"""How much does each layer tell about the label? Mutual information I_q(y; z_l) of Sec. 4, nats."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor

from ratescape.errors import DataError
from ratescape.evaluation.mixtures import ROWS, Draws, Mixtures, column, some, with_own
from ratescape.model.distributions import Gaussian

SMOOTHINGS = (0.0, *(4.0**k for k in range(-5, 3)))
"""Candidates of :attr:`Information.smoothing`; neighbours differ by a factor of 2 in standard deviation. The largest
makes every image's density so wide that classes differ by their means alone."""

LARGEST_EXPONENT = 100.0
"""Classes that do not overlap would ask for an infinite one; at the largest smoothing some 20 is usual."""

TRIAL_SAMPLES = 512
"""Samples on which the smoothing is chosen: enough to rank the candidates, each at 1/50 of the cost for N = 26,032."""


class Information(NamedTuple):
    """Estimates of I_q(y; z), nats, from one sample z_j ~ q(z | x_j) for each of N images.

    Both compare, at each sample z_j, the mixture of the posteriors of the images of class y_j with that of all
    images: I = mean_j log q(z_j | y_j) / q(z_j), with q(z) = sum_y p(y) q(z | y) and p(y) = N_y / N. In expectation
    the truth lies between them, leave_one_out <= I_q(y; z) <= paper, and both come to it as N grows. Where they
    differ much, N images cannot tell.
    """

    paper: float
    """The paper's estimate: image j's own posterior is part of its mixtures.

    It is exact for the N images taken as the whole population, and too large for the population they were drawn
    from, as information is convex in q(z | y). Where posteriors do not overlap, it is H(y), whatever the labels.
    """
    leave_one_out: float
    """Image j's own posterior is left out of its mixtures, which are smoothed and calibrated. Within [0, H(y)].

    H(y) + E[log r(y | z)] is a lower bound of I for every r (Barber & Agakov, 2003), here
    r(y | z_j) ~ p(y) [mean over i != j of class y of N(z_j; m_i, s_i^2 + smoothing v)]^exponent with v the variance of
    the posterior means over images. Smoothing 0 and exponent 1 are plain leave-one-out. The fit of the two numbers
    raises the bound by no more than some 1 / N.
    """
    standard_error: float
    """Of :attr:`leave_one_out`, over images and samples (not its distance from the truth).

    The spread over j suffices: to first order the error of the mixtures cancels, E[dq(z | y) / q(z | y)] = 0.
    """
    smoothing: float
    """The one of :data:`SMOOTHINGS` that makes :attr:`leave_one_out` largest.

    0 where the posteriors overlap. At high rates they do not: a sample is likely under its own image's posterior
    alone, and the density has to be made of wider kernels around the others.
    """
    exponent: float
    """From 0 to :data:`LARGEST_EXPONENT`, the one that makes :attr:`leave_one_out` largest.

    1 where the mixtures are the densities they stand for, less where they are over-confident, 0 where they know
    nothing of the label, more where they are smoother than the truth.
    """
    plain: float
    """Leave-one-out without smoothing and calibration: far below 0, thus useless, at high rates."""
    images: int
    """N: the images of classes that have two or more; a class of one is unknown when that one is left out."""


def mutual_information(
    samples: Tensor, mean: Tensor, sigma: Tensor, labels: np.ndarray, chunk: int = ROWS
) -> Information:
    """I_q(y; z) of Gaussian posteriors; images that are the only one of their class are left out.

    Takes some 4 N^2 D multiplications, in float32 where that suffices, and memory for ``chunk`` x N densities.

    Example::

        estimates = mutual_information(mean + sigma * torch.randn_like(mean), mean, sigma, labels)
        estimates.leave_one_out, estimates.paper  # between them lies the truth, in expectation

    Args:
        samples: z_j ~ q(z | x_j) ``[N, D]``.
        mean: of q(z | x_i) ``[N, D]``.
        sigma: standard deviations of q(z | x_i) ``[N, D]``.
        labels: classes ``[N]``, any whole numbers.
        chunk: samples treated at once.

    Raises:
        DataError: labels do not fit, there are not two classes of two images, or numbers that are not finite.
    """
    draws = _sorted_by_class(samples, mean, sigma, labels)
    everyone = torch.arange(len(draws.z), device=draws.z.device)
    others = Mixtures(draws, 0.0, chunk).others(everyone)
    smoothing = _best_smoothing(draws, chunk)
    scores = others if smoothing == 0 else Mixtures(draws, smoothing, chunk).others(everyone)
    exponent = _best_exponent(draws, scores, everyone)
    terms = draws.log_ratios(exponent * scores, everyone)
    return Information(
        paper=float(draws.log_ratios(with_own(draws, others), everyone).mean()),
        leave_one_out=max(float(terms.mean()), 0.0),  # at exponent 0 it is 0 but for rounding
        standard_error=float(terms.std()) / math.sqrt(len(terms)),
        smoothing=smoothing,
        exponent=exponent,
        plain=float(draws.log_ratios(others, everyone).mean()),
        images=len(terms),
    )


def layer_information(
    samples: Sequence[Tensor], posteriors: Sequence[Gaussian], labels: np.ndarray
) -> list[Information]:
    """I_q(y; z_l) of every layer, top first, from one sample of all latents of each image.

    What is estimated is the information that z_l *alone* has of the label, under q(z_l | x) with all other latents
    integrated out, as in Eqs. 10-13. For the top layer of a top-down model q(z_L | x_i) is the posterior of the pass.
    For a lower layer it is not: there the component of image i is q(z_l | z_>l^i, x_i) at the one z_>l^i ~ q(z_>l |
    x_i) of the pass. The pair (x_i, z_>l^i) is a draw from p_data(x | y) q(z_>l | x), so that the mean of the
    components of a class is an unbiased estimate of q(z_l | y) = E[q(z_l | z_>l, x)], and z_l^j, drawn from component
    j, is a draw from q(z_l | y_j) that is independent of all other pairs: all that :class:`Information` says holds with
    the pair in place of the image. The price is a wider gap between the two estimates, as components are narrower than
    q(z_l | x_i). The same holds for z_2 of a bottom-up model, whose components are q(z_2 | z_1^i).

    The information that z_l has *together* with the layers above, I_q(y; z_>=l), is another quantity, and is not
    estimated: it needs each image's posteriors at each other image's latents, N^2 passes.

    Example::

        reading = read(model, images, seed=0)
        top, *lower = layer_information(reading.samples, reading.posteriors, labels)

    Args:
        samples: of each layer, top first, ``[N, D_l]``.
        posteriors: what they were drawn from, each given the samples above it, ``[N, D_l]``.
        labels: classes ``[N]``, in the order of the images.

    Raises:
        DataError: as :func:`mutual_information`.
    """
    return [mutual_information(z, q.mean, q.sigma, labels) for z, q in zip(samples, posteriors, strict=True)]


def _classes(labels: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Class of each image, 0..M-1 ``[N]``, and the indices of the images whose class has two or more."""
    if labels.shape != (images,):
        raise DataError(f"labels of shape {labels.shape} for {images} images: give one class for each image")
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    usable = int((counts > 1).sum())
    if usable < 2:
        raise DataError(
            f"classes among the labels: {len(names)}, with two images or more: {usable}; information about labels "
            "needs at least two classes of two images: give more images, or labels that are classes"
        )
    return codes, np.flatnonzero(counts[codes] > 1)


def _sorted_by_class(samples: Tensor, mean: Tensor, sigma: Tensor, labels: np.ndarray) -> Draws:
    codes, kept = _classes(labels, len(samples))
    order = kept[np.argsort(codes[kept], kind="stable")]
    _, own_class, counts = np.unique(codes[order], return_inverse=True, return_counts=True)
    device = samples.device
    rows = torch.as_tensor(order, device=device)
    z, m, s = (part[rows].double() for part in (samples, mean, sigma))
    if not bool((z.isfinite() & m.isfinite() & s.isfinite() & (s > 0)).all()):
        raise DataError("latents or their posteriors are not finite: the model has diverged and cannot be measured")
    z, m = z - m.mean(0), m - m.mean(0)
    classes = torch.as_tensor(own_class, device=device), torch.as_tensor(counts, device=device)
    return Draws(z, m, s, *classes, spread=m.var(0))


def _best_smoothing(draws: Draws, chunk: int) -> float:
    """The smoothing with the largest calibrated leave-one-out information on some of the samples, of all classes."""
    rows = some(len(draws.z), TRIAL_SAMPLES, draws.z.device)

    def achieved(smoothing: float) -> float:
        scores = Mixtures(draws, smoothing, chunk).others(rows)
        return float(draws.log_ratios(_best_exponent(draws, scores, rows) * scores, rows).mean())

    return max(SMOOTHINGS, key=achieved)


def _best_exponent(draws: Draws, scores: Tensor, rows: Tensor) -> float:
    """The t >= 0 where the mean of log r(y_j | z_j), r(y | z_j) ~ p(y) exp(t scores_jy), is largest.

    It is concave in t: the zero of its slope is unique.
    """
    scores = scores - scores.amax(1, keepdim=True)
    of_own = column(scores, draws.own_class[rows])
    log_prior = draws.log_prior

    def slope(t: float) -> float:
        expected = (torch.softmax(log_prior + t * scores, 1) * scores).sum(1)
        return float((of_own - expected).mean())

    if slope(LARGEST_EXPONENT) >= 0:
        return LARGEST_EXPONENT
    if slope(0.0) <= 0:
        return 0.0
    # The tolerance is relative to t, as scores may differ by many millions of nats; near its top the mean is flat.
    return float(brentq(slope, 0.0, LARGEST_EXPONENT, xtol=1e-30, rtol=1e-4))
