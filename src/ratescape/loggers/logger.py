"""What a logger is: anything with these four methods."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Logger(Protocol):
    """Is told of all trainings of one call; called from any thread, one call at a time.

    Numbers and pictures of a training are named ``TRAINING/NAME``. TRAINING is the key of its run or network, with
    ``-2`` behind it where a conditioned network is trained a second time since a layer had died. The step is the epoch,
    counted from 1. A logger that raises is told of once, and is told no more: it ends no training.

    Example::

        class Printer:
            def start(self, spec):
                print(spec["folder"])

            def log(self, step, numbers):
                print(step, numbers)  # {"0123456789ab/loss": 187.2, "0123456789ab/rate_2": 3.1, ...}

            def picture(self, step, name, image):
                Path(f"{name.replace('/', '-')}-{step}.png").write_bytes(image)

            def finish(self, status):
                print(status)


        landscape = rs.map_landscape("mnist-5k", log=Printer())
    """

    def start(self, spec: Mapping[str, Any]) -> None:
        """Something begins to train.

        Args:
            spec: ``kind`` (``landscape`` or ``model``), ``folder``, ``name`` (the folder's), ``ratescape`` (the
                version), ``trainings`` (betas and seed of each, by key; of a conditioned network the bounds of its
                betas) and ``spec`` (nested dictionaries, as in its spec.yaml).
        """
        ...

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """An epoch of one training: ``loss``, ``distortion``, ``rate`` (total), ``rate_L .. rate_1``, and of groups of
        layers that share a beta ``rate_group_G .. rate_group_1``, nats per image, means over the epoch's training
        images; ``beta_L .. beta_1``, the effective ones; ``learning_rate``.
        """
        ...

    def picture(self, step: int, name: str, image: bytes) -> None:
        """A picture as PNG: ``TRAINING/reconstructions``, ``TRAINING/samples``, or at the end ``landscape``."""
        ...

    def finish(self, status: str) -> None:
        """The call is over: ``done``, or ``stopped`` by an error or an interrupt."""
        ...
