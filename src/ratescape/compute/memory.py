"""Memory: kept between the steps of a training, and how much is free."""

import contextlib
import ctypes
import functools

import psutil
import torch

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
"""Numbers of glibc's settings (malloc.h): the size from which a block is mapped on its own, and how much free memory
may be kept at the end of the heap."""


@functools.cache
def keep_freed_memory() -> None:
    """Have glibc keep the memory of freed tensors, for the tensors of the next step.

    By default it returns large blocks to the system at once, and having them mapped and zeroed again took 10 to 40 %
    of a training step on a CPU. Systems with another C library have no such settings, and nothing is changed there.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, 1 << 30)
        mallopt(TRIM_THRESHOLD, (1 << 31) - 1)  # the largest there is


def free_bytes(device: torch.device) -> int:
    """Bytes of memory that are free now: the GPU's own, or the machine's."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available
