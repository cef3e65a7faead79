"""Who judges the samples? Classifiers trained on the data set itself, as the inception score wants them (Sec. 5.5).

A judge sees what the models see: pixels in [0, 1], thresholded where the data are binary. It is trained once, on the
training images alone, and kept in a cache by a hash of data, split and recipe.
"""

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path

import pooch
import torch
from torch import Tensor, nn

from ratescape import checkpoint
from ratescape.data.catalog import ImageData
from ratescape.errors import CheckpointError, DataError, SpecError
from ratescape.judges.networks import network
from ratescape.judges.training import CHUNK, JudgeSpec, accuracy, class_names, logits_of, train_judge
from ratescape.records import files
from ratescape.records.folders import ResultsFolder
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.data import DataSpec
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.identity import key

LEAST_STEPS = 600
"""Steps that a judge of few images is trained for at least, in more epochs."""


def recipe(data: ImageData) -> JudgeSpec:
    """The judge that fits the data: the paper's for SVHN, CIFAR-10 and MNIST, else the small network.

    The paper names neither epochs nor schedule for SVHN; 30 epochs along a cosine are our choice, as are the usual 200
    for CIFAR-10. Both take a GPU. Other data, whatever their size and colour, get the judge of MNIST: it is trained on
    demand amid other work, so it must take minutes on a CPU; a stronger one is a matter of giving its spec.
    """
    sgd = JudgeSpec("resnet-18", 30, 256, "sgd", learning_rate=0.01, momentum=0.9, weight_decay=5e-4, schedule="cosine")
    if data.spec.name == "svhn":
        return sgd
    if data.spec.name == "cifar10":
        return dataclasses.replace(sgd, architecture="densenet-121", epochs=200, augment=True)
    return light_recipe(data)


def light_recipe(data: ImageData) -> JudgeSpec:
    """The paper's judge of MNIST, for any data: minutes on a CPU, where the larger ones would take weeks."""
    paper = JudgeSpec()
    epochs = max(paper.epochs, math.ceil(LEAST_STEPS / math.ceil(len(data.train.pixels) / paper.batch)))
    return dataclasses.replace(paper, epochs=epochs, decay=paper.decay ** (paper.epochs / epochs))


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """A trained classifier and what is known of it."""

    network: nn.Module
    """In evaluation mode, its weights frozen."""
    spec: JudgeSpec
    shape: tuple[int, int, int]
    """(C, H, W) of its images."""
    classes: tuple[str, ...]
    fingerprint: str
    """Of the data it was trained on."""
    accuracy: float
    """Share of the test images whose class it names, in [0, 1]."""
    validation_accuracy: float | None
    """The same of the validation images; None without any."""
    seconds: float
    """Time its training took."""

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

    data: DataSpec
    """The split; the name is left out, for the fingerprint says more."""
    fingerprint: str
    judge: JudgeSpec
    KIND = "judge"


def judge(
    data: ImageData,
    folder: Path | None = None,
    spec: JudgeSpec | None = None,
    epochs: int | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Judge:
    """The judge of a data set: from the cache, or trained now and kept there.

    Only one process trains a judge; others that want the same one wait for it. A training that is killed leaves no
    judge behind.

    Args:
        data: images with labels. Only the training images train; accuracy is measured on validation and test.
        folder: the cache; default: ``judges`` in the user's cache folder of ratescape.
        spec: how it is made; default: :func:`recipe`.
        epochs: in place of the recipe's.
        progress: called after every step of a training with (steps done, steps in all).

    Raises:
        DataError: the data have no labels, or all the same.
        SpecError: the training diverged, or the images are too small.
        CheckpointError: the judge in the cache is damaged.
        RecordError: the cache cannot be written.
    """
    class_names(data)
    chosen = recipe(data) if spec is None else spec
    chosen = chosen if epochs is None else dataclasses.replace(chosen, epochs=epochs)
    path = place(data, chosen, folder)
    if not path.exists():
        with files.waited_for(path.with_suffix(".lock")):
            if not path.exists():
                _save(path, data, chosen, torch.device(device), progress)
    found = load_judge(path, device)
    found.check(data)
    return found


def place(data: ImageData, spec: JudgeSpec, folder: Path | None = None) -> Path:
    """Where a judge lies once it is trained, in the cache that ``folder`` names as for :func:`judge`."""
    name = key(_Identity(dataclasses.replace(data.spec, name="any"), data.fingerprint, spec))
    return (Path(pooch.os_cache("ratescape")) / "judges" if folder is None else folder) / f"{name}.safetensors"


def load_judge(path: Path, device: torch.device | str = "cpu") -> Judge:
    """Read a judge from its file.

    Raises:
        CheckpointError: the file is missing, damaged, or holds no judge.
    """
    tensors, header = checkpoint.load(path)
    try:
        spec, shape, classes = from_dict(JudgeSpec, header["judge"]), tuple(header["shape"]), tuple(header["classes"])
        with torch.random.fork_rng([]):  # the weights drawn first are replaced: nobody's random numbers should move on
            trained = network(spec.architecture, shape, len(classes))
        trained.load_state_dict(tensors)
        facts = {name: header[name] for name in ("fingerprint", "accuracy", "validation_accuracy", "seconds")}
    except (KeyError, RuntimeError, SpecError) as error:
        raise CheckpointError(f"{path} holds no judge that fits this ratescape ({error}): delete it") from error
    return Judge(trained.to(device).eval().requires_grad_(False), spec, shape, classes, **facts)


def _save(
    path: Path,
    data: ImageData,
    spec: JudgeSpec,
    device: torch.device,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Train a judge and write it, whole or not at all."""
    begun = time.monotonic()
    trained = train_judge(data, spec, device, progress)
    seconds = time.monotonic() - begun
    binary = bool(data.spec.binary)
    header = {
        "judge": to_dict(spec),
        "data": to_dict(data.spec),
        "shape": data.shape,
        "classes": class_names(data),
        "fingerprint": data.fingerprint,
        "accuracy": accuracy(trained, data.test, binary),
        "validation_accuracy": None if data.validation is None else accuracy(trained, data.validation, binary),
        "seconds": seconds,
    }
    checkpoint.save(path, trained.state_dict(), header)


def obtain(path: Path, data: ImageData, spec: JudgeSpec, device: torch.device | str = "cpu") -> Judge:
    """SHIM."""
    if not path.exists():
        judge(data, spec=spec, device=device)
        files.write_atomically(path, place(data, spec).read_bytes())
    return load_judge(path, device)


def borrowed(folder: ResultsFolder, data: ImageData, evaluation: EvaluationSpec, device: torch.device) -> Judge | None:
    """SHIM."""
    from ratescape.judges.recipes import judge_spec

    how = judge_spec(data, evaluation)
    if how is None:
        return None
    own = folder.judge(key(how))
    return load_judge(own, device) if own.exists() else judge(data, spec=how, device=device)
