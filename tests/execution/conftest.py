"""Images for the sweeps of this folder, and reports that cost little."""

from pathlib import Path

import pytest

from ratescape.data.catalog import ImageData, load_data


@pytest.fixture(scope="session")
def data(images_file: Path) -> ImageData:
    """96 images in two classes; the images themselves are drawn in tests/conftest.py."""
    return load_data(images_file)


@pytest.fixture(autouse=True)
def fast(unrendered: None) -> None:
    """Reports without rendered figures."""
