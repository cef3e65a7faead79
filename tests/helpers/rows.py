"""Rows of numbers and booleans that follow from a few latents."""

import numpy as np
import pandas as pd

from ratescape.data.catalog import ImageData, load_data

FAR = 1e6
"""Where a column lies that float32 would round."""


def frame(count: int = 240, seed: int = 0) -> pd.DataFrame:
    """Two numbers (far from 0, and small), a boolean, a constant, and a class and a number that follow from them."""
    z = np.random.default_rng(seed).normal(size=(count, 2))
    return pd.DataFrame(
        {
            "far": FAR + z[:, 0],
            "small": z[:, 1] * 1e-3,
            "above": z.sum(1) > 0,
            "constant": np.full(count, 7),
            "kind": np.where(z[:, 0] > 0, "warm", "cold"),
            "amount": z[:, 0] - z[:, 1],
        }
    )


def rows() -> ImageData:
    """The vectors of the frame with its classes."""
    return load_data(frame().drop(columns="amount"), target="kind")
