"""A landscape as a surface: triangles over the grid of betas, and a map of colour over two betas."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.colors import to_rgb
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D

from ratescape.metrics import layer_columns

CORNERS = np.array([to_rgb(colour) for colour in ("#23232b", "#e8801c", "#2c7fd6", "#eee6da")])
"""Colours where (beta_2, beta_1) are (least, least), (most, least), (least, most) and (most, most).

Orange against blue along one diagonal and dark against light along the other: both differences are seen by
colour-blind readers, and the second one in grey.
"""


FEWEST = 49
"""Models of one seed below which a surface in three dimensions is a few triangles that nobody can read."""


def worth_a_surface(rows: pd.DataFrame) -> bool:
    """Whether the models of one seed are enough to be seen as a surface."""
    return int((rows["seed"] == rows["seed"].min()).sum()) >= FEWEST


def beta_colours(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The colour of each row of a two-layer table by its betas: bilinear in log beta_2 and log beta_1, shape [N, 3]."""
    u, v = (_unit(np.log(rows[column].to_numpy())) for column in layer_columns(rows, "beta"))
    weights = np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=1)  # [N, 4]
    return weights @ CORNERS


def _unit(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Values scaled to [0, 1]; 0.5 if all are the same."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.full_like(values, 0.5)


def triangles(rows: pd.DataFrame) -> npt.NDArray[np.intp]:
    """The surface that models of a two-layer table span: neighbours in the grid of betas, first seed only.

    Returns:
        Positions of three rows for each triangle, shape [T, 3]. A cell of the grid with four models gives two
        triangles, one with three gives one: a missing model leaves a hole no larger than need be.
    """
    top, below = layer_columns(rows, "beta")
    positions = np.flatnonzero(rows["seed"] == rows["seed"].min())
    first = rows.iloc[positions]
    at = dict(zip(zip(first[top], first[below], strict=True), positions, strict=True))
    found: list[list[int]] = []
    for a, b in itertools.pairwise(sorted(first[top].unique())):
        for c, d in itertools.pairwise(sorted(first[below].unique())):
            cell = [int(at[betas]) for betas in ((a, c), (b, c), (b, d), (a, d)) if betas in at]
            found += [[cell[0], *pair] for pair in itertools.pairwise(cell[1:])]
    return np.array(found, dtype=np.intp).reshape(-1, 3)


def draw_surface(
    axes: Axes3D, points: npt.NDArray[np.float64], corners: npt.NDArray[np.intp], colours: npt.NDArray[np.float64]
) -> None:
    """Draw a shaded surface with its models as points, and their shadows on the walls behind.

    The surface hides what is behind it; a mark above order 3 is never hidden.

    Args:
        axes: where to draw; its limits are set.
        points: where the models lie, shape [N, 3].
        corners: as :func:`triangles` gives them, shape [T, 3].
        colours: of the models, shape [N, 3].
    """
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.06 * np.where(high > low, high - low, 1.0)
    low, high = low - margin, high + margin
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    axes.computed_zorder = False
    for axis, wall in ((0, low[0]), (1, high[1]), (2, low[2])):
        shadow = points.copy()
        shadow[:, axis] = wall
        axes.scatter(*shadow.T, s=5, color="#b9bdc4", lw=0, depthshade=False, zorder=1)
    if len(corners):
        bright = _brightness(((points - low) / (high - low))[corners])
        faces = colours[corners].mean(axis=1) * bright[:, None]
        surface = Poly3DCollection(points[corners], facecolors=faces, edgecolors="#00000050", linewidths=0.4, zorder=3)
        axes.add_collection3d(surface, autolim=False)
    axes.scatter(*points.T, c=colours, s=14, edgecolors="#00000066", lw=0.3, depthshade=False, zorder=2)


def name_axes(axes: Axes3D, labels: Sequence[str]) -> None:
    """Label the three axes."""
    for set_label, label in zip((axes.set_xlabel, axes.set_ylabel, axes.set_zlabel), labels, strict=True):
        set_label(label, labelpad=6)


def _brightness(faces: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How light falls on triangles ``[T, 3, 3]`` (corner, coordinate), from 0.72 to 1; both sides are alike."""
    normals = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    lengths = np.linalg.norm(normals, axis=1).clip(min=1e-12)
    light = np.array([-0.5, -0.5, 0.7]) / np.linalg.norm([-0.5, -0.5, 0.7])
    return 0.72 + 0.28 * np.abs(normals @ light) / lengths
