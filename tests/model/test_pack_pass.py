"""A pack's pass equals the passes of its members, and how much memory its training takes."""

import pytest
import torch

from ratescape.model.hierarchy import HVAE, PosteriorSample
from ratescape.model.packs import pack_pass, stack, training_bytes
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)


def model_of(seed: int = 0) -> HVAE:
    torch.manual_seed(seed)
    return build(resolved_model(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=True), SHAPE).double()


def test_pack_pass_equals_passes_one_by_one() -> None:
    models = [model_of(seed=s) for s in range(3)]
    batch = torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(0)).round().double()
    noise = models[0].noise(8, torch.Generator().manual_seed(0))
    together = pack_pass(models[0], stack(models), PosteriorSample(noise), batch)
    for index, one in enumerate(models):
        alone = one(PosteriorSample(noise), batch)
        torch.testing.assert_close(together.rates[index], alone.rates)
        torch.testing.assert_close(together.latents[1][index], alone.latents[1])
        single = pack_pass(models[0], stack([one]), PosteriorSample(noise), batch)
        torch.testing.assert_close(single.distortion[0], alone.distortion)


def test_memory_estimate_grows_with_batch_and_holds_the_weights() -> None:
    model = model_of()
    small, large = (
        training_bytes(model, torch.rand(8, *SHAPE).double()),
        training_bytes(model, torch.rand(64, *SHAPE).double()),
    )
    weights = 4 * 8 * sum(p.numel() for p in model.parameters())
    assert (large - weights) == pytest.approx(8 * (small - weights), rel=0.01)
