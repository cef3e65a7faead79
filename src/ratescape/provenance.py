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
from ratescape.planning import chosen_device, workers
from ratescape.records import SweepFolder
from ratescape.specs import ExecutionSpec
from ratescape.version import __version__


def note_provenance(folder: SweepFolder, data: ImageData, begun: float, device: str, processes: int) -> None:
    """Note with what, where and for how long the sweep has been working; earlier sittings are kept."""
    path = folder.path / "provenance.json"
    new: dict[str, Any] = {"fingerprint": data.fingerprint, "sittings": []}
    known = folder.provenance() if path.exists() else new
    sitting = {
        "begun": datetime.datetime.fromtimestamp(begun, datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - begun, 1),
        "device": device,
        "processes": processes,
        "versions": versions(),
    }
    sittings = [one for one in known["sittings"] if one["begun"] != sitting["begun"]]
    folder.write_provenance(known | {"sittings": [*sittings, sitting]})


def here(execution: ExecutionSpec) -> tuple[str, int]:
    """The device of this machine that trains, and the processes that do."""
    device = chosen_device(execution.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return name, max(1, workers(execution, device))


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
