"""The networks of the judges: images ``[B, C, H, W]`` in [0, 1] to class logits ``[B, M]``.

The three that the paper uses, for images of any size from 8 x 8 on.
"""

import torch
from torch import Tensor, nn

from ratescape.errors import SpecError
from ratescape.specs.judge import Architecture

SMALLEST_SIDE = 8
"""Pixels below which too little is left of an image after three halvings."""

LARGEST_SIDE = 32
"""Pixels to which the small network averages longer sides down, so that neither its cost nor its number of weights
grows with the images, and its two convolutions see shapes rather than texture."""

RESNET_WIDTHS = (64, 128, 256, 512)

DENSENET_GROWTH = 32

DENSENET_BLOCKS = (6, 12, 24, 16)

DENSENET_REDUCTION = 0.5


def network(architecture: Architecture, shape: tuple[int, ...], classes: int) -> nn.Module:
    """An untrained judge with PyTorch's default initialisation.

    Its weights lie channels last, which saves a tenth of a step on a CPU.

    Args:
        shape: (C, H, W) of the images.
        classes: M.

    Raises:
        SpecError: the images are too small.
    """
    if min(shape[1:]) < SMALLEST_SIDE:
        raise SpecError(
            f"images are {shape[1]} x {shape[2]}: a judge takes {SMALLEST_SIDE} x {SMALLEST_SIDE} at least; pad or "
            "enlarge the images"
        )
    match architecture:
        case "small-cnn":
            judge = small_cnn(shape, classes)
        case "resnet-18":
            judge = resnet_18(shape[0], classes)
        case "densenet-121":
            judge = densenet_121(shape[0], classes)
    return judge.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  (torch's stub lacks it)


def small_cnn(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Two convolutions and two linear layers: for 28 x 28 exactly the network of PyTorch's MNIST example."""
    channels, *sides = shape
    height, width = (min(side, LARGEST_SIDE) for side in sides)
    shrink = [] if [height, width] == sides else [nn.AdaptiveAvgPool2d((height, width))]
    features = 64 * ((height - 4) // 2) * ((width - 4) // 2)
    return nn.Sequential(
        *shrink,
        *(nn.Conv2d(channels, 32, 3), nn.ReLU()),
        # The maximum of rectified values is the rectified maximum, at a quarter of the work.
        *(nn.Conv2d(32, 64, 3), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Dropout(0.25), nn.Flatten()),
        *(nn.Linear(features, 128), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(128, classes),
    )


def resnet_18(channels: int, classes: int) -> nn.Module:
    """Four stages of two residual blocks; the last three stages halve the sides."""
    first, last = RESNET_WIDTHS[0], RESNET_WIDTHS[-1]
    blocks: list[nn.Module] = []
    width = first
    for stage, wider in enumerate(RESNET_WIDTHS):
        blocks += [ResidualBlock(width, wider, 1 if stage == 0 else 2), ResidualBlock(wider, wider, 1)]
        width = wider
    return nn.Sequential(
        *(convolution(channels, first, 3), nn.BatchNorm2d(first), nn.ReLU()),
        *blocks,
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, classes)),
    )


class ResidualBlock(nn.Module):
    """relu(x + f(x)) with two 3 x 3 convolutions in f: ``[B, I, H, W] -> [B, O, H / stride, W / stride]``.

    Where the shape changes, x goes through a 1 x 1 convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            *(convolution(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU()),
            *(convolution(outputs, outputs, 3), nn.BatchNorm2d(outputs)),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.shortcut(x) + self.change(x))


def densenet_121(channels: int, classes: int) -> nn.Module:
    """Four blocks whose every layer sees all before it; between blocks the maps and both sides are halved."""
    width = 2 * DENSENET_GROWTH
    parts: list[nn.Module] = [convolution(channels, width, 3)]
    for index, layers in enumerate(DENSENET_BLOCKS):
        if index > 0:
            narrower = int(width * DENSENET_REDUCTION)
            parts += [*normalised(width), convolution(width, narrower, 1), nn.AvgPool2d(2)]
            width = narrower
        parts += [DenseLayer(width + DENSENET_GROWTH * layer) for layer in range(layers)]
        width += DENSENET_GROWTH * layers
    return nn.Sequential(*parts, *normalised(width), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


class DenseLayer(nn.Module):
    """New maps beside those that came in: ``[B, K, H, W] -> [B, growth + K, H, W]``."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        inner = 4 * DENSENET_GROWTH
        self.new = nn.Sequential(
            *(*normalised(inputs), convolution(inputs, inner, 1)),
            *(*normalised(inner), convolution(inner, DENSENET_GROWTH, 3)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.new(x), x], 1)


def normalised(width: int) -> tuple[nn.Module, nn.Module]:
    """Batch normalisation and ReLU, before a convolution."""
    return nn.BatchNorm2d(width), nn.ReLU()


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Module:
    """A convolution that keeps the sides (over ``stride``), without a bias, which batch normalisation would undo."""
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
