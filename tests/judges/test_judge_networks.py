"""The networks of the judges."""

import pytest
import torch
from torch import nn

from ratescape.errors import SpecError
from ratescape.judges.networks import network
from ratescape.specs.judge import Architecture


@pytest.mark.parametrize(
    ("architecture", "shape", "total"),
    [
        ("resnet-18", (3, 32, 32), 11_173_962),
        ("densenet-121", (3, 32, 32), 6_956_298),
        ("small-cnn", (1, 28, 28), 1_199_882),
    ],
)
def test_networks_have_the_papers_numbers_of_parameters(
    architecture: Architecture, shape: tuple[int, int, int], total: int
) -> None:
    assert sum(parameter.numel() for parameter in network(architecture, shape, 10).parameters()) == total


@pytest.mark.parametrize("architecture", ["small-cnn", "resnet-18", "densenet-121"])
@pytest.mark.parametrize("shape", [(3, 12, 20), (1, 8, 8)])
def test_every_weight_learns_from_images_of_any_size(architecture: Architecture, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    learner = network(architecture, shape, 4).eval()  # without dropout, and for one pixel of a map too
    logits = learner(torch.rand(5, *shape))
    assert logits.shape == (5, 4)
    nn.functional.cross_entropy(logits, torch.arange(5) % 4).backward()
    assert all(bool((p.grad != 0).any()) for p in learner.parameters())


def test_the_small_network_is_the_one_of_the_protocol() -> None:
    """Layer by layer as the paper's, though pooling comes before the rectifier here."""
    torch.manual_seed(0)
    learner = network("small-cnn", (1, 28, 28), 10).eval()
    weights = list(learner.parameters())
    images = torch.rand(3, 1, 28, 28)
    maps = torch.relu(nn.functional.conv2d(images, weights[0], weights[1]))
    maps = torch.relu(nn.functional.conv2d(maps, weights[2], weights[3]))
    features = nn.functional.max_pool2d(maps, 2).flatten(1)
    hidden = torch.relu(features @ weights[4].T + weights[5])
    torch.testing.assert_close(learner(images), hidden @ weights[6].T + weights[7])
    assert [module.p for module in learner.children() if isinstance(module, nn.Dropout)] == [0.25, 0.5]


def test_the_small_network_does_not_grow_with_the_images() -> None:
    totals = {sum(p.numel() for p in network("small-cnn", (3, s, s), 10).parameters()) for s in (32, 64, 256)}
    assert len(totals) == 1


def test_images_too_small_are_refused() -> None:
    with pytest.raises(SpecError, match="7 x 28: a judge takes 8 x 8"):
        network("small-cnn", (1, 7, 28), 10)
