"""What the trainings and measurements of one process share: images on the device and the judge, each made once."""

import functools
from collections.abc import Callable
from pathlib import Path

import torch

from ratescape import checkpoint
from ratescape.compute.devices import chosen_device
from ratescape.compute.precision import FLOAT
from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData
from ratescape.data.prepared import write_prepared
from ratescape.evaluation.comparable import is_current
from ratescape.execution.progress.messages import Reporter, Tell, told
from ratescape.judges.cache import Judge, cache_path, obtain
from ratescape.judges.recipes import judge_spec
from ratescape.records.files import read_json_lines
from ratescape.records.folders import ResultsFolder, RunFolder, SweepFolder
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.identity import key
from ratescape.specs.judge import JudgeSpec


def is_trained(run: RunFolder) -> bool:
    """Whether a run is done; whoever deletes damaged weights, as the error about them says, has them made again."""
    return run.done and run.weights.exists()


def hand_over(data: ImageData, folder: SweepFolder) -> Path:
    """Put the prepared images where workers find them; an array's are kept, for nothing else holds them."""
    path = folder.path / "data" if data.spec.name.startswith("array:") else folder.packs / "data"
    if not (path / "facts.json").exists():
        write_prepared(data, path)
    return path


class Workspace:
    """Images, judge and settings that every pack of a sweep needs.

    Args:
        data: the images.
        folder: the results folder that the work is for; it owns the judge.
        evaluation: what is measured, resolved for the data.
        execution: how the work is carried out.
        fetch_judge: puts a judge that is made elsewhere at its path; called when it is needed.
    """

    def __init__(
        self,
        data: ImageData,
        folder: ResultsFolder,
        evaluation: EvaluationSpec,
        execution: ExecutionSpec,
        fetch_judge: Callable[[Path], None] | None = None,
    ) -> None:
        self.data = data
        self.evaluation = evaluation
        self.execution = execution
        how = judge_spec(data, evaluation)
        self.judge_path = None if how is None else folder.judge(key(how))
        """File of the judge; None where no samples are scored."""
        self.judge_recipe = how
        self.fetch_judge = fetch_judge
        self._digest: str | None = None
        self._judge: Judge | None = None

    @functools.cached_property
    def device(self) -> torch.device:
        """The device that computes; raises :class:`ratescape.errors.ResourceError` if it is not there."""
        return chosen_device(self.execution.device)

    @functools.cache  # noqa: B019 (a workspace lives as long as the work it is for)
    def train_images(self, precision: str) -> Images:
        """The training images on the device, as a training of this precision takes them."""
        return Images.of(self.data, self.data.train.pixels, self.device, FLOAT[precision])

    def judge(self, tell: Tell) -> Judge | None:
        """The judge of the results folder, obtained if it is not there yet; None where no samples are scored.

        Args:
            tell: is told how far the judge's training is.
        """
        if self._judge is None and self.judge_path is not None and self.judge_recipe is not None:
            with told(tell, "judge", ["judge"]):
                if self.fetch_judge is not None:
                    self.fetch_judge(self.judge_path)
                progress = Reporter(tell, ["judge"]).step
                self._judge = obtain(self.judge_path, self.data, self.judge_recipe, self.device, progress)
        return self._judge

    @property
    def judge_to_train(self) -> JudgeSpec | None:
        """The recipe of the judge, if it is wanted and neither here nor in the user's cache; else None."""
        if self.judge_path is None or self.judge_recipe is None or self.judge_path.exists():
            return None
        return None if cache_path(self.data, self.judge_recipe).exists() else self.judge_recipe

    @property
    def judge_digest(self) -> str | None:
        """Digest of the folder's judge; None where there is none (yet)."""
        if self._digest is None and self.judge_path is not None and self.judge_path.exists():
            self._digest = checkpoint.digest_of(self.judge_path)
        return self._digest

    def is_complete(self, run: RunFolder) -> bool:
        """Whether a run is trained, and measured under today's settings by the folder's judge."""
        return is_trained(run) and is_current(read_json_lines(run.evaluation), self.evaluation, self.judge_digest)
