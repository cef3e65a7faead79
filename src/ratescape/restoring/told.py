"""What is said of images that were restored."""

from ratescape.model.numerics import psnr_of
from ratescape.restoring.blocks import Block


class Told:
    """How much was missing, and how near to the originals the restored images come, over all blocks.

    Example::

        told = Told()
        told.add(block)
        told.line  # "49.8% of the pixels had to be restored; PSNR on them: 15.21 dB (10.07 dB without the model)"
    """

    def __init__(self) -> None:
        self.missing = 0.0
        self.pixels = 0
        self.errors = self.plain_errors = 0.0
        self.values = 0

    def add(self, block: Block) -> None:
        """Take the next images into account."""
        restored = block.restored
        self.missing += float(restored.missing.double().sum())
        self.pixels += restored.missing.numel()
        if block.originals is not None:
            errors, values = restored.squared_errors(block.originals)
            self.errors += errors
            self.values += values
            self.plain_errors += restored.plain_squared_errors(block.originals)[0]

    @property
    def psnr(self) -> float | None:
        """dB, on what was missing; None where no originals are known, or nothing was missing."""
        return psnr_of(self.errors / self.values) if self.values and self.errors > 0 else None

    @property
    def plain_psnr(self) -> float | None:
        """The same of what there is without a model, as of :attr:`ratescape.Restored.plain`."""
        return psnr_of(self.plain_errors / self.values) if self.values and self.plain_errors > 0 else None

    @property
    def line(self) -> str:
        """In one line."""
        share = self.missing / max(1, self.pixels)
        psnr = "" if self.psnr is None else f"; PSNR on them: {self.psnr:.2f} dB"
        plain = "" if self.psnr is None or self.plain_psnr is None else f" ({self.plain_psnr:.2f} dB without the model)"
        return f"{share:.1%} of the pixels had to be restored{psnr}{plain}"

    @property
    def caution(self) -> str | None:
        """That the model made the images worse; None where it did not, or nobody knows."""
        if self.psnr is None or self.plain_psnr is None or self.psnr >= self.plain_psnr:
            return None
        return (
            "the model is no help with these images: their own pixels, enlarged, and the mean of each where some are "
            "missing are nearer to the originals: try --method map, a model trained longer or on more images, or one "
            "for restoration (docs/restoring.md)"
        )
