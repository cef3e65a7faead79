"""Draw ``hierarchy.svg``, the picture of layers, rates and betas on the first page: ``python docs/hierarchy.py``."""

from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams |= {"svg.hashsalt": "ratescape", "svg.fonttype": "path", "font.size": 11}

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.patches import FancyBboxPatch, Polygon  # noqa: E402

INK, TOP, LOWER = "#333333", "#3b6fb6", "#d9822b"

LAYERS = [("z", "2", TOP, 12, "crude: what it is"), ("z", "1", LOWER, 30, "refined: what it looks like")]
"""Name, number, colour, nats and a word for each layer, top layer first."""


def box(axes: plt.Axes, x: float, text: str, colour: str) -> None:
    """A rounded box around a text, centred at ``x``."""
    shape = FancyBboxPatch((x - 0.45, -0.35), 0.9, 0.7, boxstyle="round,pad=0.06", fc="white", ec=colour, lw=1.8)
    axes.add_patch(shape)
    axes.text(x, 0, text, ha="center", va="center", color=colour, fontsize=15)


def main() -> None:
    """Write the picture beside this file."""
    figure, axes = plt.subplots(figsize=(8.6, 3.0))
    places = [0.0, 2.9, 5.8, 8.7]
    for x, text, colour in zip(places, ["$x$", "$z_2$", "$z_1$", r"$\hat{x}$"], [INK, TOP, LOWER, INK], strict=True):
        box(axes, x, text, colour)
    for index, (_, number, colour, nats, word) in enumerate(LAYERS):
        begin, end, half = places[index] + 0.6, places[index + 1] - 0.6, nats / 100
        ends = [(begin, half), (end - 0.25, half), (end, 0), (end - 0.25, -half), (begin, -half)]
        axes.add_patch(Polygon(ends, fc=colour, alpha=0.35, ec="none"))
        middle = (begin + end) / 2
        rate = "$R(z_2)$" if number == "2" else "$R(z_1|z_2)$"
        axes.text(middle, -0.72, f"{rate} = {nats} nats", ha="center", color=colour)
        axes.text(middle, -1.1, rf"price $\beta_{number}$", ha="center", color=colour)
        axes.text(places[index + 1], -1.5, word, ha="center", color=INK, fontsize=9)
    axes.annotate(
        "", (places[3] - 0.6, 0), (places[2] + 0.6, 0), arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.6}
    )
    axes.text((places[2] + places[3]) / 2, 0.3, "decoder", ha="center", color=INK)
    axes.annotate(
        "",
        (places[2] - 0.2, 0.47),
        (places[0] + 0.2, 0.47),
        arrowprops={"arrowstyle": "-|>", "color": "#999999", "lw": 1.2, "connectionstyle": "arc3,rad=-0.28"},
    )
    axes.text(places[1], 1.38, "each step sees the image, too", ha="center", color="#777777", fontsize=9)
    axes.set(xlim=(-0.8, 9.5), ylim=(-1.7, 1.65), aspect="equal")
    axes.axis("off")
    figure.savefig(Path(__file__).with_name("hierarchy.svg"), bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
