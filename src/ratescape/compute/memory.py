"""How this process gets its memory from the system."""

import contextlib
import ctypes
import functools

import psutil
import torch

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
"""Names of glibc's settings: the size from which a block is mapped on its own, and how much may lie free."""


@functools.cache
def keep_freed_memory() -> None:
    """Have glibc keep what tensors free, for the tensors of the next step.

    By default it returns large blocks to the system at once, and having them mapped and zeroed again took 10 to 40 %
    of a training step on a CPU. Systems with another C library have no such settings, and are left alone.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, 1 << 30)
        mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


def free_bytes(device: torch.device) -> int:
    """Memory that is free now, on a GPU its own."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available
