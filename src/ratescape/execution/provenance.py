"""What is known of how results were made: when, how long, with which versions, on what."""

import contextlib
import datetime
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ratescape.data.catalog import ImageData
from ratescape.execution.engine import Engine
from ratescape.records.folders import SweepFolder
from ratescape.version import __version__


def note_provenance(folder: SweepFolder, data: ImageData, begun: float, engine: Engine) -> None:
    """Note with what, where and for how long the sweep has been working; earlier sessions are kept."""
    path = folder.path / "provenance.json"
    new: dict[str, Any] = {"fingerprint": data.fingerprint, "sessions": []}
    known = folder.provenance() if path.exists() else new
    session = {
        "begun": datetime.datetime.fromtimestamp(begun, datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - begun, 1),
        "device": engine.title,
        "processes": engine.processes,
        "versions": versions(),
    }
    sessions = [one for one in known["sessions"] if one["begun"] != session["begun"]]
    folder.write_provenance(known | {"sessions": [*sessions, session]})


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
