"""Folders of results."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratescape.errors import RecordError, SpecError
from ratescape.records.files import failed, finite, is_refusal, write_atomically, write_changed
from ratescape.specs.checks import from_json
from ratescape.specs.codec import from_dict, read_mapping, to_yaml
from ratescape.specs.identity import FORMAT, differences, key
from ratescape.specs.runs import NetworkSpec, RunSpec
from ratescape.specs.sweep import SweepSpec


def is_landscape(path: Path) -> bool:
    """Whether a folder is one of a landscape, and not of a single model."""
    return (path / "runs").is_dir() and (path / "spec.yaml").exists()


def refuse_differences(folder: Path, fields: list[str]) -> None:
    """Refuse to put one spec's results into the folder of another.

    Args:
        fields: dotted names of the fields in which the two specs differ.

    Raises:
        RecordError: there are any.
    """
    if "model.source" in fields and "model.factory" not in fields:
        raise RecordError(
            f"{folder}: the source of its model.factory has changed since it was begun, so that its networks are new "
            "ones: choose another folder with --out to train them anew, or restore the source"
        )
    if fields:
        raise RecordError(
            f"{folder} was made by another spec (it differs in {', '.join(fields)}): choose another folder with --out, "
            "or ask for the same again"
        )


@dataclasses.dataclass(frozen=True)
class ResultsFolder:
    """A folder that a command writes its results to."""

    path: Path

    def judge(self, name: str) -> Path:
        """The judge of the samples of all models in it, by the key of how it was made."""
        return self.path / "judges" / f"{name}.safetensors"


@dataclasses.dataclass(frozen=True)
class TrainingFolder(ResultsFolder):
    """The folder of something trained."""

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
    def before(self) -> Path:
        """What was measured of a refined model before it was refined."""
        return self.path / "before.jsonl"

    @property
    def done(self) -> bool:
        """Whether training and its records are complete."""
        return (self.path / "done").exists()

    def mark_done(self) -> None:
        """Write the mark that says everything else is complete."""
        write_atomically(self.path / "done", "")

    def write_spec(self, spec: RunSpec) -> None:
        write_atomically(self.path / "spec.yaml", stamped(spec))

    def spec(self) -> RunSpec:
        """The run's spec.

        Raises:
            RecordError: it is missing, of another format, or damaged.
        """
        return read_spec(RunSpec, self.path)


class NetworkFolder(TrainingFolder):
    """The folder of one network that is conditioned on its betas."""

    @property
    def attempts(self) -> Path:
        """What its groups of layers carried at the end of annealing, one training a line."""
        return self.path / "attempts.jsonl"

    def checkpoint_of(self, attempt: int) -> Path:
        """The training in progress: the first, or one that was started again since a layer had died."""
        return self.checkpoint if attempt == 1 else self.path / f"checkpoint-{attempt}.safetensors"


@dataclasses.dataclass(frozen=True)
class SweepFolder(ResultsFolder):
    """The folder of a sweep."""

    def run(self, spec: RunSpec) -> RunFolder:
        return RunFolder(self.path / "runs" / key(spec))

    def refined(self, spec: RunSpec) -> RunFolder:
        """The folder of a model that was refined after the landscape was mapped."""
        return RunFolder(self.path / "refined" / key(spec))

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
    def fine_uses(self) -> Path:
        """What was measured so far on that grid for anomalies and restoring, one point a line, until all of it was."""
        return self.path / "fine-uses.jsonl"

    @property
    def answers(self) -> Path:
        """What was found for rates asked of the finished landscape, one request a line."""
        return self.path / "answers.jsonl"

    @property
    def table(self) -> Path:
        return self.path / "landscape.csv"

    @property
    def layers(self) -> Path:
        """The table of models and layers, where there are so many layers that the table of models has but groups."""
        return self.path / "layers.csv"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def is_reported(self) -> bool:
        """Whether the report is newer than all that it shows; `ratescape report` draws it again in any case."""
        shown = [self.path / "spec.yaml", self.table, self.fine, self.answers]
        shown += [*self.path.glob("runs/*/*"), *self.path.glob("refined/*/*"), *self.path.glob("networks/*/*.jsonl")]
        there = self.report.exists() and (self.path / "figures").is_dir()
        return there and all(
            path.stat().st_mtime_ns <= self.report.stat().st_mtime_ns for path in shown if path.exists()
        )

    def spec(self) -> SweepSpec:
        """The sweep's spec; raises :class:`RecordError` if it is missing, of another format, or damaged."""
        return read_spec(SweepSpec, self.path)

    def networks(self) -> dict[int, NetworkSpec]:
        """The conditioned networks by their seeds.

        Raises:
            SpecError: every beta point of the landscape has a network of its own.
            RecordError: as :meth:`spec`.
        """
        networks = {network.seed: network for network in self.spec().networks()}
        if not networks:
            raise SpecError(f"{self.path} was mapped by dedicated models: map with method conditioned for this")
        return networks

    def check(self, spec: SweepSpec) -> None:
        """Refuse a folder that is of another spec; writes nothing.

        A folder made by the same spec is taken up again; settings of evaluation may change, models stay. A conditioned
        network serves other grids of betas, and other refining, too: what is there already stays.

        Raises:
            RecordError: the folder holds another spec's results (names the fields) or those of another format.
        """
        if not (self.path / "spec.yaml").exists():
            return
        before = self.spec()
        fields = [name for name in differences(before, spec) if not name.startswith("evaluation")]
        networks = spec.networks()
        if not networks or networks != before.networks():
            refuse_differences(self.path, fields)

    def claim(self, spec: SweepSpec) -> None:
        """Make this the folder of ``spec``; raises :class:`RecordError` as :meth:`check`."""
        self.check(spec)
        write_changed(self.path / "spec.yaml", stamped(spec))

    def write_provenance(self, provenance: Mapping[str, Any]) -> None:
        write_atomically(self.path / "provenance.json", json.dumps(finite(provenance), indent=1) + "\n")

    def provenance(self) -> dict[str, Any]:
        """What is known of how the sweep was made; raises :class:`RecordError` if missing or damaged."""
        path = self.path / "provenance.json"
        try:
            values = from_json(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError) as error:
            raise RecordError(f"{path} is missing or damaged: {_AGAIN}") from error
        except OSError as error:
            raise failed(error) from error
        if not isinstance(values, dict):
            raise RecordError(f"{path} is damaged: {_AGAIN}")
        return values


_AGAIN = "delete it if it is there, and run the same map command again"


def stamped(spec: Any) -> str:
    """A spec as YAML text under the version of the format."""
    return f"version: {FORMAT}\n" + to_yaml(spec)


def read_spec(cls: type, folder: Path) -> Any:
    """Read the version-stamped spec.yaml of a results folder.

    Raises:
        RecordError: it is missing, of another format, or does not describe such a spec.
        Unreadable: it is there, but the system refuses it.
    """
    path = folder / "spec.yaml"
    if not path.exists():
        raise RecordError(f"{folder} is not a results folder (it has no spec.yaml): check the path")
    try:
        values = read_mapping(path)
        version = values.pop("version", None)
        if version != FORMAT:
            raise RecordError(f"{folder} {other_format(version)}")
        return from_dict(cls, values)
    except SpecError as error:
        if error.__cause__ is not None and is_refusal(error.__cause__):
            raise failed(error.__cause__) from error
        kind = "landscape" if cls is SweepSpec else "model"
        raise RecordError(
            f"{path} does not describe a {kind} ({error}): check the path, restore the file, or start a new folder"
        ) from error


def other_format(version: object) -> str:
    """What to say of something whose format is not this version's."""
    if type(version) is not int or version < 1:
        return (
            f"has no format that ratescape knows (its spec.yaml says version: {version}, this one reads {FORMAT}): "
            "restore the file, or choose another folder"
        )
    if version < FORMAT:
        return (
            f"was made by an older ratescape (format {version}, this one reads {FORMAT}): map again into another "
            "folder, or read it with the ratescape that made it"
        )
    return f"was made by a newer ratescape (format {version}, this one reads {FORMAT}): upgrade ratescape"
