"""The model of a landscape that fits a use best, ready to be loaded."""

import dataclasses

from ratescape import checkpoint
from ratescape.model.hierarchy import HVAE
from ratescape.records.folders import RunFolder
from ratescape.selection import Choice


@dataclasses.dataclass(frozen=True)
class Best:
    """A model chosen from a landscape.

    Example::

        best = rs.Landscape("digits").best("representation")
        print(best.betas, best)  # and why
        model = best.load()
    """

    choice: Choice
    folder: RunFolder

    @property
    def betas(self) -> tuple[float, ...]:
        """Its betas, top layer first."""
        return self.choice.betas

    def load(self, device: str = "cpu") -> HVAE:
        """The trained model; raises :class:`~ratescape.errors.CheckpointError` if its file is damaged."""
        return checkpoint.load_model(self.folder.weights, device)[0]

    def __str__(self) -> str:
        return self.choice.explanation
