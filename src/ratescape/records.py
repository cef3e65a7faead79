"""What came out: folders of results, and the table over them. Computing and looking meet only here, on disk.

A sweep is a folder::

    spec.yaml            what was asked for, every field filled in
    provenance.json      versions, device, data fingerprint, times
    runs/KEY/            one folder for each trained model, named by the key of its RunSpec
        spec.yaml        its RunSpec
        weights.safetensors
        training.jsonl   one line for each epoch
        evaluation.jsonl one line for each (betas, split) measured
        reconstructions.png, samples.png
        done             written last: its presence means that all the above is complete
    packs/KEY.*          checkpoints of trainings in progress; gone when their runs are done
    networks/KEY/        one folder for each network that is told its betas, if the runs were taken from such
    fine.csv             then also what it gives between the runs: one row for each point of a fine grid
    landscape.csv        the tidy table: one row for each run

Whole files are written to a temporary file and renamed, so that a reader sees all of a file or none of it.
"""

import contextlib
import dataclasses
import fcntl
import io
import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ratescape.errors import RecordError, SpecError
from ratescape.specs import (
    VERSION,
    FoldedSpec,
    NetworkSpec,
    RunSpec,
    SweepSpec,
    TargetedSpec,
    differences,
    from_dict,
    key,
    read_mapping,
    to_yaml,
)
from ratescape.targets import Answer

FINE_IMAGES = 1000
"""Images that a fine landscape is measured on, at most."""

ACTIVE_RATE = 0.1
"""A layer that carries less than so many nats, or has no active unit, counts as collapsed."""


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a whole file so that it is never seen half-written, even after a crash.

    Raises:
        RecordError: the file cannot be written (full disk, no permission); an older file stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> RecordError:
    """The error for a failed write; nothing written before is lost."""
    return RecordError(
        f"cannot write {path} ({error.strerror or error}): free some space or choose another folder, then run the "
        "same command again; what is finished is kept"
    )


def to_json_lines(records: list[dict[str, Any]]) -> str:
    """Records as JSON lines; a number that is not finite is written as null."""
    return "".join(json.dumps(_finite(record)) + "\n" for record in records)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """All records of a JSON-lines file.

    Raises:
        RecordError: the file is missing or a line is not a JSON object.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is missing or damaged ({error}): {_remake(path.parent)}") from error
    if not all(isinstance(record, dict) for record in records):
        raise RecordError(f"{path} is damaged: {_remake(path.parent)}")
    return records


def refuse_differences(folder: Path, fields: list[str]) -> None:
    """Refuse to put one spec's results into the folder of another.

    Args:
        fields: dotted names of the fields in which the two specs differ.

    Raises:
        RecordError: there are any.
    """
    if fields:
        raise RecordError(
            f"{folder} was made by another spec (it differs in {', '.join(fields)}): choose another folder with --out, "
            "or ask for the same again"
        )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a results folder for this process alone; the system lets go of it however the process ends.

    Raises:
        RecordError: another process holds it, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w")
    except OSError as error:
        raise unwritable(folder, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecordError(
                f"another ratescape is working in {folder}: wait for it to end, or choose another folder with --out"
            ) from error
        yield


@contextlib.contextmanager
def waited_for(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, once no other process does; the system lets go of it however a process ends.

    Raises:
        RecordError: the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclasses.dataclass(frozen=True)
class TrainingFolder:
    """The folder of something trained."""

    path: Path

    @property
    def weights(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def training(self) -> Path:
        return self.path / "training.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The training in progress, where it has this folder to itself."""
        return self.path / "checkpoint.safetensors"


class RunFolder(TrainingFolder):
    """The folder of one trained model."""

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation.jsonl"

    @property
    def control(self) -> Path:
        """Betas and rates over the training of a model whose rates were asked for."""
        return self.path / "control.jsonl"

    @property
    def done(self) -> bool:
        """Whether training and its records are complete."""
        return (self.path / "done").exists()

    def mark_done(self) -> None:
        """Write the mark that says everything else is complete."""
        write_atomically(self.path / "done", "")

    def write_spec(self, spec: RunSpec) -> None:
        write_atomically(self.path / "spec.yaml", _stamped(spec))

    def spec(self) -> RunSpec:
        """The run's spec (a :class:`FoldedSpec` where it came from a conditioned network, a
        :class:`TargetedSpec` where rates were asked for).

        Raises:
            RecordError: it is missing, newer, or damaged.
        """
        return _read_spec(RunSpec, self.path, {"network": FoldedSpec, "targets": TargetedSpec})


class NetworkFolder(TrainingFolder):
    """The folder of one network that is told its betas."""

    @property
    def steps(self) -> Path:
        """A note of how far the training in progress is."""
        return self.path / "steps"


@dataclasses.dataclass(frozen=True)
class SweepFolder:
    """The folder of a sweep."""

    path: Path

    def run(self, spec: RunSpec) -> RunFolder:
        return RunFolder(self.path / "runs" / key(spec))

    def network(self, spec: NetworkSpec) -> NetworkFolder:
        return NetworkFolder(self.path / "networks" / key(spec))

    @property
    def packs(self) -> Path:
        return self.path / "packs"

    @property
    def fine(self) -> Path:
        """Rates and PSNR on a fine grid of betas, where a conditioned network gives them without training."""
        return self.path / "fine.csv"

    @property
    def answers(self) -> Path:
        """What was found for rates asked of the finished landscape, one request a line."""
        return self.path / "answers.jsonl"

    @property
    def table(self) -> Path:
        return self.path / "landscape.csv"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def spec(self) -> SweepSpec:
        """The sweep's spec; raises :class:`RecordError` if it is missing, newer, or damaged."""
        return _read_spec(SweepSpec, self.path)

    def claim(self, spec: SweepSpec) -> None:
        """Make this the folder of ``spec``, or check that it is.

        A folder made by the same spec is taken up again; settings of evaluation may change, models stay. A conditioned
        network serves other grids of betas, and other refining, too: what is there already stays.

        Raises:
            RecordError: the folder holds another spec's results (names the fields) or those of a newer version.
        """
        if (self.path / "spec.yaml").exists():
            before = self.spec()
            fields = [name for name in differences(before, spec) if not name.startswith("evaluation")]
            networks = spec.networks()
            if not networks or networks != before.networks():
                refuse_differences(self.path, fields)
        write_atomically(self.path / "spec.yaml", _stamped(spec))

    def write_provenance(self, provenance: Mapping[str, Any]) -> None:
        write_atomically(self.path / "provenance.json", json.dumps(_finite(provenance), indent=1) + "\n")

    def provenance(self) -> dict[str, Any]:
        """What is known of how the sweep was made; raises :class:`RecordError` if missing or damaged."""
        path = self.path / "provenance.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RecordError(f"{path} is missing or damaged: {_AGAIN}") from error
        if not isinstance(values, dict):
            raise RecordError(f"{path} is damaged: {_AGAIN}")
        return values


_AGAIN = "delete it if it is there, and run the sweep's command again"


def _stamped(spec: Any) -> str:
    return f"version: {VERSION}\n" + to_yaml(spec)


def _read_spec(cls: type, folder: Path, others: Mapping[str, type] | None = None) -> Any:
    """Read the version-stamped spec.yaml of a results folder; ``others`` are classes known by a field of theirs."""
    path = folder / "spec.yaml"
    if not path.exists():
        raise RecordError(f"{folder} is not a results folder (it has no spec.yaml): check the path")
    try:
        values = read_mapping(path)
        version = values.pop("version", None)
        if not isinstance(version, int) or version > VERSION:
            raise RecordError(
                f"{folder} was made by a newer ratescape (version {version} of the format, this one reads up to "
                f"{VERSION}): upgrade ratescape"
            )
        return from_dict(next((other for name, other in (others or {}).items() if name in values), cls), values)
    except SpecError as error:
        kind = "landscape" if cls is SweepSpec else "model"
        raise RecordError(
            f"{path} does not describe a {kind} ({error}): check the path, restore the file, or start a new folder"
        ) from error


@dataclasses.dataclass(frozen=True)
class Table:
    """The tidy landscape over a sweep, and what is wrong with it."""

    rows: pd.DataFrame
    """One row for each run: see :func:`landscape`."""
    missing: int
    """Runs asked for that are not done."""
    broken: tuple[str, ...]
    """One line for each run whose records cannot be read."""
    split: str
    """The split that the plain columns were measured on: "validation", or "test" under the paper's protocol."""
    absent: tuple[str, ...] = ()
    """One line for each reason why something was not measured: what, why, and in how many models."""


def landscape(folder: SweepFolder) -> Table:
    """Read the records of a sweep into one tidy table; never opens a model.

    Columns, for L layers: ``run, seed, status, beta_L .. beta_1``, then measured on the split that models are
    chosen on ``rate_L .. rate_1, rate`` (total), ``distortion`` (nats per image), ``loss`` (distortion + sum of
    beta x rate), ``nelbo`` (-ELBO), ``psnr`` (dB), ``active_L .. active_1``, and any further metric found in the
    records; and the same measured on test as ``test_...``. ``status`` is ``ok``, or ``diverged`` for a training
    that broke down: such rows carry no numbers.

    Raises:
        RecordError: the folder is not a sweep.
    """
    spec = folder.spec()
    split = "validation" if spec.data.validation > 0 else "test"
    rows: list[dict[str, Any]] = []
    broken: list[str] = []
    reasons: Counter[tuple[str, str]] = Counter()
    missing = 0
    for run in spec.runs():
        place = folder.run(run)
        if not place.done:
            missing += 1
            continue
        try:
            records = {record.get("split"): record for record in read_json_lines(place.evaluation)}
            rows.append(_row(run, place, records, split))
            reasons.update((reason, name) for name, reason in records[split].get("absent", {}).items())
        except RecordError as error:
            broken.append(str(error))
    return Table(pd.DataFrame(rows), missing, tuple(broken), split, _absent(reasons, len(rows)))


def _absent(reasons: Mapping[tuple[str, str], int], models: int) -> tuple[str, ...]:
    """Reasons why measures (reason, measure) are absent in so many models, as lines."""
    grouped: dict[tuple[str, int], list[str]] = {}
    for (reason, name), count in reasons.items():
        grouped.setdefault((reason, count), []).append(name)
    return tuple(
        f"not measured{'' if count == models else f' in {count} of {models} models'}: {', '.join(names)} ({reason})"
        for (reason, count), names in grouped.items()
    )


def fine_columns(records: list[dict[str, Any]]) -> pd.DataFrame:
    """The table of the fine landscape from its records: see :attr:`SweepFolder.fine`."""
    return pd.DataFrame([_columns({"metrics": record}) for record in records])


def _row(run: RunSpec, place: RunFolder, records: Mapping[Any, Any], split: str) -> dict[str, Any]:
    epochs = read_json_lines(place.training)
    if not epochs or split not in records or "test" not in records:
        raise RecordError(f"{place.path} lacks its last epoch or the {split} or test split: {_remake(place.path)}")
    row: dict[str, Any] = {"run": place.path.name, "seed": run.seed}
    try:
        row["status"] = epochs[-1]["status"]
        row |= _by_layer("beta", list(records[split]["betas"]))
        if isinstance(run, TargetedSpec):
            row |= _requested(run, records[split]["targets"])
        row |= measured_columns(records, split)
    except (KeyError, AttributeError) as error:
        raise RecordError(f"{place.path} has a record without {error}: {_remake(place.path)}") from error
    return row


def answers(folder: SweepFolder) -> list[Answer]:
    """What was found for the rates asked for: by runs that were trained for them, then without training.

    Raises:
        RecordError: a record is missing or damaged.
    """
    spec = folder.spec()
    split = "validation" if spec.data.validation > 0 else "test"
    trained = [(run, folder.run(run)) for run in spec.runs() if isinstance(run, TargetedSpec)]
    found = [_answer(run, place, split) for run, place in trained if place.done]
    if not folder.answers.exists():
        return found
    try:
        return found + [Answer.from_dict(line) for line in read_json_lines(folder.answers)]
    except (KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{folder.answers} is damaged: delete it, and ask for the rates again") from error


def add_answer(folder: SweepFolder, answer: Answer) -> None:
    """Remember what was found for a request, in place of an earlier answer to the same."""
    with locked(folder.path):
        before = [one for one in answers(folder) if one.run is None and one.request != answer.request]
        lines = [one.to_dict() for one in (*before, answer)]
        write_atomically(folder.answers, to_json_lines(lines))


def _answer(run: TargetedSpec, place: RunFolder, split: str) -> Answer:
    lines = {line.get("split"): line for line in read_json_lines(place.evaluation)}
    try:
        line = lines[split]
        numbers = {name: line["metrics"][name] for name in ("rates", "distortion", "psnr")}
        values = {"betas": line["betas"], "outcomes": line["targets"]} | numbers
        return Answer.from_dict({"request": ",".join(map(str, run.targets)), "run": place.path.name} | values)
    except (KeyError, TypeError) as error:
        raise RecordError(f"{place.evaluation} is damaged: {_remake(place.path)}") from error


def _requested(run: TargetedSpec, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    """What was asked of a run, and what became of it: the first status that is not ``reached``, the largest error."""
    errors = [outcome["error"] for outcome in outcomes]
    return {
        "request": ",".join(map(str, run.targets)),
        "outcome": next((one["status"] for one in outcomes if one["status"] != "reached"), "reached"),
        "rate_error": None if None in errors else max(errors, key=abs),
    }


def _remake(folder: Path) -> str:
    return f"delete {folder} to make it again"


def measured_columns(records: Mapping[Any, Any], split: str) -> dict[str, Any]:
    """The measurements of one model, given by split, as columns: plain those of ``split``, and ``test_...``."""
    columns = _columns(records[split])
    if split != "test":
        columns |= {f"test_{name}": value for name, value in _columns(records["test"]).items()}
    return columns


def _columns(record: dict[str, Any]) -> dict[str, Any]:
    """The measurements of one record as flat columns."""
    columns: dict[str, Any] = {}
    for name, value in record["metrics"].items():
        columns |= _by_layer(name.removesuffix("s"), value) if isinstance(value, list) else {name: value}
    return columns


def _by_layer(name: str, values: list[Any]) -> dict[str, Any]:
    """One column for each layer, top first: ``name_L .. name_1``."""
    return {f"{name}_{len(values) - index}": value for index, value in enumerate(values)}


def layer_columns(table: pd.DataFrame, name: str) -> list[str]:
    """The table's columns ``name_L .. name_1``, top layer first."""
    numbers = [int(c.removeprefix(name + "_")) for c in table.columns if c.removeprefix(name + "_").isdigit()]
    return [f"{name}_{number}" for number in sorted(numbers, reverse=True)]


def fine(folder: SweepFolder) -> pd.DataFrame | None:
    """The fine landscape of a conditioned sweep, one row for each beta point; None where none was measured.

    Columns as in :func:`landscape`, on the split that models are chosen on: ``beta_L .. beta_1, rate_L .. rate_1, rate,
    distortion, nelbo, psnr``; a number that is not finite is NaN.

    Raises:
        RecordError: the file is damaged, or is not of this sweep's betas.
    """
    spec = folder.spec()
    points = spec.fine_points()
    if not points or not folder.fine.exists():
        return None
    betas, rates = ([f"{name}_{layer}" for layer in range(spec.model.layers, 0, -1)] for name in ("beta", "rate"))
    damaged = RecordError(f"{folder.fine} is damaged: delete it and run the same command again")
    try:
        text = folder.fine.read_text(encoding="utf-8")
        table = pd.read_csv(io.StringIO(text), dtype=str).astype(float)  # pandas' own reading may lose the last digit
    except (OSError, ValueError) as error:
        raise damaged from error
    whole = text.endswith("\n") and list(table.columns) == [*betas, *rates, "rate", "distortion", "nelbo", "psnr"]
    if not whole or table[betas].to_numpy().tolist() != [list(point) for point in points]:
        raise damaged
    return table.replace([math.inf, -math.inf], math.nan)
