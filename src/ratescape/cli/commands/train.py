"""`ratescape train`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from ratescape.cli.commands.map import mapped
from ratescape.cli.factories import AllowFactory, importable
from ratescape.cli.options import RunOptions, section
from ratescape.cli.output import bar, is_watched, note, say
from ratescape.cli.records import print_records
from ratescape.errors import SpecError
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec


@dataclasses.dataclass(frozen=True)
class Train:
    """Train and measure one model of given betas, or models that get the rates asked for."""

    options: Annotated[RunOptions, arg(name="")] = dataclasses.field(default_factory=RunOptions)
    strict: bool = False
    """Exit with status 1 unless every target rate was reached."""
    evaluation: Annotated[EvaluationSpec, section(EvaluationSpec)] = dataclasses.field(default_factory=EvaluationSpec)
    execution: Annotated[ExecutionSpec, section(ExecutionSpec)] = dataclasses.field(default_factory=ExecutionSpec)
    out: Path | None = None
    """Folder for the results; default: one named after the data and the spec. The same command again resumes it."""
    data_folder: Path | None = None
    """Where to look first for the files of a known data set, and for a path that has moved."""
    allow_factory: AllowFactory = ()
    """Factory that a --config file names and that may be imported; one given as --model.factory may be, anyway."""
    quiet: bool = False
    """Print nothing but the model's folder: no plan, no progress, no numbers."""

    @property
    def spec(self) -> RunSpec:
        """The model of given betas; raises :class:`SpecError` for options that do not fit together."""
        return self.options.spec()

    @property
    def sweep(self) -> SweepSpec:
        """The models of target rates; raises :class:`SpecError` for options that do not fit together."""
        return self.options.sweep(self.evaluation)

    def run(self) -> None:
        if self.options.target_rates:
            self._find_betas()
        elif self.strict:
            raise SpecError("strict goes with target_rates: leave it out, or add --target-rates")
        else:
            self._train_at_betas()

    def _train_at_betas(self) -> None:
        spec = self.spec  # wrong options are refused before torch is imported
        from ratescape import loggers
        from ratescape.data.catalog import load_data
        from ratescape.models import train_spec
        from ratescape.records.files import read_json_lines

        loggers.check(self.execution.log)
        data = load_data(spec.data, folder=self.data_folder, progress=is_watched(self.quiet))
        importable([spec.model.factory])
        with bar(self.quiet) as observer:
            announce = None if self.quiet else note
            folder = train_spec(spec, data, self.execution, self.out, observer, self.evaluation, announce)
        if not self.quiet:
            print_records(read_json_lines(folder.evaluation))
        say(str(folder.path))

    def _find_betas(self) -> None:
        landscape = mapped(self.sweep, self.execution, self.out, self.data_folder, self.quiet)
        answers = landscape.answers()
        if not self.quiet:
            say("\n".join(map(str, answers)))
        say(str(landscape.folder.path))
        if self.strict and not all(answer.reached for answer in answers):
            raise SpecError("not every rate was reached: train longer (training.epochs), or ask for other rates")
