"""A landscape that is mapped: choose from it, search between its points, ask it for rates."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ratescape import selection
from ratescape.landscape.contents import ground_of, held_out, network_of, permit
from ratescape.landscape.shown import html_of, line_of
from ratescape.landscape.uses import LandscapeUses
from ratescape.records.folders import SweepFolder
from ratescape.records.refined import read_refined
from ratescape.records.table import FINE_IMAGES, Table, read_table
from ratescape.search.best import Best
from ratescape.search.limits import TOLERANCE, TRIES, Limits
from ratescape.specs.checks import require
from ratescape.specs.factories import Factory
from ratescape.specs.given import Points, as_points, required_path
from ratescape.specs.rate_targets import Request, request_text, requested

if TYPE_CHECKING:  # what needs torch is imported where it is used: reading and choosing need none
    from ratescape.model.conditioning import Conditioned
    from ratescape.search.between import Between
    from ratescape.search.by_rates import Solved


class Landscape(LandscapeUses):
    """A mapped family of models: its table, its choices, its report.

    Args:
        path: the folder of a sweep.
        factory: builds its networks, where a factory of your own did; as of :func:`ratescape.load`, like ``allow``.

    Raises:
        RecordError: the folder is not a sweep, damaged, or of another format.

    Example::

        landscape = rs.Landscape("digits")
        best = landscape.best("reconstruction", max_rate=40, demands={"inception_score": 3})
        z2, z1 = best.load().encode(images)  # posterior means, top layer first
        landscape.report()  # draws figures and page again

    and where it was mapped by the conditioned method, without training::

        model = landscape.network().at((0.3, 2.5))  # an ordinary model
        landscape.measure([(0.3, 2.5), (1.7, 0.2)])  # a table
        solved = landscape.at_rates({2: 20, 1: 40})  # solved.model, solved.answer
        landscape.keep(solved.answer)  # the report shows it, and landscape.answers() has it
        best = landscape.best("generation", between=True)  # searches between the grid points, too
        best.refine(4).load()  # trained on alone, from the network's weights; landscape.refine((0.3, 2.5), 4)
    """

    def __init__(self, path: str | Path, *, factory: Factory | None = None, allow: Sequence[str] = ()) -> None:
        self.folder: SweepFolder = SweepFolder(required_path(path))
        permit(self.folder, factory, allow)
        self.records: Table = read_table(self.folder)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each model: :func:`ratescape.records.table.read_table`; of many layers, groups' columns alone.

        Example::

            landscape.table.sort_values("psnr")[["beta_2", "beta_1", "rate", "psnr"]]
        """
        return self.records.compact

    @property
    def layers(self) -> pd.DataFrame:
        """One row for each model and layer: see :func:`ratescape.records.layers.long`.

        Example::

            landscape.layers.pivot(index="run", columns="layer", values="rate")
        """
        return self.records.layers

    @property
    def warnings(self) -> list[str]:
        """What to know before anything is chosen, a line each: how the models are trained comes first.

        Example::

            for line in landscape.warnings:
                print(line)
        """
        records = self.records
        return [*records.undertrained, *records.broken, *records.retrained, *selection.collapse_warnings(records)]

    @property
    def refined(self) -> Table:
        """The models that were refined: see :func:`ratescape.records.refined.read_refined`; read anew each time.

        Example::

            landscape.refined.compact[["run", "psnr"]]
        """
        return read_refined(self.folder, self.records)

    def best(
        self,
        use: str,
        *,
        max_rate: float | None = None,
        demands: Mapping[str, float] | None = None,
        between: bool = False,
        tries: int = TRIES,
        data_folder: str | Path | None = None,
    ) -> Best:
        """The model that fits a use best, chosen on validation.

        Example::

            best = landscape.best("reconstruction", max_rate=40, demands={"inception_score": 3})
            z2, z1 = best.load().encode(images)  # posterior means, top layer first

        Args:
            use: ``reconstruction``, ``representation``, ``generation``, or the column of a metric that ranks models,
                such as ``nelbo`` or ``accuracy_knn_1``.
            max_rate: largest total rate accepted, nats per image.
            demands: for columns of metrics, the worst value accepted, such as ``{"psnr": 18}``.
            between: search between the grid points of a conditioned landscape, too: see :meth:`between`.
            tries: points that this search measures at most.
            data_folder: where it looks for the images first.

        Raises:
            NoWinner: no model is better than chance for it.
            SpecError: the landscape has not measured it, no model meets the demands, or ``between`` where every beta
                point has a network of its own.
            RatescapeError: for ``between``, the network or the images are missing or damaged.
        """
        require(not between or tries > 0, "tries", tries, "at least 1 to search between the grid points")
        limits = Limits(max_rate, demands or {})
        chosen = Best(selection.best(self.records, use, max_rate=max_rate, demands=demands), self, limits)
        if not between:
            return chosen
        self.network(int(chosen.choice.row["seed"]))  # says so where there is none
        found = self.between(use, max_rate, demands=demands, tries=tries, data_folder=data_folder)
        return dataclasses.replace(chosen, between=found)

    def between(
        self,
        use: str,
        max_rate: float | None = None,
        *,
        demands: Mapping[str, float] | None = None,
        tries: int | None = None,
        data_folder: str | Path | None = None,
        device: str = "cpu",
    ) -> "Between | None":
        """The best model that is found between the grid points for a use, without training.

        Its ``is_better`` says whether it is better than the best of the grid beyond what chance explains. A search
        measures its points by the metric that decides, on the landscape's images, judge and settings: in moments where
        the fine landscape has that metric, else each costs as much as measuring it of one model. Six more such
        measurements compare the result, and one full measurement gives its row.

        Example::

            found = landscape.between("reconstruction", max_rate=40)
            found.is_better, found.betas

        Args:
            use: as of :meth:`best`.
            max_rate: largest total rate accepted, nats per image. The search begins where it is used up.
            demands: as of :meth:`best`.
            tries: points that are measured at most; default: none but the one that uses up ``max_rate``, or 12
                without ``max_rate``.
            data_folder: where to look for the images first.

        Returns:
            None if every beta point has a network of its own.

        Raises:
            SpecError: as :meth:`best`.
            RatescapeError: the network or the images are missing or damaged.
        """
        from ratescape.search.between import between

        choice = self.best(use, max_rate=max_rate, demands=demands).choice
        seed = int(choice.row["seed"])
        if all(network.seed != seed for network in self.folder.spec().networks()):
            return None
        count = tries if tries is not None else TRIES if max_rate is None else 0
        require(count >= 0, "tries", count, "at least 0")
        ground = ground_of(self.folder, self.network(seed, device), data_folder, device)
        return between(ground, choice, Limits(max_rate, demands or {}), count)

    def network(self, seed: int | None = None, device: str = "cpu") -> "Conditioned":
        """The conditioned network of a landscape mapped by the conditioned method.

        Example::

            model = landscape.network().at((0.3, 2.5))  # an ordinary model, without training

        Args:
            seed: one of the sweep's seeds; default: the first.

        Raises:
            SpecError: every beta point of the landscape has a network of its own, or the seed is none of the sweep's.
            CheckpointError: the network's file is missing or damaged.
        """
        return network_of(self.folder, seed, device)

    def measure(
        self, points: Points, *, images: int = FINE_IMAGES, data_folder: str | Path | None = None
    ) -> pd.DataFrame:
        """Rates, distortion, -ELBO (nats per image) and PSNR (dB) at any betas, of a conditioned landscape.

        Nothing is trained: each point is a forward pass of the first seed's network over images of the split that
        models are chosen on.

        Example::

            landscape.measure([(0.3, 2.5), (1.7, 0.2)])  # a table

        Args:
            points: betas, one for each layer, top layer first, or one number for all layers of a point.
            images: how many images at most.
            data_folder: where to look for the images first.

        Returns:
            One row for each point: ``beta_L .. beta_1, rate_L .. rate_1, rate, distortion, nelbo, psnr``.

        Raises:
            SpecError: every beta point has a network of its own, or a point lies outside the box.
            RatescapeError: the network or the images are missing or damaged.
        """
        from ratescape.evaluation.grid import grid_table

        network = self.network()
        seen = held_out(self.folder, network, images, data_folder)
        return grid_table(network, seen, as_points(points, len(network.latent_shapes)))

    def at_rates(
        self,
        rates: Request,
        *,
        tolerance: float = TOLERANCE,
        images: int = FINE_IMAGES,
        data_folder: str | Path | None = None,
    ) -> "Solved":
        """The model of a conditioned landscape that has the rates asked for, found without training.

        Example::

            solved = landscape.at_rates({2: 20, 1: 40})  # nats per image
            solved.model.sample(8), solved.answer.rates

        Args:
            rates: nats per image by layer number (2 is the top of two layers), such as ``{2: 20, 1: 40}``, or a text
                such as ``"2=20,1=40"``, ``"2=30bits"``, ``"total=60,2=25%"``, ``"3+2=20"``, ``"9-5=20"``, ``"r14=30"``.
            tolerance: largest relative error that counts as reached.
            images: how many images of the split that models are chosen on to measure rates on, at most.
            data_folder: where to look for the images first.

        Raises:
            SpecError: every beta point has a network of its own, or rates that cannot be asked for.
            RatescapeError: the network or the images are missing or damaged.
        """
        from ratescape.search.by_rates import Solved, betas_for

        model = self.folder.spec().model
        targets = requested(request_text(rates), model.layers, model.resolutions)  # first: what follows takes time
        network = self.network()
        found = betas_for(network, held_out(self.folder, network, images, data_folder), targets, tolerance=tolerance)
        return Solved(found, network.at(found.betas))

    def __repr__(self) -> str:
        return line_of(self.folder, self.records)

    def _repr_html_(self) -> str:
        return html_of(self.folder, self.records, self.warnings)
