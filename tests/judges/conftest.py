"""Data shared by the tests of judges."""

import pytest
from helpers.stripes import stripes

from ratescape.data.catalog import ImageData, load_data


@pytest.fixture(scope="session")
def data() -> ImageData:
    """240 images in three classes: 173 to train on, 19 to validate, 48 to test."""
    return load_data(*stripes(240))
