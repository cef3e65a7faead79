"""Threads wait briefly for each other, unless whoever runs the process says how they do."""

import os
import subprocess
import sys

import pytest

from ratescape.compute.waiting import SPINS, wait_briefly


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, {"GOMP_SPINCOUNT": SPINS}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
    ],
)
def test_what_the_environment_says_stays(given: dict[str, str], found: dict[str, str]) -> None:
    wait_briefly(given)
    assert given == found


def test_it_is_said_before_pytorch_is_imported() -> None:
    code = """
import builtins, os, sys
before, said = builtins.__import__, []
def importing(name, *given, **named):
    if name == "torch" and not said:
        said.append(os.environ.get("GOMP_SPINCOUNT"))
    return before(name, *given, **named)
builtins.__import__ = importing
sys.argv = ["ratescape", "map", "--data.name", "nowhere"]
from ratescape.cli.entry import main
main()
import torch
print(said)
"""
    plain = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, env=plain
    )
    assert ended.stdout == f"[{SPINS!r}]\n"
