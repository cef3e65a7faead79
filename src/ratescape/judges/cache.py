"""Where judges are kept: in the user's cache, once for each data set and recipe, and in each landscape, for good.

A judge is a classifier trained on the data set itself, as the inception score asks for (Sec. 5.5). It sees what the
models see: pixels in [0, 1], thresholded where the data are binary. It is trained once, on the training images alone.

Two trainings by one recipe, on two devices say, give two judges, whose scores differ. So a landscape owns the file of
its judge (:func:`obtain`), and every score is recorded with the digest of the file that gave it.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pooch
import torch
from torch import Tensor, nn

from ratescape import checkpoint
from ratescape.data.catalog import ImageData
from ratescape.errors import CheckpointError, DataError, SpecError
from ratescape.judges.networks import network
from ratescape.judges.recipes import judge_spec
from ratescape.judges.resuming import Kept
from ratescape.judges.training import CHUNK, accuracy, class_names, logits_of, train_judge
from ratescape.records import files, locks
from ratescape.records.folders import ResultsFolder
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.identity import key
from ratescape.specs.judge import JudgeSpec

Progress = Callable[[int, int], None]
"""Called after every step of a training with (steps done, steps in all)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """A trained classifier and what is known of it."""

    network: nn.Module
    """In evaluation mode, its weights frozen."""
    spec: JudgeSpec
    shape: tuple[int, ...]
    """(C, H, W) of its images."""
    classes: tuple[str, ...]
    fingerprint: str
    """Of the data it was trained on."""
    accuracy: float
    """Share of the test images whose class it names, in [0, 1]."""
    validation_accuracy: float | None
    """The same of the validation images; None without any."""
    key: str
    """Of the data, their split and the recipe: equal for two trainings by one recipe."""
    digest: str
    """Of its file: differs wherever its weights do."""
    known: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)
    """What it said of images that every model is compared with, so that it is asked once."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the record of a score says of the judge that gave it."""
        return {"digest": self.digest, "accuracy": self.accuracy, "recipe": to_dict(self.spec)}

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """p(y | x): float64 ``[N, M]`` for images ``[N, C, H, W]``, on the images' device.

        Images are taken as they are. Those that a model generates are expected pixels, as in the paper: in [0, 1] but
        not thresholded for binary data, and unbounded under a Gaussian likelihood.

        Raises:
            DataError: images of another shape than the judge's.
        """
        if tuple(images.shape[1:]) != self.shape:
            raise DataError(
                f"images of (C, H, W) = {tuple(images.shape[1:])}: this judge was trained on {self.shape}; train "
                "one on the data of these images"
            )
        return torch.cat([logits_of(self.network, chunk) for chunk in images.split(CHUNK)]).softmax(1).to(images.device)

    def check(self, data: ImageData) -> None:
        """Refuse to judge other data than the judge's own.

        Raises:
            DataError: ``data`` are not those that the judge was trained on.
        """
        if (self.fingerprint, self.classes, self.shape) != (data.fingerprint, data.classes, data.shape):
            raise DataError(
                f"the judge was trained on other data than {data.spec.name} (fingerprint {self.fingerprint}, "
                f"{len(self.classes)} classes of {self.shape}; the data: {data.fingerprint}, "
                f"{len(data.classes or ())} of {data.shape}): train a judge on {data.spec.name}"
            )


@dataclasses.dataclass(frozen=True)
class _Identity:
    """What makes one judge another than the next; its key names the file."""

    KIND: ClassVar[str] = "judge"

    data: DataSpec
    """The split; the name is left out, for the fingerprint says more."""
    fingerprint: str
    judge: JudgeSpec


def judge_for(data: ImageData, evaluation: EvaluationSpec, device: torch.device | str = "cpu") -> Judge | None:
    """The judge of the data's inception scores, from the user's cache; None where there will be no score.

    For models outside a landscape; a landscape has a judge of its own: see :func:`obtain`.

    Raises:
        RatescapeError: as :func:`cached_judge`.
    """
    spec = judge_spec(data, evaluation)
    return None if spec is None else cached_judge(data, spec, device)


def obtain(
    path: Path, data: ImageData, spec: JudgeSpec, device: torch.device | str, progress: Progress | None = None
) -> Judge:
    """The judge of a landscape: its own file if there is one, else a copy of the cached judge, trained if need be.

    A file of another recipe is replaced: settings of evaluation may change, and all scores are then measured anew.

    Example::

        spec = judge_spec(data, evaluation)
        judge = None if spec is None else obtain(Path("landscape/judge.safetensors"), data, spec, "cpu")

    Args:
        path: a file inside the results folder.
        data: images with labels that the landscape is of.
        device: where the judge is put, and trained if that is still to be done.

    Raises:
        DataError: the file is a judge of other data.
        RatescapeError: as :func:`cached_judge`.
    """
    own = own_judge(path, data, spec, device)
    if own is not None:
        return own
    with locks.waited_for(path.with_suffix(".lock")):
        if own_judge(path, data, spec, device) is None:  # nobody wrote it while this process waited
            cached_judge(data, spec, device, progress=progress)
            files.write_atomically(path, cache_path(data, spec).read_bytes())
    return _fitting(path, data, device)


def own_judge(path: Path, data: ImageData, spec: JudgeSpec, device: torch.device | str) -> Judge | None:
    """The judge in a file of a landscape; None if there is no file, or one of another recipe. Writes nothing.

    Raises:
        CheckpointError: the file is damaged.
        DataError: it is a judge of other data.
    """
    found = _fitting(path, data, device) if path.exists() else None
    return found if found is not None and found.spec == spec else None


def judge_of_results(
    folder: ResultsFolder, data: ImageData, evaluation: EvaluationSpec, device: torch.device | str
) -> Judge | None:
    """The judge that gave the scores in a results folder, for more of them; None where there will be no score.

    A folder without a judge of this recipe is left as it is: the judge is then that of the user's cache.

    Raises:
        RatescapeError: as :func:`cached_judge`.
    """
    spec = judge_spec(data, evaluation)
    if spec is None:
        return None
    return own_judge(folder.judge(key(spec)), data, spec, device) or cached_judge(data, spec, device)


def cached_judge(
    data: ImageData,
    spec: JudgeSpec,
    device: torch.device | str = "cpu",
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Judge:
    """The judge of a data set and recipe: from the cache, or trained now and kept there.

    Only one process trains a judge; others that want the same one wait for it. A training that is killed goes on
    from its last checkpoint.

    Example::

        cached_judge(data, small_recipe(data)).accuracy

    Args:
        data: images with labels. Only the training images train; accuracy is measured on validation and test.
        spec: how it is made (see :mod:`ratescape.judges.recipes`).
        device: where the judge is put, and trained if that is still to be done.
        folder: the cache; default: ``judges`` in the user's cache folder of ratescape.

    Raises:
        DataError: the data have no labels, or all the same.
        SpecError: the training diverged, or the images are too small.
        CheckpointError: the judge in the cache is damaged.
        RecordError: the cache cannot be written.
    """
    class_names(data)
    path = cache_path(data, spec, folder)
    if not path.exists():
        with locks.waited_for(path.with_suffix(".lock")):
            if not path.exists():
                _train(path, data, spec, torch.device(device), progress)
    return _fitting(path, data, device)


def cache_path(data: ImageData, spec: JudgeSpec, folder: Path | None = None) -> Path:
    """The file of a judge in the cache that ``folder`` names as for :func:`cached_judge`, trained or not."""
    cache = Path(pooch.os_cache("ratescape")) / "judges" if folder is None else folder
    return cache / f"{_key(data.spec, data.fingerprint, spec)}.safetensors"


def checkpoint_path(path: Path) -> Path:
    """The file of the training in progress of a judge that comes to ``path``."""
    return path.with_suffix(".checkpoint")


def load_judge(path: Path, device: torch.device | str = "cpu") -> Judge:
    """Read a judge from its file.

    Raises:
        CheckpointError: the file is missing, damaged, or holds no judge.
    """
    tensors, header = checkpoint.load(path)
    try:
        spec, shape, classes = from_dict(JudgeSpec, header["judge"]), tuple(header["shape"]), tuple(header["classes"])
        with torch.random.fork_rng([]):  # the weights drawn first are replaced: the caller's random numbers stay
            trained = network(spec.architecture, shape, len(classes))
        trained.load_state_dict(tensors)
        facts = {name: header[name] for name in ("fingerprint", "accuracy", "validation_accuracy")}
        facts["key"] = _key(from_dict(DataSpec, header["data"]), header["fingerprint"], spec)
    except (KeyError, RuntimeError, SpecError) as error:
        raise CheckpointError(f"{path} holds no judge that fits this ratescape ({error}): delete it") from error
    trained = trained.to(device).eval().requires_grad_(False)
    return Judge(trained, spec, shape, classes, digest=checkpoint.digest_of(path), **facts)


def _fitting(path: Path, data: ImageData, device: torch.device | str) -> Judge:
    """The judge of a file, which must be of these data."""
    found = load_judge(path, device)
    found.check(data)
    return found


def _key(data: DataSpec, fingerprint: str, spec: JudgeSpec) -> str:
    return key(_Identity(dataclasses.replace(data, name="any"), fingerprint, spec))


def _train(path: Path, data: ImageData, spec: JudgeSpec, device: torch.device, progress: Progress | None) -> None:
    """Train a judge, or take its training up, and write it, whole or not at all."""
    kept = Kept(checkpoint_path(path), f"{path.stem} {device.type}")
    trained = train_judge(data, spec, device, progress, kept)
    binary = bool(data.spec.binary)
    header = {
        "judge": to_dict(spec),
        "data": to_dict(data.spec),
        "shape": data.shape,
        "classes": class_names(data),
        "fingerprint": data.fingerprint,
        "accuracy": accuracy(trained, data.test, binary),
        "validation_accuracy": None if data.validation is None else accuracy(trained, data.validation, binary),
    }
    checkpoint.save(path, trained.state_dict(), header)
    kept.discard()
