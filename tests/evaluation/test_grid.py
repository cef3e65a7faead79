"""The fine landscape: a network at many beta points."""

import numpy as np
import pytest
import torch

from ratescape.data.batches import Images
from ratescape.evaluation.grid import measured_grid
from ratescape.evaluation.rates import rates
from ratescape.model.conditioning import Conditioned
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)
POINTS = [(0.1, 1.0), (1.0, 1.0), (10.0, 0.3)]


def test_points_are_measured_alike_by_one_thread_and_by_several() -> None:
    torch.manual_seed(0)
    spec = resolved_model(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=True)
    network = Conditioned(build(spec, SHAPE), 0.1, 10.0, width=8, rank=2)
    with torch.no_grad():  # the film starts at 0: without this all betas are one model
        for parameter in network.film.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    images = Images(np.random.default_rng(0).integers(0, 256, (60, *SHAPE), dtype=np.uint8), binary=True)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        several = measured_grid(network, images, POINTS, seed=1)
        torch.set_num_threads(1)
        assert several == measured_grid(network, images, POINTS, seed=1)
    finally:
        torch.set_num_threads(before)
    for point, betas in zip(several, POINTS, strict=True):
        alone = rates(network.at(betas), images, seed=1)
        assert point.betas == list(betas) and point.nelbo == pytest.approx(point.distortion + sum(point.rates))
        assert point.rates == pytest.approx(alone.rates.mean(0).tolist())
        assert point.distortion == pytest.approx(alone.distortion.mean().item())
    assert several[0].rates != several[2].rates
