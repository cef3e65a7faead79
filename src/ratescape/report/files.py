"""The figure of files: how many bytes each format takes for how much error."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ratescape.report.plots.canvas import new_figure, panels, save


class SizeAndError(Protocol):
    """One format at one setting, such as :class:`ratescape.coding.compare.Point`."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> float:
        """Bytes per image."""
        ...

    @property
    def error(self) -> float:
        """0 without loss."""
        ...

    @property
    def psnr(self) -> float:
        """dB."""
        ...


def draw(path: Path, points: Sequence[SizeAndError]) -> None:
    """A curve for each format with loss, a vertical line for each without; writes a PNG.

    Raises:
        RecordError: it cannot be written.
    """
    figure = new_figure(8.0, 5.0)
    ((axes,),) = panels(figure, 1, 1)
    for name in dict.fromkeys(point.name for point in points):
        own = [point for point in points if point.name == name]
        if own[0].error > 0:
            axes.plot([one.size for one in own], [one.psnr for one in own], marker="o", markersize=4, label=name)
        else:
            axes.axvline(own[0].size, linewidth=0.8, linestyle=":", color="grey")
            axes.annotate(name, (own[0].size, 0.02), xycoords=("data", "axes fraction"), rotation=90, fontsize=6)
    axes.set_xscale("log")
    axes.set_xlabel("bytes per image (all overhead included)")
    axes.set_ylabel("PSNR (dB)")
    axes.set_title("Files of the test images", fontsize=10.5)
    axes.legend(fontsize=7)
    save(figure, path.parent, path.stem)
