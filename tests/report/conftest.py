"""A browser for the pages of this folder."""

from collections.abc import Iterator

import pytest
from helpers.chromium import EXECUTABLE, Chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests; each opens its page anew."""
    if EXECUTABLE is None:
        pytest.skip("no Chromium or Chrome on this machine")
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser
