"""The models that one moves through: at any betas of a network, or those that were trained."""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pandas as pd

from ratescape import checkpoint, selection
from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData
from ratescape.data.reloading import reload_data
from ratescape.errors import RatescapeError, SpecError
from ratescape.explorer.refusal import Refused
from ratescape.explorer.surface import Measured, Surface
from ratescape.model.conditioning import SLACK, Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.records.fine import read_fine
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.table import Table
from ratescape.report.groups import groups_of

if TYPE_CHECKING:
    from ratescape.search.best import Best
    from ratescape.search.between import Between

KEPT = 8
"""Models that are kept at hand, those used last."""


class Explored(Protocol):
    """A landscape, as :class:`ratescape.Landscape`, which stands above this room."""

    folder: SweepFolder
    records: Table

    def network(self, seed: int | None = None, device: str = "cpu") -> Conditioned: ...

    def best(
        self, use: str, *, max_rate: float | None = None, demands: Mapping[str, float] | None = None
    ) -> "Best": ...

    def between(
        self,
        use: str,
        max_rate: float | None = None,
        *,
        demands: Mapping[str, float] | None = None,
        data_folder: str | Path | None = None,
    ) -> "Between | None": ...


class Here(NamedTuple):
    """A model, and where it is in the landscape."""

    model: HVAE
    betas: tuple[float, ...]
    """By group, top first."""
    full: tuple[float, ...]
    """By layer, top first."""
    key: str | None
    """Of the run, where the models were trained one by one."""


class Family:
    """The models of a landscape, and what was measured of them.

    Args:
        landscape: of images.
        data_folder: where to look for its images first. Without its images it can be explored with one's own.
        device: where models compute.

    Raises:
        SpecError: a landscape of rows, or without a model that is finished.
        RatescapeError: a network or a model is missing or damaged.
    """

    def __init__(self, landscape: Explored, data_folder: str | Path | None = None, device: str = "cpu") -> None:
        self.landscape, self.device, self.data_folder = landscape, device, data_folder
        self.folder = landscape.folder
        self.spec = self.folder.spec()
        self.grouping = self.spec.grouping()
        self.groups = groups_of(self.spec)
        found = selection.finished(landscape.records)
        if "psnr" not in found:
            raise SpecError(f"{self.folder.path} is of rows, which are no pictures to explore: see ratescape report")
        self.rows = found[found["seed"] == found["seed"].iloc[0]]
        self.network = self._network()
        self.points = [self._measured(row) for _, row in self.rows.iterrows()]
        fine = None if self.network is None else read_fine(self.folder)
        self.fine = [] if fine is None else [self._measured(row) for _, row in fine.iterrows()]
        self.surface = Surface([*self.points, *self.fine])
        self.box = self._box()
        self._models: OrderedDict[tuple[float, ...], Here] = OrderedDict()
        self.start = self.nearest((1.0,) * len(self.groups))
        model = self.at(self.start).model
        channels, height, width = model.image_shape
        self.shape = (channels, height, width)
        self.notes: list[str] = []
        self.data: ImageData | None = self._data()

    @property
    def name(self) -> str:
        return self.folder.path.absolute().name

    def at(self, betas: Sequence[float]) -> Here:
        """The model at betas of the groups, or the trained one that is nearest to them.

        Raises:
            Refused: another number of betas than there are groups, or betas outside the box.
        """
        self.check(betas)
        point = tuple(float(f"{beta:.6g}") for beta in betas) if self.network else self.nearest(betas)
        if point not in self._models:
            self._models[point] = self._opened(point)
            while len(self._models) > KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(point)
        return self._models[point]

    def check(self, betas: Sequence[float]) -> None:
        """Refuse betas that are not of this landscape."""
        if len(betas) != len(self.groups):
            raise Refused(f"betas are {len(betas)}: give {len(self.groups)}, one for each group of layers")
        for beta, (low, high), group in zip(betas, self.box, self.groups, strict=True):
            if self.network is not None and not low / SLACK <= beta <= high * SLACK:
                raise Refused(f"{group.beta} is {beta:.4g}: choose one from {low:.4g} to {high:.4g}")

    def nearest(self, betas: Sequence[float]) -> tuple[float, ...]:
        """The betas of a network that are nearest in its box; of models, those of the nearest one, by log betas."""
        if self.network is not None:
            return tuple(min(max(b, low), high) for b, (low, high) in zip(betas, self.box, strict=True))
        if min(betas) <= 0:
            raise Refused("betas are not all above 0: choose larger ones")
        return min((point.betas for point in self.points), key=lambda own: math.dist(_logs(own), _logs(betas)))

    def held_out(self, count: int) -> Images:
        """The first images of the split that models are chosen on; refuses where there are none."""
        data = self.known_data()
        return Images.of(data, next(iter(data.held_out.values())).pixels[:count], self.device)

    def known_data(self) -> ImageData:
        """The landscape's images; refuses where they are not on this machine."""
        if self.data is None:
            raise Refused(f"this needs the landscape's images: {self.notes[0]}", 409)
        return self.data

    def by_group(self, layers: Sequence[float]) -> tuple[float, ...]:
        """Numbers of layers, top first, summed in each group."""
        sums = dict.fromkeys(dict.fromkeys(self.grouping), 0.0)
        for group, number in zip(self.grouping, layers, strict=True):
            sums[group] += float(number)
        return tuple(sums.values())

    def betas_by_group(self, layers: Sequence[float]) -> tuple[float, ...]:
        """Betas of layers as those of groups: geometric means, which in a group of one beta are this beta."""
        logs = self.by_group([math.log(beta) for beta in layers])
        return tuple(
            float(f"{math.exp(total / len(group.layers)):.10g}") for total, group in zip(logs, self.groups, strict=True)
        )

    def full(self, betas: Sequence[float]) -> tuple[float, ...]:
        """Betas of groups as those of all layers, top first."""
        own = dict(zip(dict.fromkeys(self.grouping), betas, strict=True))
        return tuple(own[group] for group in self.grouping)

    def _opened(self, point: tuple[float, ...]) -> Here:
        if self.network is not None:
            return Here(self.network.at(self.full(point)), point, self.full(point), None)
        index = next(index for index, one in enumerate(self.points) if one.betas == point)
        row = self.rows.iloc[index]
        run = RunFolder(self.folder.path / "runs" / str(row["run"]))
        return Here(checkpoint.load_model(run.weights, self.device)[0], point, selection.betas_of(row), run.path.name)

    def _network(self) -> Conditioned | None:
        if not self.spec.networks():
            return None
        return self.landscape.network(int(self.rows["seed"].iloc[0]), self.device)

    def _measured(self, row: pd.Series) -> Measured:
        numbers = range(len(self.grouping), 0, -1)
        betas, rates = ([float(row[f"{name}_{layer}"]) for layer in numbers] for name in ("beta", "rate"))
        return Measured(self.betas_by_group(betas), self.by_group(rates), float(row["psnr"]))

    def _box(self) -> list[tuple[float, float]]:
        if self.network is not None:
            return [(self.network.low, self.network.high)] * len(self.groups)
        axes = zip(*(point.betas for point in self.points), strict=True)
        return [(min(axis), max(axis)) for axis in axes]

    def _data(self) -> ImageData | None:
        try:
            fingerprint = self.folder.provenance().get("fingerprint")
            return reload_data(self.spec.data, self.folder, fingerprint, self.data_folder)
        except RatescapeError as error:  # a landscape from elsewhere can be explored with one's own images
            self.notes.append(str(error))
            return None


def _logs(betas: Sequence[float]) -> list[float]:
    return [math.log(beta) for beta in betas]
