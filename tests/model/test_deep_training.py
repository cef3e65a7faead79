"""Training deep networks: many layers, EMA, skipping, short arithmetic, checkpointing."""

import dataclasses

import pytest
import torch
from helpers.tiny_training import SHAPE, Recorder, assert_same, squares
from torch import Tensor

from ratescape.compute.precision import mixed_precision
from ratescape.data.batches import Images
from ratescape.model.deep import DeepLayer
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorSample
from ratescape.model.packs import stack
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import LikelihoodName, ModelSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.context import TrainingContext
from ratescape.training.loop import train
from ratescape.training.state import Trained

SPEC = TrainingSpec(epochs=1, batch=50, learning_rate=3e-3, ema=0.99, skip=10.0)
"""Three steps on 150 images."""


def network(blocks: str, seed: int = 0, likelihood: LikelihoodName = "bernoulli") -> HVAE:
    spec = ModelSpec(family="deep", channels=4, latents=(2,), blocks=blocks, likelihood=likelihood)
    torch.manual_seed(seed)
    return build(resolved_model(spec, SHAPE, binary=likelihood == "bernoulli"), SHAPE)


def trained(
    blocks: str, spec: TrainingSpec = SPEC, *, seeds: int = 1, context: TrainingContext | None = None
) -> Trained:
    """Networks of several seeds, trained as one pack at beta 1."""
    models = [network(blocks, seed) for seed in range(seeds)]
    images = Images(squares().pixels.numpy(), binary=True)
    policy = FixedBetas(torch.ones(seeds, len(models[0].layers)), 0)
    initial = stack(models)
    return train(spec, models[0], images, policy, seeds, 7, initial=initial, context=context or TrainingContext())


def test_forty_layers_train_at_three_seeds() -> None:
    """Six steps; benchmarks/deep.py --stable takes 200."""
    result = trained("1x2,2x4,4x16,8x18", dataclasses.replace(SPEC, epochs=2), seeds=3)
    assert result.diverged == [False] * 3
    for first, last in result.history:
        assert last["skipped"] == 0 and len(last["rates"]) == 40
        assert last["loss"] == pytest.approx(last["distortion"] + sum(last["rates"]), rel=1e-4)  # betas are 1
        assert last["loss"] < first["loss"]
    assert all(bool(weights.isfinite().all()) for weights in result.parameters.values())


def test_bf16_trains_and_gives_float32() -> None:
    exact, short = (trained("1x1,4x2", dataclasses.replace(SPEC, precision=p)) for p in ("float32", "bf16"))
    assert {weights.dtype for weights in short.parameters.values()} == {torch.float32}
    losses = [result.history[0][0]["loss"] for result in (exact, short)]
    assert losses[0] != losses[1] == pytest.approx(losses[0], rel=5e-3)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "learned-gaussian", "logistic-mixture"])
def test_rates_of_a_bf16_pass_are_float32(likelihood: LikelihoodName) -> None:
    model, images = network("1x1,4x2", likelihood=likelihood), torch.rand(2, *SHAPE).round()
    with mixed_precision("bf16", images.device):
        result = model(PosteriorSample(model.noise(2)), images)
    gaussians = [part for gaussian in (*result.priors, *result.posteriors) for part in gaussian]
    found: list[Tensor] = [result.output, result.rates, result.distortion, *result.latents, *gaussians]
    assert {tensor.dtype for tensor in found} == {torch.float32}
    assert all(bool(tensor.isfinite().all()) for tensor in found)


def test_checkpointing_trains_the_same_and_computes_layers_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [0]
    advance = DeepLayer.advance

    def counted(layer: DeepLayer, state: Tensor | None, latents: Tensor) -> Tensor:
        calls[0] += 1
        return advance(layer, state, latents)

    monkeypatch.setattr(DeepLayer, "advance", counted)
    plain = trained("1x1,4x2")
    kept = calls[0]
    recorder = Recorder()
    again = trained("1x1,4x2", context=TrainingContext(listener=recorder, checkpointing=True))
    assert_same(plain, again)
    assert kept == 3 * len(recorder.steps) and calls[0] - kept == 2 * kept
