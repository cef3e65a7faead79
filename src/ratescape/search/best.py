"""The model of a landscape that fits a use best, ready to be loaded or trained on."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from ratescape import selection
from ratescape.records.codecs import CodecRecord, codecs_of
from ratescape.records.enough import sentences
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.lines import betas_text
from ratescape.records.table import Table
from ratescape.records.trained import excess
from ratescape.search.limits import Limits
from ratescape.search.refined import Refined, compared, offered
from ratescape.search.shown import card, metric_text
from ratescape.selection import Choice

if TYPE_CHECKING:  # to choose a model takes no torch, until one is loaded
    from ratescape.estimators import RateTransformer
    from ratescape.model.hierarchy import HVAE
    from ratescape.records.scores import Scores
    from ratescape.search.between import Between


class Refinable(Protocol):
    """A landscape whose models can be trained on, as :class:`ratescape.landscape.Landscape`.

    An observer is one of :mod:`ratescape.execution.progress`, beside which this room stands.
    """

    folder: SweepFolder
    records: Table

    @property
    def refined(self) -> Table:
        """Table of the models that were refined so far."""
        ...

    def refine(
        self,
        betas: tuple[float, ...],
        epochs: int,
        *,
        seed: int | None = None,
        data_folder: str | Path | None = None,
        progress: Any = False,
        observer: Any = None,
    ) -> RunFolder:
        """Train the model at these betas on, and keep it beside the landscape."""
        ...


@dataclasses.dataclass(frozen=True, repr=False)
class Best:
    """A model chosen from a landscape: of its grid, between the grid points, or refined, whichever is the best.

    Example::

        best = rs.Landscape("digits").best("representation", between=True)
        print(best.betas, best)  # and why
        model = best.refine(4).load()
    """

    choice: Choice
    """The best of the grid."""
    landscape: Refinable
    limits: Limits
    """What it was to keep to."""
    between: "Between | None" = None
    """What was found between the grid points, better or not; None if nothing was searched there."""

    @property
    def unrefined(self) -> pd.Series:
        """Measurements of the best model that is not refined: of the grid, or found between its points."""
        found = self.between
        if found is None or not found.is_better:
            return self.choice.row
        betas = {f"beta_{len(found.betas) - index}": beta for index, beta in enumerate(found.betas)}
        return pd.concat([pd.Series({"seed": self.choice.row["seed"]} | betas), found.row])

    @property
    def refined(self) -> Refined | None:
        """The refined model to compare with it: the best one, or its own refined form; None without any."""
        return offered(self.landscape.refined, self.choice, self.unrefined, self.limits)

    def refined_for(self, epochs: int) -> Refined | None:
        """Its own form that was refined for so many epochs; None where there is none.

        Example::

            print(best.refine(2).refined_for(2))  # what became of it, better or not
        """
        found = compared(self.landscape.refined, self.choice, self.unrefined, self.limits)
        return next((one for one in found if one.of_choice and int(one.row["epochs"]) == epochs), None)

    @property
    def layer(self) -> int | None:
        """The layer that is best for the use, L being the top one; None where whole models compete."""
        return self.choice.layer

    @property
    def betas(self) -> tuple[float, ...]:
        """Its betas, top layer first."""
        return selection.betas_of(self.row)

    @property
    def row(self) -> pd.Series:
        """Its measurements, as a row of the landscape."""
        refined = self.refined
        return refined.row if refined is not None and refined.is_better else self.unrefined

    @property
    def cautions(self) -> list[str]:
        """What to know before it is used, a line each: whether it is trained enough, layers that have collapsed, and
        models that did not compete as their records are damaged or they are not done.
        """
        return self._cautions(self.row)

    def _cautions(self, row: pd.Series) -> list[str]:
        """As :attr:`cautions`, of its measurements: to find them reads the refined models from disk."""
        facts = self.landscape.records.trained.get(self.choice.run)
        dead = [selection.layer_name(layer) for layer in selection.collapsed_layers(row)]
        which = f"of the model at betas {betas_text(selection.betas_of(row))}"
        lines = [f"{' and '.join(dead)} {which} {'has' if len(dead) == 1 else 'have'} collapsed"] if dead else []
        lines += self.landscape.records.left_out
        if facts is None:
            return lines
        return [*sentences([dataclasses.replace(facts, excess=excess(row.to_dict(), facts.constant))]), *lines]

    @property
    def folder(self) -> RunFolder | None:
        """Where it is kept; None for a model between the grid points that is not refined."""
        refined, landscape = self.refined, self.landscape.folder.path
        if refined is not None and refined.is_better:
            return RunFolder(landscape / "refined" / refined.run)
        if self.between is not None and self.between.is_better:
            return None
        return RunFolder(landscape / "runs" / self.choice.run)

    @property
    def files(self) -> list[CodecRecord]:
        """What its files measured, for each codec that was calibrated for it; empty if none was.

        Example::

            for record in best.files:
                print(record.text)  # 10.8 bytes an image (codec calibrated for 2=20,1=40)
        """
        folder = self.folder
        return codecs_of(self.landscape.folder, self.betas, None if folder is None else folder.path)

    def load(self, device: str = "cpu") -> "HVAE":
        """The trained model; raises :class:`~ratescape.errors.CheckpointError` if its file is damaged.

        Example::

            z2, z1 = landscape.best("reconstruction").load().encode(images)
        """
        from ratescape import checkpoint

        folder = self.folder
        if folder is None and self.between is not None:
            return self.between.model.to(device)
        kept = folder or RunFolder(self.landscape.folder.path / "runs" / self.choice.run)
        return checkpoint.load_model(kept.weights, device)[0]

    def score(
        self,
        items: Any,
        *,
        samples: int = 1,
        seed: int = 0,
        data_folder: str | Path | None = None,
        device: str = "cpu",
    ) -> "Scores":
        """Scores of every item by this model, by which anomalies are found: as :meth:`ratescape.HVAE.score`.

        Mahalanobis distances are from the rates of the landscape's own held-out items.

        Example::

            landscape.best("anomaly").score(items)["llr_1"]

        Args:
            items: as :meth:`ratescape.HVAE.score` takes them.
            samples: of each item's posterior.
            seed: of the samples.
            data_folder: where to look first for the landscape's items.

        Raises:
            RatescapeError: the model or the landscape's items are missing or damaged, or ``items`` do not fit.
        """
        from ratescape.data.reloading import reload_data

        folder = self.landscape.folder
        data = reload_data(folder.spec().data, folder, folder.provenance().get("fingerprint"), data_folder)
        return self.load(device).score(items, samples=samples, seed=seed, reference=data.unseen)

    def transformer(self, device: str = "cpu") -> "RateTransformer":
        """The trained model as a transformer of scikit-learn that is fitted already; raises as :meth:`load`.

        Example::

            z = landscape.best("representation").transformer().transform(rows)
        """
        from ratescape.estimators import RateTransformer

        return RateTransformer.of(self.load(device), self.betas)

    def refine(
        self, epochs: int, *, data_folder: str | Path | None = None, progress: Any = False, observer: Any = None
    ) -> "Best":
        """Train the best unrefined model on, alone at its betas from the network's weights, unless that is done.

        It is measured as the landscape was, and kept beside it, in ``refined/KEY``. A killed call is taken up again by
        the same call. ``landscape.refine`` does the same at any betas.

        Example::

            model = landscape.best("generation").refine(4).load()

        Args:
            epochs: of further training.
            data_folder: where to look for the images first.
            progress: True shows how far it is; a function is called with each :class:`ratescape.Progress` and
                :class:`ratescape.Epoch`.
            observer: an :class:`ratescape.Observer` of the training.

        Returns:
            The same choice; the refined model stands in for it if it is better, and str() says so.

        Raises:
            SpecError: every beta point of the landscape has a network of its own, or epochs that are not positive.
            RatescapeError: the network or the images are missing or damaged, or the folder is busy.
        """
        row = self.unrefined
        betas, seed = selection.betas_of(row), int(row["seed"])
        how: dict[str, Any] = {"data_folder": data_folder, "progress": progress, "observer": observer}
        self.landscape.refine(betas, epochs, seed=seed, **how)
        return self

    def __repr__(self) -> str:
        row, metric = self.row, self.choice.metric
        return (
            f"Best({self.choice.use}: {metric.name} {metric_text(self.choice, row)}, betas {betas_text(self.betas)}, "
            f"{row['rate']:.4g} nats{''.join(f'; {line}' for line in self._cautions(row))})"
        )

    def _repr_html_(self) -> str:
        row, metric, folder = self.row, self.choice.metric, self.folder
        facts = {
            "betas, top layer first": betas_text(self.betas),
            f"{metric.name}, {self.choice.split}": metric_text(self.choice, row),
            "rate": f"{row['rate']:.4g} nats",
            "files": "; ".join(record.text for record in self.files) or "no codec was calibrated",
            "kept in": "nowhere yet: .load() is the model" if folder is None else folder.path,
        }
        names = ("reconstructions", "samples") if folder else ()
        pictures = {name: folder.path / f"{name}.png" for name in names if folder}
        told = "\n".join([*(f"Caution: {line}" for line in self._cautions(row)), str(self)])
        return card(f"Best for {self.choice.use}", facts, told, pictures)

    def __str__(self) -> str:
        found = [self.choice.explanation, self.between, self.refined]
        return "\n".join(str(one) for one in found if one is not None)
