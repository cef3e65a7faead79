"""A landscape of four models, hardly trained, to be shared."""

import numpy as np
import pytest
from helpers.sweeps import small_sweep, swept

import ratescape as rs


@pytest.fixture(scope="session")
def landscape(images: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> rs.Landscape:
    data = rs.load_data(images)
    spec = small_sweep(data, training=rs.TrainingSpec(epochs=1, batch=32))
    return rs.Landscape(swept(spec, data, tmp_path_factory.mktemp("landscape") / "small").path)
