"""Small models that code, in no time: made of numbers, not trained."""

import numpy as np
import torch

from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)


def lively(spec: ModelSpec, shape: tuple[int, int, int] = SHAPE, binary: bool = False, seed: int = 0) -> HVAE:
    """An untrained model whose posteriors know something of the images: the heads' weights are made larger."""
    torch.manual_seed(seed)
    model = build(resolved_model(spec, shape, binary=binary), shape)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "heads.mean.weight" in name:
                weights.mul_(8)
            if "heads.spread.bias" in name and "prior" not in name:
                weights.sub_(2.0)
    return model.eval().requires_grad_(False)


def pictures(count: int, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    """Images of a bright square each, uint8 ``[N, C, H, W]``."""
    random = np.random.default_rng(seed)
    found = np.zeros((count, *shape), np.uint8)
    for image in found:
        top, left = random.integers(0, shape[1] - 5, 2)
        image[:, top : top + 5, left : left + 5] = random.integers(128, 256, (shape[0], 1, 1))
    return found
