"""Reports that cost little."""

import pytest


@pytest.fixture(autouse=True)
def fast(unrendered: None) -> None:
    """Reports without rendered figures."""
