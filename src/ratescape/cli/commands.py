"""The command line: typed specs as options, progress, and every error in one line."""

import contextlib
import dataclasses
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import tyro
from tyro.conf import Positional, arg

from ratescape.errors import RatescapeError, SpecError
from ratescape.specs.codec import from_dict, read_mapping
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import VERSION
from ratescape.specs.methods import ControlSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec


@dataclasses.dataclass(frozen=True)
class Map:
    """Train a family of models over a grid of betas, measure them, and write the landscape and its report."""

    sweep: Annotated[SweepSpec, arg(name="")] = dataclasses.field(default_factory=SweepSpec)
    execution: ExecutionSpec = dataclasses.field(default_factory=ExecutionSpec)
    out: Path | None = None
    """Folder for the results; default: one named after the data and the spec. The same again takes it up."""
    data_folder: Path | None = None
    """Where to look first for the files of a known data set."""
    quiet: bool = False
    """Print nothing but the report's path."""

    def run(self) -> None:
        from ratescape.data.catalog import load_data
        from ratescape.landscape import map_spec

        data = load_data(self.sweep.data, folder=self.data_folder, progress=_shows(self.quiet))
        with _sweep_bar(self.quiet) as progress:
            landscape = map_spec(self.sweep, data, self.execution, self.out, progress)
        if not self.quiet:
            for line in summary(landscape):
                _say(line)
        _say(str(landscape.folder.report))


@dataclasses.dataclass(frozen=True)
class Train:
    """Train and measure one model of given betas, or models that get the rates asked for."""

    spec: Annotated[RunSpec, arg(name="")] = dataclasses.field(default_factory=RunSpec)
    target_rates: Annotated[tuple[str, ...], arg(metavar="LAYER=RATE,... ...")] = ()
    """In place of betas, rates in nats per image: 2=20,1=40 (the top of two layers is 2), 2=30bits, total=60,
    total=60,2=25%, 3+2=20 (together). Several of these make several models; the folder is then a landscape of them."""
    control: ControlSpec = dataclasses.field(default_factory=ControlSpec)
    """How betas are steered towards target rates."""
    strict: bool = False
    """End with status 1 unless every target rate was reached."""
    evaluation: EvaluationSpec = dataclasses.field(default_factory=EvaluationSpec)
    execution: ExecutionSpec = dataclasses.field(default_factory=ExecutionSpec)
    out: Path | None = None
    """Folder for the results; default: one named after the data and the spec. The same again takes it up."""
    data_folder: Path | None = None
    """Where to look first for the files of a known data set."""
    quiet: bool = False
    """Print nothing but the model's folder."""

    def run(self) -> None:
        from ratescape.data.catalog import load_data
        from ratescape.landscape import train_spec
        from ratescape.records.files import read_json_lines

        if self.target_rates:
            self._run_targeted()
            return
        if self.strict:
            raise SpecError("strict goes with target_rates: leave it out, or ask for rates")
        data = load_data(self.spec.data, folder=self.data_folder, progress=_shows(self.quiet))
        with _step_bar(self.quiet) as progress:
            folder = train_spec(self.spec, data, self.execution, self.out, progress, self.evaluation)
        if not self.quiet:
            _print_records(read_json_lines(folder.evaluation))
        _say(str(folder.path))

    def _run_targeted(self) -> None:
        from ratescape.data.catalog import load_data
        from ratescape.landscape import map_spec

        if self.spec.betas:
            raise SpecError(
                f"betas is {self.spec.betas}: where rates are asked for, betas are found; leave it out (control.others "
                "is the beta of layers without a target)"
            )
        sweep = SweepSpec(
            data=self.spec.data,
            model=self.spec.model,
            training=self.spec.training,
            seeds=(self.spec.seed,),
            method="targeted",
            target_rates=self.target_rates,
            control=self.control,
            evaluation=self.evaluation,
        )
        data = load_data(sweep.data, folder=self.data_folder, progress=_shows(self.quiet))
        with _sweep_bar(self.quiet) as progress:
            landscape = map_spec(sweep, data, self.execution, self.out, progress)
        if not self.quiet:
            for answer in landscape.answers():
                _say(str(answer))
        _say(str(landscape.folder.path))
        if self.strict and not all(answer.reached for answer in landscape.answers()):
            raise SpecError("not every rate was reached: train longer (training.epochs), or ask for others")


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Measure a trained model anew on the validation and test images it belongs to; writes nothing."""

    run_folder: Positional[Path]
    """Folder of one run, such as LANDSCAPE/runs/KEY, or of a conditioned network: LANDSCAPE/networks/KEY."""
    betas: tuple[float, ...] | None = None
    """What a conditioned network is told: one beta for each layer, top layer first."""
    extrapolate: bool = False
    """Allow betas outside the box that the network was trained on; the records say so."""
    evaluation: EvaluationSpec = dataclasses.field(default_factory=EvaluationSpec)
    data_folder: Path | None = None
    """Where to look first for the files of a known data set."""
    device: str = "cpu"
    """cpu, cuda, ..."""

    def run(self) -> None:
        from ratescape.landscape import evaluate

        _print_records(
            evaluate(
                self.run_folder,
                self.evaluation,
                self.data_folder,
                self.device,
                betas=self.betas,
                extrapolate=self.extrapolate,
            )
        )


@dataclasses.dataclass(frozen=True)
class Report:
    """Draw the figures and write the report page of a landscape again."""

    landscape: Positional[Path]
    """Folder of a landscape."""

    def run(self) -> None:
        from ratescape.landscape import Landscape

        _say(str(Landscape(self.landscape).report()))


@dataclasses.dataclass(frozen=True)
class Recommend:
    """Say which model of a landscape fits a use, and why."""

    landscape: Positional[Path]
    """Folder of a landscape."""
    use: Annotated[str, arg(name="for")] = "reconstruction"
    """reconstruction, representation, generation, or the column of a metric that ranks models, such as nelbo."""
    max_rate: float | None = None
    """Largest total rate accepted, in nats per image."""
    demand: Annotated[tuple[str, ...], arg(metavar="COLUMN=WORST ...")] = ()
    """Worst values accepted of other columns of the table, such as psnr=18 inception_score=5 distortion=80."""
    out: Path | None = None
    """File to write the model to (.safetensors)."""
    data_folder: Path | None = None
    """Where to look for the images first, for a model between the grid points of a conditioned landscape."""

    def run(self) -> None:
        from ratescape.landscape import Landscape, save

        demands, landscape = dict(map(_demand, self.demand)), Landscape(self.landscape)
        best = landscape.best(self.use, max_rate=self.max_rate, demands=demands)
        _say(str(best))
        _say(f"Use it:  ratescape evaluate {best.folder.path}")
        _say(f'or:      model = ratescape.load("{best.folder.path}")')
        between = None
        if self.max_rate is not None:
            try:
                between = landscape.between(self.use, self.max_rate, demands=demands, data_folder=self.data_folder)
            except RatescapeError as error:  # the images, say, are elsewhere: the grid's answer stands
                _say(f"Nothing was looked for between the grid points: {error}")
        if between is not None:
            _say(str(between))
            _say(f"Use it:  model = ratescape.Landscape({str(self.landscape)!r}).network().at({between.betas})")
        if self.out is not None:
            save(between.model if between is not None else best.load(), self.out)
            _say(str(self.out))


@dataclasses.dataclass(frozen=True)
class Solve:
    """Find the model of a conditioned landscape that has the rates asked for, without training."""

    landscape: Positional[Path]
    """Folder of a landscape mapped by --method conditioned."""
    rates: Annotated[tuple[str, ...], arg(metavar="LAYER=RATE ...")]
    """Rates in nats per image, such as 2=20 1=40: 20 nats in the top of two layers, 40 in the one below; also 2=30bits,
    total=60, total=60 2=25%, 3+2=20 (together)."""
    tolerance: float = 0.03
    """Largest relative error that counts as reached."""
    strict: bool = False
    """End with status 1 unless every rate was reached."""
    out: Path | None = None
    """File to write the model to (.safetensors)."""
    data_folder: Path | None = None
    """Where to look for the images first."""

    def run(self) -> None:
        from ratescape.landscape import Landscape, save

        request = ",".join(self.rates)
        landscape = Landscape(self.landscape)
        solved = landscape.at_rates(request, tolerance=self.tolerance, data_folder=self.data_folder)
        landscape.keep(solved.answer)
        _say(str(solved))
        _say(f"`ratescape report {self.landscape}` shows it in the landscape")
        if self.out is not None:
            save(solved.model, self.out)
            _say(str(self.out))
        if self.strict and not solved.answer.reached:
            raise SpecError("not every rate was reached: ask for others, or map a larger box of betas")


def _demand(text: str) -> tuple[str, float]:
    """The column and the worst value of ``COLUMN=WORST``."""
    column, _, worst = text.partition("=")
    try:
        return column, float(worst)
    except ValueError as error:
        raise SpecError(f"demand is {text!r}: it must be COLUMN=NUMBER, such as psnr=18") from error


@dataclasses.dataclass(frozen=True)
class Data:
    """List the known data sets, show one (or your own images), or fetch one."""

    action: Positional[Literal["list", "show", "fetch"]]
    """What to do."""
    name: Positional[str | None] = None
    """Name of a data set, or for show also a path."""
    folder: Path | None = None
    """Where to look for the files, or to put fetched ones; default: a cache of the user's."""

    def run(self) -> None:
        from ratescape.data.listing import describe, listing
        from ratescape.data.locating import fetch

        if self.action == "list":
            for one in listing(self.folder):
                _say(f"{one.name:14} {'here' if one.path else 'to be fetched':14} {one.title}")
            return
        if self.name is None:
            raise SpecError(f"data {self.action} needs a name: see `ratescape data list`")
        if self.action == "show":
            _say(str(describe(self.name, self.folder)))
        else:
            _say(str(fetch(self.name, self.folder, progress=_shows(False))))


Command = Map | Train | Evaluate | Report | Recommend | Solve | Data

COMMANDS: dict[str, type[Command]] = {
    "map": Map,
    "train": Train,
    "evaluate": Evaluate,
    "report": Report,
    "recommend": Recommend,
    "solve": Solve,
    "data": Data,
}

FLAT: dict[type[Any], tuple[str, type[Any]]] = {Map: ("sweep", SweepSpec), Train: ("spec", RunSpec)}
"""Commands whose spec's fields stand at the top level of options and config files."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for an error, 2 for a wrong command line."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parse(words).run()
        sys.stdout.flush()
    except RatescapeError as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        _complain("interrupted; the same command takes it up again")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has had enough
    return 0


def parse(words: list[str]) -> Command:
    """The command that a command line asks for.

    Raises:
        SystemExit: after printing help (status 0), or one line about a wrong command line (status 2).
        SpecError: a value that is out of range, or a config file that cannot be used.
    """
    if not words or words[0] in ("-h", "--help"):
        _say(overview())
        raise SystemExit(0 if words else 2)
    if words[0] == "--version":
        from ratescape.version import __version__

        _say(f"ratescape {__version__}")
        raise SystemExit(0)
    name, rest = words[0], words[1:]
    if name not in COMMANDS:
        _refuse(f"unknown command {name!r}: it must be one of {', '.join(COMMANDS)}")
    command = COMMANDS[name]
    default, rest = _with_config(command, rest)
    if default is not None:
        return _tyro(lambda: tyro.cli(command, prog=f"ratescape {name}", args=rest, default=default), name)
    return _tyro(lambda: tyro.cli(command, prog=f"ratescape {name}", args=rest), name)


def overview() -> str:
    """What `ratescape --help` prints."""
    lines = ["usage: ratescape COMMAND [OPTIONS]", ""]
    lines += [f"  {name:10} {(command.__doc__ or '').splitlines()[0]}" for name, command in COMMANDS.items()]
    lines += [
        "",
        "map and train also take --config FILE.yaml, whose values options then override, or the name of a preset;",
    ]
    return "\n".join([*lines, "`ratescape COMMAND --help` shows every option and its default."])


def _with_config(command: type[Command], words: list[str]) -> tuple[Command | None, list[str]]:
    """Take --config FILE out of the words; the command with the file's values as its defaults."""
    joined = [word.partition("=") for word in words]
    places = [i for i, (option, _, _) in enumerate(joined) if option == "--config"]
    if not places:
        return None, words
    at = places[0]
    _, equals, path = joined[at]
    used = 1 if equals else 2
    path = path or (words[at + 1] if at + 1 < len(words) else "")
    if len(places) > 1 or not path:
        _refuse("--config takes one FILE.yaml")
    if command not in FLAT:
        _refuse("--config goes with map and train")
    return from_config(command, preset(path)), words[:at] + words[at + used :]


def preset(name: str) -> Path:
    """The file that ``--config`` names: a path, or one of the grids that come with the package."""
    path = Path(name)
    if path.exists() or path.suffix:
        return path
    shipped = {file.stem: file for file in sorted((Path(__file__).parents[1] / "presets").glob("*.yaml"))}
    if name not in shipped:
        raise SpecError(f"config {name} is neither a file nor one of the presets: {', '.join(shipped)}")
    return shipped[name]


def from_config(command: type[Any], path: Path) -> Any:
    """A command with the values of a YAML file, which has the spec's fields at its top level.

    The ``spec.yaml`` of any results folder is such a file.

    Raises:
        SpecError: the file cannot be read, or has an unknown key or a value of the wrong type.
    """
    field, spec = FLAT[command]
    values = read_mapping(path)
    version = values.pop("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise SpecError(f"{path} was made by a newer ratescape (version {version!r} of the format): upgrade ratescape")
    if "network" in values:
        raise SpecError(
            f"{path} describes a model taken from a conditioned network: give map the spec.yaml of its landscape"
        )
    own = {f.name for f in dataclasses.fields(command)} - {field}
    nested = {name: value for name, value in values.items() if name not in own}
    beside = {name: value for name, value in values.items() if name in own}
    try:
        return dataclasses.replace(from_dict(command, beside), **{field: from_dict(spec, nested)})
    except SpecError as error:
        raise SpecError(f"{error} (in {path})") from error


def _tyro(call: Callable[[], Command], name: str) -> Command:
    """Parse with tyro, turning its boxed messages into one line."""
    caught = io.StringIO()
    try:
        with contextlib.redirect_stderr(caught):
            return call()
    except SystemExit as end:
        if end.code:
            _refuse(f"{_message(caught.getvalue())} (ratescape {name} --help shows all options)")
        raise


def _message(box: str) -> str:
    """What tyro's box says, in one line."""
    # Its rules are hyphens where the output's encoding knows no box characters.
    text = [re.sub(r"[│─╭╮╰╯]|-{3,}", " ", line).strip() for line in box.splitlines()]
    parts = [line for line in text if line and "--help" not in line and "full helptext" not in line]
    title = parts.pop(0) if len(parts) > 1 else ""
    # Our own messages name the field themselves.
    return re.sub(r"^Error parsing [a-z.]+: (?=[a-z_.]+ is )", "", _sentence(parts) or title)


def _sentence(lines: list[str]) -> str:
    """The message proper, and the nearest option if one is named."""
    cut = next((i for i, line in enumerate(lines) if i and line.endswith(":")), len(lines))
    message = " ".join(lines[:cut])
    near = next((line.split()[0] for line in lines[cut + 1 :] if line.startswith("--")), None)
    suggestion = near if any(line.startswith("Perhaps") for line in lines[cut : cut + 1]) else None
    return f"{message}; did you mean {suggestion}?" if suggestion else message


def _refuse(message: str) -> NoReturn:
    _complain(message)
    raise SystemExit(2)


def _say(line: str) -> None:
    print(line)  # noqa: T201 (this is the output)


def _complain(message: str) -> None:
    """One line on stderr, whatever the message is made of."""
    print(f"ratescape: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201 (this is the output)


def _shows(quiet: bool) -> bool:
    """Whether progress bars are shown: to a person at a terminal, not into a file or a pipe."""
    return not quiet and sys.stderr.isatty()


@contextlib.contextmanager
def _bar(quiet: bool, what: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """A bar with rate and time left, or nothing where nobody watches."""
    if not _shows(quiet):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = [TextColumn(what), BarColumn(), TaskProgressColumn(show_speed=True), TimeRemainingColumn()]
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None, note="")
        yield lambda done, total, note: progress.update(task, completed=done, total=total, note=note)


@contextlib.contextmanager
def _sweep_bar(quiet: bool) -> Iterator[Callable[[Any], None] | None]:
    with _bar(quiet, "training") as show:
        if show is None:
            yield None
        else:
            yield lambda p: show(p.steps, p.total, f"{p.models} of {p.total_models} models")


@contextlib.contextmanager
def _step_bar(quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    with _bar(quiet, "training") as show:
        if show is None:
            yield None
        else:
            yield lambda step, steps: show(step, steps, "steps")


def summary(landscape: Any) -> list[str]:
    """A few lines about a finished landscape: how many models, what is wrong with some, what to pick."""
    from ratescape import metrics, selection

    rows = landscape.table
    lines = [f"{len(rows)} models; table: {landscape.folder.table}"]
    diverged = int((rows["status"] == "diverged").sum())
    if diverged:
        lines.append(
            f"warning: {diverged} trainings diverged and carry no numbers: a smaller training.learning_rate or a "
            "training.clip may help"
        )
    lines += [f"warning: {line}" for line in landscape.records.broken]
    lines += [f"warning: {line}" for line in selection.collapse_warnings(landscape.records)]
    lines += landscape.records.absent
    for use in metrics.USES:
        with contextlib.suppress(SpecError):  # not every use can be measured on all data
            lines.append(str(landscape.best(use)))
    return lines


def _print_records(lines: list[dict[str, Any]]) -> None:
    """Records for a person at a terminal, or as JSON lines for a program."""
    if not sys.stdout.isatty():
        for line in lines:
            _say(json.dumps(line))
        return
    for line in lines:
        outside = ", extrapolated: betas outside the network's box" if line.get("extrapolated") else ""
        _say(f"{line['split']} ({line['images']} images{outside})")
        for name, value in line["metrics"].items():
            _say(f"  {name:22} {', '.join(map(_shown, value)) if isinstance(value, list) else _shown(value)}")
        for name, reason in line["absent"].items():
            _say(f"  {name:22} not measured: {reason}")


def _shown(value: float | str | None) -> str:
    """A measurement for a person; a dash where there is none."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.4g}"


if __name__ == "__main__":
    sys.exit(main())
