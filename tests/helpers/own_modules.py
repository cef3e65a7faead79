"""Modules of a user's, written for one test."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ratescape.specs import factories

Write = Callable[..., str]
"""Takes the text of a module, returns the name of its factory ``net``."""

NET = "from helpers.own_networks import three as net\n"
MARKED = "import pathlib\npathlib.Path({!r}).touch()\n"
"""Begins a module that leaves a file when it is imported."""


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """No factory is known or allowed before the test, nor remembered after it."""
    monkeypatch.setattr(factories, "_known", {})
    monkeypatch.setattr(factories, "_allowed", set())
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: None) -> Write:
    """Write a module into a folder that Python looks for modules in."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str = NET, name: str = "own_net") -> str:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        factories._known.clear()
        return f"{name}:net"

    return write
