"""The device that computes."""

import torch

from ratescape.errors import ResourceError


def chosen_device(name: str) -> torch.device:
    """The device a name stands for.

    Raises:
        ResourceError: no such device here.
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
