"""How betas are controlled until layers have the rates asked for."""

import dataclasses

from ratescape.specs.checks import require
from ratescape.specs.codec import convert_fields


@dataclasses.dataclass(frozen=True)
class ControlSpec:
    """How betas are adjusted, step by step, until layers have the rates asked for.

    Example::

        ControlSpec(delay=0.2, tolerance=0.01)
    """

    start: float = 1.0
    """Beta that controlled layers begin with."""
    others: float = 1.0
    """Beta of the layers without a target."""
    delay: float = 0.1
    """Share of the training, at its beginning, over which betas stay at control.start."""
    frozen: float = 0.2
    """Share of the training, at its end, over which betas are fixed."""
    tail: float = 0.1
    """Share of the training, just before that, over which log betas are averaged; they are then fixed at the mean."""
    tolerance: float = 0.02
    """Largest relative error of a held-out rate that counts as reached."""

    def __post_init__(self) -> None:
        convert_fields(self, "control.")
        for name in ("start", "others"):
            beta = getattr(self, name)
            require(1e-3 <= beta <= 400, f"control.{name}", beta, "between 0.001 and 400")
        require(0 <= self.frozen < 1, "control.frozen", self.frozen, "at least 0 and below 1")
        require(
            0 <= self.delay < 1 - self.frozen, "control.delay", self.delay, "at least 0, and below 1 - control.frozen"
        )
        most = 1 - self.frozen - self.delay
        require(
            0 < self.tail <= most, "control.tail", self.tail, "above 0, and at most 1 - control.frozen - control.delay"
        )
        require(self.tolerance > 0, "control.tolerance", self.tolerance, "positive")
