"""What is known of how results were made: with which versions, on what."""

import contextlib
import platform
from pathlib import Path

import numpy as np
import torch

from ratescape.version import __version__


def device_name(device: torch.device) -> str:
    """A device of this machine in words."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {
        "ratescape": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Name of the processor, as far as the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
