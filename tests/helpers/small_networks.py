"""Small networks of every family, conditioned and not, and what they are tested on."""

import torch
from torch import Tensor

from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)
LOW, HIGH, KNOTS = 0.05, 20.0, 3
MODELS = {
    "ghvae": ModelSpec(channels=4, latents=(3, 2)),
    "lvae": ModelSpec(family="lvae", channels=4, latents=(3, 2)),
    "bottom-up": ModelSpec(family="bottom-up", channels=4, latents=(3, 2)),
    "residual of 1": ModelSpec(family="residual", channels=4, latents=(3,)),
    "residual of 4": ModelSpec(family="residual", channels=4, latents=(3, 2, 2, 1)),
}


def plain(name: str = "ghvae") -> HVAE:
    torch.manual_seed(0)
    return build(resolved_model(MODELS[name], SHAPE, binary=True), SHAPE).double()


def conditioned(name: str = "ghvae", spread: float = 0.1, rank: int = 3) -> Conditioned:
    """A network whose gains and shifts deviate from the identity by about ``spread``."""
    torch.manual_seed(1)
    network = Conditioned(plain(name), LOW, HIGH, width=8, rank=rank, knots=KNOTS).double()
    torch.nn.init.normal_(network.film.head.weight, std=spread)
    torch.nn.init.normal_(network.film.head.bias, std=spread)
    return network


def inputs(network: HVAE | Conditioned, count: int = 5) -> tuple[Tensor, list[Tensor], Tensor]:
    """Images, noise and betas."""
    generator = torch.Generator().manual_seed(2)
    images = (torch.rand(count, *SHAPE, generator=generator) > 0.5).double()
    noise = [torch.randn(count, *shape, generator=generator, dtype=torch.float64) for shape in network.latent_shapes]
    logs = torch.rand(count, len(noise), generator=generator, dtype=torch.float64)
    return images, noise, LOW * (HIGH / LOW) ** logs
