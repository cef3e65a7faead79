"""`ratescape map`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.options import SweepOptions, section
from ratescape.cli.output import bar, is_watched, note, say, summary
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.sweep import SweepSpec

if TYPE_CHECKING:
    from ratescape.landscape import Landscape


@dataclasses.dataclass(frozen=True)
class Map:
    """Train a family of models over a grid of betas, measure them, and write the landscape and its report."""

    options: Annotated[SweepOptions, arg(name="")] = dataclasses.field(default_factory=SweepOptions)
    execution: Annotated[ExecutionSpec, section(ExecutionSpec)] = dataclasses.field(default_factory=ExecutionSpec)
    out: Path | None = None
    """Folder for the results; default: one named after the data and the spec. The same command again resumes it."""
    data_folder: Path | None = None
    """Where to look first for the files of a known data set, and for a path that has moved."""
    allow_factory: AllowFactory = ()
    """Factory that a --config file names and that may be imported; one given as --model.factory may be, anyway."""
    quiet: bool = False
    """Print nothing but the report's path: no plan, no progress, no summary."""

    @property
    def sweep(self) -> SweepSpec:
        """What to train; raises :class:`SpecError` for options that do not fit together."""
        return self.options.spec()

    def run(self) -> None:
        sweep, default = self.sweep, self.options.default
        reason = None if default is None else default.reason
        landscape = mapped(sweep, self.execution, self.out, self.data_folder, self.quiet, reason)
        if not self.quiet:
            say("\n".join(summary(landscape)))
        say(str(landscape.folder.report))


def mapped(
    sweep: SweepSpec,
    execution: ExecutionSpec,
    out: Path | None,
    data_folder: Path | None,
    quiet: bool,
    reason: str | None = None,
) -> "Landscape":
    """Load the images of a sweep and carry it out, with a progress bar; arguments as the options of :class:`Map`.

    Args:
        reason: a line to print once the images are there and fit, unless quiet.
    """
    from ratescape import loggers
    from ratescape.data.catalog import load_data
    from ratescape.execution.sweep import resolved_sweep
    from ratescape.landscape import map_spec

    loggers.check(execution.log)
    data = load_data(sweep.data, folder=data_folder, progress=is_watched(quiet))
    importable([sweep.model.factory])
    sweep = resolved_sweep(sweep, data)
    if reason is not None and not quiet:
        say(reason)
    with bar(quiet) as observer:
        return map_spec(sweep, data, execution, out, observer, announce=None if quiet else note)
