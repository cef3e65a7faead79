"""How good are the samples? The inception score (Salimans et al., 2016) and its factors (Eq. 12 of the paper)."""

from typing import NamedTuple

import torch
from torch import Tensor

from ratescape.data.batches import Images, stream
from ratescape.errors import DataError, SpecError
from ratescape.evaluation.errors import of_mean
from ratescape.judges.cache import Judge
from ratescape.model.hierarchy import CHUNK, HVAE


class InceptionScore(NamedTuple):
    """Scores of each of S splits, float64 ``[S]``; reported are their means.

    Within a split the score is diversity x sharpness; of the means that holds only nearly.
    """

    scores: Tensor
    """exp of the mean KL[p(y | x) || p(y)], from 1 to the number of classes M."""
    diversities: Tensor
    """exp H[p(y)], from 1 to M: classes that occur."""
    sharpnesses: Tensor
    """exp of the mean of -H[p(y | x)], from 1 / M to 1: how sure the judge is of each image."""

    @property
    def score(self) -> float:
        return float(self.scores.mean())

    @property
    def errors(self) -> dict[str, float]:
        """Standard errors of the three means, by column: the splits' spread / sqrt(S); none of a single split."""
        columns = {"inception_score": self.scores, "diversity": self.diversities, "sharpness": self.sharpnesses}
        found = {name: of_mean(values) for name, values in columns.items()}
        return {name: error for name, error in found.items() if isinstance(error, float)}

    @property
    def diversity(self) -> float:
        return float(self.diversities.mean())

    @property
    def sharpness(self) -> float:
        return float(self.sharpnesses.mean())


def inception(probabilities: Tensor, splits: int = 5) -> InceptionScore:
    """Inception score of N images, in splits of N / S consecutive ones.

    Args:
        probabilities: p(y | x), ``[N, M]``: N a multiple of S, each row sums to 1.

    Raises:
        DataError: the rows are not probabilities, as of a model that generates NaN.
        SpecError: the images do not divide into so many splits.
    """
    given = probabilities.double()
    if given.ndim != 2 or len(given) == 0 or splits < 1 or len(given) % splits:
        raise SpecError(
            f"probabilities of shape {tuple(given.shape)} in {splits} splits: give [N, M] with N a multiple of splits"
        )
    if not bool((given >= 0).all() and ((given.sum(1) - 1).abs() < 1e-6).all()):
        raise DataError(
            "the judge's answers are not probabilities (each at least 0, their sum 1): look for NaN among the images"
        )
    conditional = given.unflatten(0, (splits, -1))  # p(y | x) [S, N / S, M]
    marginal = conditional.mean(1, keepdim=True)  # p(y) [S, 1, M]
    # A class whose mean underflows to 0 has no share in the score: its probabilities are 0 for all that counts.
    reference = marginal.clamp_min(torch.finfo(marginal.dtype).tiny)
    divergence = (_x_log(conditional, conditional) - _x_log(conditional, reference)).sum(2)  # KL [S, N / S]
    diversity = -_x_log(marginal, marginal).sum((1, 2))
    uncertainty = -_x_log(conditional, conditional).sum(2).mean(1)
    return InceptionScore(divergence.mean(1).exp(), diversity.exp(), (-uncertainty).exp())


def _x_log(x: Tensor, y: Tensor) -> Tensor:
    """x log y, which is 0 where x is 0."""
    return torch.special.xlogy(x, y)


@torch.no_grad()
def generation(model: HVAE, judge: Judge, count: int = 10_000, splits: int = 5, seed: int = 0) -> InceptionScore:
    """Inception score of a model's samples: all latents from their priors, expected pixels given them.

    The draws are the same for every model of one shape and seed. Like the paper's, the samples of a model of binary
    pixels are probabilities, which are not thresholded although the judge learned on 0 and 1.

    Example::

        generation(model, cached_judge(data, small_recipe(data)), count=10_000).score

    Args:
        judge: trained on the data of the model (:meth:`Judge.check` tells).
        count: samples in all, a multiple of ``splits``.

    Raises:
        DataError: the judge was trained on images of another shape, or the model generates NaN.
        SpecError: ``count`` is not a multiple of ``splits``.
    """
    if count < 1 or splits < 1 or count % splits:
        raise SpecError(f"{count} samples in {splits} splits: give a number of samples that divides by that of splits")
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(stream(seed, "samples"))
    sizes = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
    return inception(torch.cat([judge.probabilities(model.sample(size, generator)) for size in sizes]), splits)


def score_of_images(judge: Judge, images: Images, limit: int, splits: int = 5) -> InceptionScore:
    """Inception score of images that nobody generated, in splits as large as those of ``limit`` samples, if they do.

    A score rises with the number of images in a split, so that only equally many compare. Of too few images for that,
    all are one split.

    Args:
        limit: samples of a model, of which each of ``splits`` splits has an equal share.
    """
    share = min(limit // splits, len(images))
    count = min(splits, len(images) // share)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))  # data sets come class by class
    chosen = order[: share * count].to(images.device)
    chunks = [judge.probabilities(images.take(rows)) for rows in chosen.split(CHUNK)]
    return inception(torch.cat(chunks), count)
