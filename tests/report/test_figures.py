"""Figures over a sweep on disk: what is drawn is what was measured, for any number of layers."""

from pathlib import Path

import numpy as np
import pytest
from helpers.sweep_on_disk import damage, sweep
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from ratescape.errors import SpecError
from ratescape.metrics import METRICS
from ratescape.records.table import Table, read_table
from ratescape.report import figures
from ratescape.report.plots import canvas, palette
from ratescape.report.plots.rates import DIAGONAL
from ratescape.selection import hull_of, measured

PSNR = METRICS["psnr"]


def offsets(points: PathCollection) -> np.ndarray:
    """Where the points of a scatter lie ``[N, 2]``."""
    return np.asarray(points.get_offsets())


def rings(points: PathCollection, colour: str) -> np.ndarray:
    """Where the rings of a colour lie ``[N, 2]``."""
    edges = np.broadcast_to(np.asarray(points.get_edgecolor()), (len(offsets(points)), 4))
    return offsets(points)[(edges == to_rgba(colour)).all(axis=1)]


def collections(axes: Axes, colour: str | None = None) -> list[PathCollection]:
    """The scatters of an axes: the points, or the rings of a colour."""
    scatters = [c for c in axes.collections if isinstance(c, PathCollection)]
    if colour is None:
        return [c for c in scatters if c.get_array() is not None]
    return [c for c in scatters if len(rings(c, colour))]


def colours_of(points: PathCollection) -> np.ndarray:
    """Colours of the points of a scatter ``[N, 4]``."""
    return np.asarray(points.to_rgba(np.asarray(points.get_array())))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return read_table(sweep(tmp_path_factory.mktemp("two"), pictures=False))


@pytest.fixture(scope="module")
def figure(table: Table) -> Figure:
    return figures.landscape_figure(table, PSNR)


def test_points_lie_at_their_rates_with_their_metric(table: Table, figure: Figure) -> None:
    axes = figure.axes[0]
    rows = measured(table)
    (points,) = collections(axes)
    np.testing.assert_allclose(offsets(points), rows[["rate_2", "rate_1"]])
    np.testing.assert_allclose(np.asarray(points.get_array()), rows["psnr"])
    assert len(rows) == 23


def test_rings_mark_vae_beta_vaes_and_hull(table: Table, figure: Figure) -> None:
    axes = figure.axes[0]
    rows = measured(table)
    (drawn,) = collections(axes, palette.VAE)
    vae, equal, hull = (rings(drawn, colour) for colour in (palette.VAE, palette.BETA_VAE, palette.HULL))
    center = rows[(rows["beta_2"] == 1) & (rows["beta_1"] == 1)]
    np.testing.assert_allclose(vae, center[["rate_2", "rate_1"]])
    assert len(equal) == 4
    np.testing.assert_allclose(hull, rows.loc[sorted(hull_of(rows, PSNR)), ["rate_2", "rate_1"]])


def test_the_hull_is_joined_over_the_total_rate_alone(tmp_path: Path, table: Table, figure: Figure) -> None:
    """In the plane of two rates a model of the hull may have neighbours that are better."""
    assert [line for axes in figure.axes for line in axes.lines if line.get_color() == palette.HULL] == []
    assert "on the hull of PSNR over total rate" in [text.get_text() for text in figure.legends[0].get_texts()]
    three = read_table(sweep(tmp_path, latents=(8, 8, 8), steps=2, diverged=None, missing=None, pictures=False))
    over_total, simplex = figures.landscape_figure(three, PSNR).axes[:2]
    (line,) = (line for line in over_total.lines if line.get_color() == palette.HULL)
    np.testing.assert_allclose(
        np.asarray(line.get_xydata()), measured(three).loc[hull_of(measured(three), PSNR), ["rate", "psnr"]]
    )
    assert not [line for line in simplex.lines if line.get_color() == palette.HULL]


def test_diagonals_have_the_total_rate_they_are_labelled_with(figure: Figure) -> None:
    axes = figure.axes[0]
    labelled = {float(text.get_text()) for text in axes.texts if text.get_gid() == DIAGONAL}
    (lines,) = (c for c in axes.collections if isinstance(c, LineCollection))
    ends = [np.asarray(line).sum(axis=1) for line in lines.get_segments()]
    np.testing.assert_allclose([total[0] for total in ends], [total[1] for total in ends])
    assert labelled
    assert labelled <= {round(float(total[0]), 6) for total in ends}


def test_every_model_has_a_cell_in_its_colour_and_the_diverged_one_a_cross(figure: Figure) -> None:
    axes, (points,) = figure.axes[1], collections(figure.axes[0])
    (drawn,) = (c for c in axes.collections if isinstance(c, PolyCollection))
    cells = np.asarray(drawn.get_facecolor())
    assert len(cells) == len(drawn.get_paths()) == 23
    np.testing.assert_allclose(cells, colours_of(points), atol=1e-6)
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    np.testing.assert_allclose(np.asarray(crosses[0].get_xydata()), [[0.1, 0.316227766]])


def test_good_is_bright_whichever_way_the_metric_points(table: Table) -> None:
    for column, best in (("psnr", "idxmax"), ("distortion", "idxmin")):
        (points,) = collections(figures.landscape_figure(table, METRICS[column]).axes[0])
        colours = colours_of(points)
        brightest = int(np.argmax(colours[:, :3] @ [0.299, 0.587, 0.114]))
        assert brightest == getattr(measured(table)[column], best)()


def test_footnote_counts_what_is_not_drawn(tmp_path: Path) -> None:
    folder = sweep(tmp_path, pictures=False)
    damage(folder, 7)
    assert canvas.footnote(read_table(folder)) == "22 of 25 runs shown; not shown: 1 diverged, 1 not done, 1 unreadable"
    whole = read_table(sweep(tmp_path / "whole", steps=2, diverged=None, missing=None, pictures=False))
    assert canvas.footnote(whole) == "4 of 4 runs shown"


@pytest.mark.parametrize(("latents", "steps", "shown"), [((16,), 7, 5), ((8, 8, 8), 3, 25), ((4, 4, 4, 4), 2, 14)])
def test_other_numbers_of_layers_show_the_metric_over_the_total_rate(
    tmp_path: Path, latents: tuple[int, ...], steps: int, shown: int
) -> None:
    table = read_table(sweep(tmp_path, latents=latents, steps=steps, pictures=False))
    figure = figures.landscape_figure(table, PSNR)
    rows = measured(table)
    (points,) = collections(figure.axes[0])
    np.testing.assert_allclose(offsets(points), rows[["rate", "psnr"]])
    assert len(rows) == shown
    if len(latents) > 2:
        top = f"rate_{len(latents)}"
        np.testing.assert_allclose(np.asarray(points.get_array()), (rows[top] / rows["rate"]).fillna(0))
    assert len(figure.axes) == (1 if len(latents) > 3 else 2)


def test_one_shared_beta_is_drawn_over_beta(tmp_path: Path) -> None:
    table = read_table(sweep(tmp_path, groups=(0, 0), steps=3, pictures=False))
    (points,) = collections(figures.landscape_figure(table, PSNR).axes[1])
    np.testing.assert_allclose(offsets(points), measured(table)[["beta_1", "psnr"]])


@pytest.mark.parametrize(("width", "height", "equal"), [(20, 30, True), (2, 60, False), (60, 2, False)])
def test_one_scale_only_where_it_is_no_strip(table: Table, width: float, height: float, equal: bool) -> None:
    rows = table.rows.copy()
    rows["rate_2"] *= width / rows["rate_2"].max()
    rows["rate_1"] *= height / rows["rate_1"].max()
    rows["rate"] = rows["rate_2"] + rows["rate_1"]
    axes = figures.landscape_figure(Table(rows, 0, (), "validation"), PSNR).axes[0]
    assert (axes.get_aspect() == 1) is equal
    assert axes.get_ylabel().endswith("; own scale)") is not equal


def test_nothing_is_drawn_outside_the_figure(figure: Figure) -> None:
    drawn = FigureCanvasAgg(figure)
    drawn.draw()
    box = figure.get_tightbbox(drawn.get_renderer())
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.get_figwidth() and box.y1 <= figure.get_figheight()


def test_saved_figures_open_and_are_the_same_each_time(tmp_path: Path) -> None:
    """A PDF is written where it is asked for; one that is there is drawn again with the picture beside it."""
    folder = sweep(tmp_path, steps=3, pictures=False)
    png, pdf = tmp_path / "figures" / "landscape.png", tmp_path / "figures" / "landscape.pdf"
    assert figures.save_figures(folder) == [png]
    with Image.open(png) as picture:
        assert picture.width >= 1600
        assert picture.mode == "RGB" and round(picture.info["dpi"][0]) == 150
    assert figures.save_figures(folder, pdf=True) == [png, pdf]
    first = pdf.read_bytes()
    assert first.startswith(b"%PDF")
    pdf.write_bytes(b"of other numbers")
    assert figures.save_figures(folder) == [png, pdf]
    assert pdf.read_bytes() == first


def test_numbers_beside_a_scale_of_colour_stand_where_their_colours_are(figure: Figure) -> None:
    axes = figure.axes[0]
    (bar,) = (image for image in axes.get_children() if isinstance(image, AxesImage))
    (points,) = collections(axes)
    low, high = points.get_clim()
    assert low is not None and high is not None
    bottom, top = bar.get_extent()[2:]
    numbers = [text for text in axes.texts if text.get_gid() == palette.BAR and text.get_rotation() == 0]
    assert len(numbers) >= 3
    for text in numbers:
        along = (text.get_position()[1] - bottom) / (top - bottom)
        assert along == pytest.approx((float(text.get_text()) - low) / (high - low))


def test_every_pixel_is_in_the_file(tmp_path: Path) -> None:
    """As another library reads it."""
    drawn = canvas.new_figure(1.5, 1)
    canvas.add_title(drawn, "β₂ = 1")
    (png,) = canvas.save(drawn, tmp_path, "small")
    with Image.open(png) as picture:
        pixels = np.asarray(picture)
    shown = FigureCanvasAgg(drawn)
    shown.draw()
    np.testing.assert_array_equal(pixels, np.asarray(shown.buffer_rgba())[..., :3])
    assert pixels.min() < 128 < pixels.max()


def test_nothing_to_draw_is_one_clear_error(tmp_path: Path) -> None:
    folder = sweep(tmp_path, latents=(4,), steps=2, diverged=0, missing=1, pictures=False)
    with pytest.raises(SpecError, match=r"no finished model .1 diverged, 1 not done"):
        figures.save_figures(folder)
