"""Which judge fits which data: resolved from the data and the settings of evaluation alone, never from a device."""

import dataclasses
import math

from ratescape.data.catalog import ImageData
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.judge import JudgeSpec

LEAST_STEPS = 600
"""Steps that a judge of few images is trained for at least, in more epochs: about half of what the paper's
14 epochs are for 5,000 images."""

RESNET = JudgeSpec("resnet-18", 30, 256, "sgd", learning_rate=0.01, momentum=0.9, weight_decay=5e-4, schedule="cosine")
"""The paper's judge of SVHN. The paper names neither epochs nor schedule: 30 epochs along a cosine are our choice."""

DENSENET = dataclasses.replace(RESNET, architecture="densenet-121", epochs=200, augment=True)
"""The paper's judge of CIFAR-10; 200 epochs are the usual number."""


def judge_spec(data: ImageData, evaluation: EvaluationSpec) -> JudgeSpec | None:
    """How the judge of the data's inception scores is made; None where there will be no score.

    There is none of vectors, without samples, without labels, and where all images are of one class.

    Example::

        judge_spec(load_data("mnist"), EvaluationSpec())  # JudgeSpec(): the paper's recipe for MNIST
    """
    if data.columns is not None or evaluation.samples == 0 or data.train.labels is None or len(data.classes or ()) < 2:
        return None
    spec = {"small": small_recipe, "paper": paper_recipe}[evaluation.judge](data)
    return spec if evaluation.judge_epochs is None else dataclasses.replace(spec, epochs=evaluation.judge_epochs)


def small_recipe(data: ImageData) -> JudgeSpec:
    """The paper's judge of MNIST, for any data: minutes on a CPU, where the larger ones would take weeks.

    Fewer than some 2,700 images are seen in more than the paper's 14 epochs, over which the learning rate falls as far.
    """
    paper = JudgeSpec()
    epochs = max(paper.epochs, math.ceil(LEAST_STEPS / math.ceil(len(data.train.pixels) / paper.batch)))
    return dataclasses.replace(paper, epochs=epochs, decay=paper.decay ** (paper.epochs / epochs))


def paper_recipe(data: ImageData) -> JudgeSpec:
    """The paper's judge of the data, by their name: for SVHN and CIFAR-10 one that takes a GPU, else the small one."""
    return {"svhn": RESNET, "cifar10": DENSENET}.get(data.spec.name) or small_recipe(data)
