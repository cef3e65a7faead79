"""The checkpoint of a judge's training: one that was killed goes on from there, to the very same judge."""

import time
from pathlib import Path

import torch
from torch import nn

from ratescape import checkpoint
from ratescape.errors import CheckpointError
from ratescape.records.files import discard

SECONDS = 20.0
"""Least time between two checkpoints."""


class Kept:
    """Where a training of a judge keeps its state, and whose it is.

    Example::

        kept = Kept(path.with_suffix(".checkpoint"), "who trains")
        begun = kept.taken_up(learner, optimiser)
        kept.step(learner, optimiser, begun + 1)

    Args:
        path: the file.
        identity: a state of another one is not taken up.
        seconds: least time between two writings.
    """

    def __init__(self, path: Path, identity: str, seconds: float = SECONDS) -> None:
        self.path, self.identity, self.seconds = path, identity, seconds
        self._written = time.monotonic()

    def taken_up(self, learner: nn.Module, optimiser: torch.optim.Optimizer) -> int:
        """Put what was kept into a network, its optimiser and PyTorch's generators; returns the steps taken by then.

        Raises:
            CheckpointError: the file is damaged, or not of such a network.
            RecordError: the system refuses it.
        """
        if not self.path.exists():
            return 0
        tensors, header = checkpoint.load(self.path)
        if header.get("identity") != self.identity:
            return 0
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, values in tensors.items():
            if name.startswith("optimiser."):
                _, index, part = name.split(".", 2)
                state.setdefault(int(index), {})[part] = values
        own = {name.removeprefix("network."): v for name, v in tensors.items() if name.startswith("network.")}
        try:
            learner.load_state_dict(own)
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
            torch.set_rng_state(tensors["random"])
            if "random_cuda" in tensors:
                torch.cuda.set_rng_state(tensors["random_cuda"], next(learner.parameters()).device)
            return int(header["step"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{self.path} is of no judge that fits this ratescape ({error}): delete it"
            ) from error

    def step(self, learner: nn.Module, optimiser: torch.optim.Optimizer, done: int) -> None:
        """Note that so many steps are taken; the state is written if that was long ago.

        Raises:
            RecordError: the file cannot be written.
        """
        if time.monotonic() - self._written < self.seconds:
            return
        tensors = {f"network.{name}": values for name, values in learner.state_dict().items()}
        for index, parts in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{part}": v for part, v in parts.items() if isinstance(v, torch.Tensor)}
        device = next(learner.parameters()).device
        tensors["random"] = torch.get_rng_state()
        if device.type == "cuda":
            tensors["random_cuda"] = torch.cuda.get_rng_state(device)
        checkpoint.save(self.path, tensors, {"identity": self.identity, "step": done})
        self._written = time.monotonic()

    def discard(self) -> None:
        """Take the file away: the judge is written."""
        discard(self.path)
