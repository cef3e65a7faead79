"""Models that code, and codecs calibrated once for all tests."""

import numpy as np
import pytest
import torch
from helpers.coding import lively, pictures

from ratescape.coding.calibrate import calibrate
from ratescape.coding.codec import Codec
from ratescape.model.hierarchy import HVAE
from ratescape.specs.model import ModelSpec


@pytest.fixture(scope="package")
def model() -> HVAE:
    """Two layers, a fixed Gaussian."""
    return lively(ModelSpec(channels=4, latents=(3, 2)))


@pytest.fixture(scope="package")
def seen() -> np.ndarray:
    """Images to calibrate on, uint8 ``[400, 1, 16, 16]``."""
    return pictures(400)


@pytest.fixture(scope="package")
def fresh() -> np.ndarray:
    """Others, uint8 ``[300, 1, 16, 16]``."""
    return pictures(300, seed=1)


@pytest.fixture(scope="package")
def codec(model: HVAE, seen: np.ndarray) -> Codec:
    """Of the model's own rates."""
    with torch.no_grad():
        return calibrate(model, seen)
