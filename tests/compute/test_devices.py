"""The device that a name stands for."""

import pytest
import torch

from ratescape.compute.devices import chosen_device
from ratescape.errors import ResourceError


@pytest.mark.parametrize(("available", "expected"), [(False, "cpu"), (True, "cuda")])
def test_auto_is_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch, available: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert chosen_device("auto") == torch.device(expected)


def test_a_device_is_taken_by_its_name() -> None:
    assert chosen_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["abacus", "cuda:99"])
def test_a_device_that_cannot_be_used_says_why_in_one_line(name: str) -> None:
    with pytest.raises(
        ResourceError, match=rf"^execution\.device is '{name}', which cannot be used here \(.+\): try cpu$"
    ):
        chosen_device(name)
