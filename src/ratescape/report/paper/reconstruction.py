"""Fig. 3 of the paper: PSNR over the layer rates."""

from typing import cast

from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.axes3d import Axes3D

from ratescape.records.table import Table
from ratescape.report.paper.marked import cross, marked_models
from ratescape.report.paper.needs import among, having, spans_surface
from ratescape.report.paper.panels import panel
from ratescape.report.plots.canvas import Margins, finish, new_figure, panels
from ratescape.report.plots.marks import legend, rings_of
from ratescape.report.plots.palette import scale_of
from ratescape.report.plots.surface import draw_surface, name_axes, triangles, worth_a_surface
from ratescape.selection import finished


def reconstruction(table: Table) -> Figure:
    """Fig. 3: PSNR over the layer rates, in the plane and, of 49 models or more, in 3-d; numbers mark those of Fig. 4.

    With other than two layers it is PSNR over the total rate.

    Raises:
        CannotDraw: PSNR was not measured.
    """
    rows = finished(table)
    metric, *_ = among(rows, ("psnr", "r2"))[0]
    rows = having(rows, [metric])
    surface = spans_surface(rows) and worth_a_surface(rows)
    figure = new_figure(12.5 if surface else 8.5, 5.8)
    if surface:
        axes = cast(Axes3D, figure.add_axes((0.0, 0.09, 0.48, 0.82), projection="3d"))
        colours = scale_of(rows, metric).to_rgba(rows[metric.column].to_numpy())[:, :3]
        draw_surface(axes, rows[["rate_2", "rate_1", metric.column]].to_numpy(), triangles(rows), colours)
        name_axes(axes, ["R(z₂)  (nats)", "R(z₁ | z₂)  (nats)", metric.label])
    ((plane,),) = panels(figure, 1, 1, Margins(left=6.9 if surface else 0.75, bottom=1.1))
    panel(plane, rows, metric, list(marked_models(rows)))
    legend(figure, [*rings_of(rows, [metric], metric.name), cross()])
    return finish(figure, "Reconstruction: PSNR", table)
