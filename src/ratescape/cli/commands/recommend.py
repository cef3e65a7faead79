"""`ratescape recommend`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ratescape.cli.output import say
from ratescape.errors import RatescapeError, SpecError


@dataclasses.dataclass(frozen=True)
class Recommend:
    """Say which model of a landscape fits a use best, and why."""

    landscape: Positional[Path]
    """Folder of a landscape."""
    use: Annotated[str, arg(name="for")] = "reconstruction"
    """reconstruction, representation, generation, or the column of a metric that ranks models, such as nelbo."""
    max_rate: float | None = None
    """Largest total rate accepted, in nats per image. In a conditioned landscape, a better model that uses up this
    rate is also searched for between the grid points."""
    demand: Annotated[tuple[str, ...], arg(metavar="COLUMN=WORST ...")] = ()
    """Worst values accepted of other columns of the table, such as psnr=18 inception_score=5 distortion=80."""
    out: Path | None = None
    """File to write the model to (.safetensors)."""
    data_folder: Path | None = None
    """Where to look first for the files of a known data set, for a model between the grid points."""

    def run(self) -> None:
        from ratescape.landscape import Landscape
        from ratescape.models import save

        demands, landscape = dict(map(_demand, self.demand)), Landscape(self.landscape)
        best = landscape.best(self.use, max_rate=self.max_rate, demands=demands)
        say(str(best))
        say(f"Use it:  ratescape evaluate {best.folder.path}")
        say(f'or:      model = ratescape.load("{best.folder.path}")')
        between = None
        if self.max_rate is not None:
            try:
                between = landscape.between(self.use, self.max_rate, demands=demands, data_folder=self.data_folder)
            except RatescapeError as error:  # such as missing images: the best of the grid is an answer all the same
                say(f"Not searched between the grid points: {error}")
        if between is not None:
            say(str(between))
            say(f"Use it:  model = ratescape.Landscape({str(self.landscape)!r}).network().at({between.betas})")
        if self.out is not None:
            save(between.model if between is not None else best.load(), self.out)
            say(str(self.out))


def _demand(text: str) -> tuple[str, float]:
    """The column and the worst value of ``COLUMN=WORST``."""
    column, _, worst = text.partition("=")
    try:
        return column, float(worst)
    except ValueError as error:
        raise SpecError(f"demand is {text!r}: it must be COLUMN=NUMBER, such as psnr=18") from error
