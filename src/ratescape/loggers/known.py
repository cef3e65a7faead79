"""Loggers by name; what needs a package imports it when the logger starts."""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ratescape.errors import ResourceError, SpecError
from ratescape.loggers.logger import Logger


class Known(NamedTuple):
    """A logger that can be named."""

    module: str
    """Has a function ``logger(folder)``."""
    package: str
    """What it imports."""


KNOWN = {
    "tensorboard": Known("ratescape.loggers.tensorboard", "tensorboardX"),
    "wandb": Known("ratescape.loggers.wandb", "wandb"),
    "trackio": Known("ratescape.loggers.trackio", "trackio"),
    "mlflow": Known("ratescape.loggers.mlflow", "mlflow"),
}
"""Each by the name that ``--execution.log`` takes, which is also that of its extra."""


def check(names: Sequence[str]) -> None:
    """Refuse what cannot log, before any work begins.

    Raises:
        SpecError: an unknown name, or one that is given twice.
        ResourceError: its package is missing; names the extra.

    Example::

        check(["tensorboard", "mlflow"])
    """
    for name in names:
        if name not in KNOWN:
            raise SpecError(f"execution.log is {name!r}: it must be one of {', '.join(KNOWN)}")
        if names.count(name) > 1:
            raise SpecError(f"execution.log has {name} twice: name each logger once")
        if importlib.util.find_spec(KNOWN[name].package) is None:
            raise ResourceError(
                f"execution.log {name} needs the package {KNOWN[name].package}, which is missing: "
                f'pip install "ratescape[{name}]"'
            )


def opened(name: str, folder: Path) -> Logger:
    """The logger of a name, which writes what it keeps as files below ``folder/logs``; raises as :func:`check`.

    Example::

        opened("tensorboard", Path("digits")).log(1, {"0123456789ab/loss": 187.2})  # digits/logs/tensorboard
    """
    check([name])
    return importlib.import_module(KNOWN[name].module).logger(folder)
