"""The paper's networks against its tables: parameter totals, the precision-weighted merge."""

import pytest
import torch

from ratescape.model.distributions import Gaussian
from ratescape.model.paper import PrecisionWeightedLayer
from ratescape.model.parts import Geometry
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

COLOUR, BINARY = (3, 32, 32), (1, 28, 28)


@pytest.mark.parametrize(
    ("family", "shape", "total"),
    [("ghvae", COLOUR, 475_811), ("ghvae", BINARY, 122_713), ("lvae", COLOUR, 408_131), ("lvae", BINARY, 104_745)],
)
def test_parameter_totals_are_the_papers(family: str, shape: tuple[int, int, int], total: int) -> None:
    spec = resolved_model(ModelSpec(family=family), shape, binary=shape == BINARY)
    assert sum(p.numel() for p in build(spec, shape).parameters()) == total


def test_precision_weighted_merge_is_the_product_of_gaussians() -> None:
    """m = (m^ vp + mp v^) / (v^ + vp), v = v^ vp / (v^ + vp): the normalised product of the two densities."""
    torch.manual_seed(0)
    layer = PrecisionWeightedLayer(Geometry(1, 16, 16), width=4, above=3, size=2).double()
    prior = Gaussian(torch.randn(5, 2, 2, 2).double(), torch.rand(5, 2, 2, 2).double() + 0.3)
    evidence = torch.rand(5, 4, 4, 4).double()
    mean, variance = layer.heads(layer.squeeze(evidence))
    merged = layer.posterior(evidence, torch.zeros(5, 3), prior)
    own = Gaussian(mean, variance.sqrt())
    drawn = torch.randn(3, 5, 2, 2, 2).double()
    offsets = [merged.log_density(z) - own.log_density(z) - prior.log_density(z) for z in drawn]
    torch.testing.assert_close(offsets[0], offsets[1])  # the normaliser does not depend on z
    torch.testing.assert_close(offsets[0], offsets[2])
