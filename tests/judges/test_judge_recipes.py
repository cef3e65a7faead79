"""Which judge fits which data, and what its recipe may say."""

import dataclasses
import math
from typing import Any, Literal

import numpy as np
import pytest
import torch
from helpers.stripes import stripes

from ratescape.data.catalog import ImageData, load_data
from ratescape.errors import SpecError
from ratescape.judges import cache
from ratescape.judges.recipes import judge_spec, paper_recipe, small_recipe
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.judge import JudgeSpec


def test_recipes_are_the_papers_where_it_has_one(data: ImageData) -> None:
    def named(name: str) -> ImageData:
        return dataclasses.replace(data, spec=dataclasses.replace(data.spec, name=name))

    svhn, cifar10 = paper_recipe(named("svhn")), paper_recipe(named("cifar10"))
    assert (svhn.architecture, svhn.augment) == ("resnet-18", False)
    assert (cifar10.architecture, cifar10.augment, cifar10.schedule) == ("densenet-121", True, "cosine")
    for spec in (svhn, cifar10):
        assert (spec.optimiser, spec.learning_rate, spec.momentum) == ("sgd", 0.01, 0.9)
        assert (spec.weight_decay, spec.batch) == (5e-4, 256)
    many = load_data(np.full((4000, 28, 28), 9, np.uint8), np.arange(4000) % 10)
    assert paper_recipe(many) == JudgeSpec("small-cnn", 14, 64, "adadelta", 1.0, schedule="exponential", decay=0.7)


def test_few_images_are_seen_more_often(data: ImageData) -> None:
    """At least 600 steps, over which the learning rate falls as far as it does in the paper's 14 epochs."""
    spec = paper_recipe(data)
    assert spec.epochs == 200 and math.ceil(len(data.train.pixels) / spec.batch) == 3
    assert spec.decay**spec.epochs == pytest.approx(0.7**14)


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("batch", -1), ("learning_rate", math.nan), ("decay", 0.0), ("momentum", -0.1), ("seed", -1)],
)
def test_a_recipe_out_of_range_is_refused(field: str, value: Any) -> None:
    with pytest.raises(SpecError, match=f"judge.{field} is {value}"):
        JudgeSpec(**{field: value})


@pytest.mark.parametrize("name", ["svhn", "cifar10", "mnist"])
def test_which_judge_is_asked_for_in_the_settings(data: ImageData, name: str) -> None:
    named = dataclasses.replace(data, spec=dataclasses.replace(data.spec, name=name))
    assert judge_spec(named, EvaluationSpec()) == small_recipe(named)
    assert judge_spec(named, EvaluationSpec(judge="paper")) == paper_recipe(named)
    quick = judge_spec(named, EvaluationSpec(judge="paper", judge_epochs=3))
    assert quick == dataclasses.replace(paper_recipe(named), epochs=3)


@pytest.mark.parametrize("judge", ["small", "paper"])
def test_the_judge_does_not_depend_on_the_device(
    data: ImageData, judge: Literal["small", "paper"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed where there is a GPU, a sweep asks for the judge that it began with on a CPU."""
    asked: list[tuple[JudgeSpec, str]] = []
    monkeypatch.setattr(cache, "cached_judge", lambda data, spec, device: asked.append((spec, device)))
    named = dataclasses.replace(data, spec=dataclasses.replace(data.spec, name="cifar10"))
    for gpu, device in ((False, "cpu"), (True, "cuda"), (True, "meta")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        cache.judge_for(named, EvaluationSpec(judge=judge), device)
    assert [device for _, device in asked] == ["cpu", "cuda", "meta"]
    assert len({spec for spec, _ in asked}) == 1


def test_without_a_score_there_is_no_judge(data: ImageData) -> None:
    assert judge_spec(data, EvaluationSpec(samples=0)) is None
    assert judge_spec(load_data(stripes(20)[0]), EvaluationSpec()) is None
    assert judge_spec(load_data(stripes(20)[0], np.zeros(20, int)), EvaluationSpec()) is None
