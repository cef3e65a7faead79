"""The device to compute on."""

import torch

from ratescape.errors import ResourceError


def synchronise(device: torch.device) -> None:
    """Wait until a device has done all it was told, so that a clock may be read; a CPU always has.

    Example::

        synchronise(images.device)
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def chosen_device(name: str) -> torch.device:
    """The device that a name in ``execution.device`` stands for; ``auto``: a GPU if there is one, else the CPU.

    Raises:
        ResourceError: this machine has no such device, or it cannot be used.

    Example::

        chosen_device("cuda:1")
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ResourceError(f"execution.device is {name!r}, which cannot be used here ({reason}): try cpu") from error
    return device
