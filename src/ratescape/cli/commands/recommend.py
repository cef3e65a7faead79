"""`ratescape recommend`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.output import bar, note, refuse_to_overwrite, say
from ratescape.cli.words import USE_NAMES
from ratescape.errors import RatescapeError, SpecError
from ratescape.specs.checks import require
from ratescape.specs.refining import refuse_refining

if TYPE_CHECKING:
    from ratescape.landscape import Landscape
    from ratescape.search.best import Best


@dataclasses.dataclass(frozen=True)
class Recommend:
    """Say which model of a landscape fits a use best, and why."""

    landscape: Positional[Path]
    """Folder of a landscape."""
    use: Annotated[str, arg(name="for", help=f"{USE_NAMES}, or the column of a metric that ranks models (nelbo).")] = (
        "reconstruction"
    )
    max_rate: float | None = None
    """Largest total rate accepted, in nats per image. In a conditioned landscape, a better model that uses up this
    rate is also searched for between the grid points."""
    demand: Annotated[tuple[str, ...], arg(metavar="COLUMN=WORST ...")] = ()
    """Worst values accepted of other columns of the table, such as psnr=18 inception_score=5 distortion=80."""
    between: bool = False
    """Search between the grid points of a conditioned landscape for a better model, by what decides for the use."""
    tries: int = 12
    """Points that this search measures at most. PSNR, rates and ELBO take moments; of other metrics each costs as much
    as measuring that metric of one model, and six more measurements tell whether the result is better by chance."""
    refine: int = 0
    """Epochs to train the best model of a conditioned landscape on, alone at its betas, before it is handed over,
    counted from the network's weights; it is kept in the landscape's folder, in refined/KEY. 0 for none."""
    out: Path | None = None
    """File to write the model to (.safetensors)."""
    force: bool = False
    """Overwrite that file if it exists."""
    allow_factory: AllowFactory = ()
    """Factories of your own networks that may be imported, as package.module:function; a file alone imports nothing."""
    data_folder: Path | None = None
    """Where to look first for the files of a known data set, and for a path that has moved, to search between the grid
    points or to refine."""
    quiet: bool = False
    """Show no progress bar."""

    def run(self) -> None:
        self._check()
        from ratescape.landscape import Landscape

        landscape = Landscape(self.landscape, allow=importable(self.allow_factory))
        if self.refine:  # before anything is searched for
            refuse_refining(landscape.folder.spec(), self.refine)
        best = self._best(landscape)
        if self.refine:
            with bar(self.quiet) as observer:
                best = best.refine(self.refine, data_folder=self.data_folder, observer=observer)
        for line in (*(f"caution: {line}" for line in best.cautions), *landscape.refined.broken):
            say(line)
        offered, own = best.refined, best.refined_for(self.refine) if self.refine else None
        if own is not None and offered is not None and own.run != offered.run:
            say(f"{own.told}; kept, but of the refined ones another is the best:")
        say(str(best))
        for record in best.files:
            say(f"Files:   {record.text}")
        if best.folder is None:
            seed = int(best.choice.row["seed"])
            say(f"Use it:  model = ratescape.Landscape({str(self.landscape)!r}).network({seed}).at({best.betas})")
        else:
            say(f"Use it:  ratescape evaluate {best.folder.path}")
            say(f'or:      model = ratescape.load("{best.folder.path}")')
        if self.out is not None:
            from ratescape.models import save

            save(best.load(), self.out, landscape=self.landscape, betas=best.betas)
            say(str(self.out))

    def _check(self) -> None:
        """Refuse what cannot be done before torch is imported; raises :class:`RatescapeError`."""
        refuse_to_overwrite(self.out, self.force)
        require(self.refine >= 0, "refine", self.refine, "at least 0")
        require(not self.between or self.tries > 0, "tries", self.tries, "at least 1 with --between")
        for text in self.demand:
            _demand(text)

    def _best(self, landscape: "Landscape") -> "Best":
        """The best model that is not refined, searched for between the grid points as far as was asked for."""
        demands = dict(map(_demand, self.demand))
        best = landscape.best(
            self.use,
            max_rate=self.max_rate,
            demands=demands,
            between=self.between,
            tries=self.tries,
            data_folder=self.data_folder,
        )
        if self.between or self.max_rate is None:
            return best
        if not self.quiet:
            note(f"searching between the grid points for what --max-rate {self.max_rate:g} allows: some seconds")
        try:
            found = landscape.between(self.use, self.max_rate, demands=demands, data_folder=self.data_folder)
        except RatescapeError as error:  # such as missing images: the best of the grid is an answer all the same
            say(f"Not searched between the grid points: {error}")
            return best
        return dataclasses.replace(best, between=found)


def _demand(text: str) -> tuple[str, float]:
    """The column and the worst value of ``COLUMN=WORST``."""
    column, _, worst = text.partition("=")
    try:
        return column, float(worst)
    except ValueError as error:
        raise SpecError(f"demand is {text!r}: it must be COLUMN=NUMBER, such as psnr=18") from error
