"""How a judge learns: the training loop, and the share of images it gets right."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ratescape.compute.memory import keep_freed_memory
from ratescape.data.batches import Images, stream
from ratescape.data.catalog import ImageData
from ratescape.data.formats import Split
from ratescape.errors import DataError, SpecError
from ratescape.judges.networks import network
from ratescape.judges.resuming import Kept
from ratescape.specs.judge import JudgeSpec

CHUNK = 250
"""Images that pass through a judge at once: the maps of a DenseNet take a few MB an image."""

MARGIN = 4
"""Pixels of padding that a random crop moves over."""


def class_names(data: ImageData) -> tuple[str, ...]:
    """The classes of labelled data.

    Raises:
        DataError: the data have no labels, or all the same.
    """
    if data.classes is None or data.train.labels is None:
        raise DataError(
            f"{data.spec.name} has no labels, which a judge of samples learns from: give the class of each image"
        )
    if len(data.classes) < 2:
        raise DataError(
            f"{data.spec.name} has one class only, which leaves nothing to judge: give images of two classes at least"
        )
    return data.classes


def train_judge(
    data: ImageData,
    spec: JudgeSpec,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    kept: Kept | None = None,
) -> nn.Module:
    """Train a network on the training images; the result depends on the data, the spec and the device alone.

    Example::

        classifier = train_judge(load_data("mnist-5k"), JudgeSpec(epochs=4))
        logits = classifier(images)  # [B, C, H, W] to [B, M]

    Args:
        kept: where its state is kept, and taken up from.

    Raises:
        DataError: the data have no labels, or all the same.
        SpecError: the training diverged, or the images are too small.
        CheckpointError, RecordError: as of :class:`Kept`.
    """
    device = torch.device(device)
    classes = class_names(data)
    # Weights and dropout draw from PyTorch's own generators: they are seeded here, and given back as they were.
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(stream(spec.seed, "weights"))
        learner = network(spec.architecture, data.shape, len(classes)).to(device)
        _descend(learner, data, spec, device, progress, kept)
    if not all(bool(p.isfinite().all()) for p in learner.parameters()):
        raise SpecError(
            f"the training of a judge on {data.spec.name} diverged: give a spec of a smaller judge.learning_rate than "
            f"{spec.learning_rate}"
        )
    return learner.eval().requires_grad_(False)


def _descend(
    learner: nn.Module,
    data: ImageData,
    spec: JudgeSpec,
    device: torch.device,
    progress: Callable[[int, int], None] | None,
    kept: Kept | None,
) -> None:
    """Minimise the cross-entropy, from the first epoch, or where it was broken off, to the last."""
    if device.type == "cpu":
        keep_freed_memory()
    images = Images(data.train.pixels, bool(data.spec.binary), device)
    labels = torch.tensor(data.train.labels, device=device)
    optimiser = _optimiser(spec, learner)
    generator = torch.Generator(device)
    per_epoch = math.ceil(len(images) / spec.batch)
    steps = spec.epochs * per_epoch
    batches: tuple[Tensor, ...] = ()
    begun = 0 if kept is None else kept.taken_up(learner, optimiser)
    for step in range(begun, steps):
        epoch, position = divmod(step, per_epoch)
        if position == 0 or step == begun:
            # Batches of sizes as equal as can be: the statistics of a small last one would upset the normalisation.
            batches = images.order(spec.seed, epoch).tensor_split(per_epoch)
        batch = images.take(batches[position])  # [B, C, H, W]
        if spec.augment:
            batch = crop_and_flip(batch, generator.manual_seed(stream(spec.seed, "noise", step)))
        logits = learner(batch.contiguous(memory_format=torch.channels_last))  # [B, M]
        optimiser.zero_grad()
        nn.functional.cross_entropy(logits, labels[batches[position]]).backward()
        optimiser.param_groups[0]["lr"] = learning_rate(spec, step, per_epoch)
        optimiser.step()
        if kept is not None:
            kept.step(learner, optimiser, step + 1)
        if progress is not None:
            progress(step + 1, steps)


def _optimiser(spec: JudgeSpec, learner: nn.Module) -> torch.optim.Optimizer:
    if spec.optimiser == "adadelta":
        return torch.optim.Adadelta(learner.parameters(), spec.learning_rate, weight_decay=spec.weight_decay)
    return torch.optim.SGD(learner.parameters(), spec.learning_rate, spec.momentum, weight_decay=spec.weight_decay)


def learning_rate(spec: JudgeSpec, step: int, per_epoch: int) -> float:
    """Learning rate of a step, counted from 0."""
    if spec.schedule == "exponential":
        return spec.learning_rate * spec.decay ** (step // per_epoch)
    return spec.learning_rate * 0.5 * (1 + math.cos(math.pi * step / (spec.epochs * per_epoch)))


def crop_and_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images ``[B, C, H, W]``, each moved by up to MARGIN pixels either way (black moves in) and half of them mirrored.

    Args:
        generator: on the device of the images.
    """
    count, _, height, width = images.shape

    def draw(choices: int) -> Tensor:
        return torch.randint(choices, (count, 1), generator=generator, device=images.device)

    rows = draw(2 * MARGIN + 1) + torch.arange(height, device=images.device)  # [B, H]
    columns = torch.arange(width, device=images.device)
    columns = torch.where(draw(2) == 1, columns.flip(0), columns) + draw(2 * MARGIN + 1)  # [B, W]
    padded = nn.functional.pad(images, (MARGIN,) * 4)
    one = torch.arange(count, device=images.device)[:, None, None]
    return padded[one, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@torch.no_grad()
def accuracy(trained: nn.Module, split: Split, binary: bool) -> float:
    """Share of the images of a labelled split whose class has the highest logit."""
    device = next(trained.parameters()).device
    chunks = Images(split.pixels, binary, device).in_order(CHUNK)
    named = torch.cat([logits_of(trained, chunk).argmax(1) for chunk in chunks])
    return float((named == torch.tensor(split.labels, device=device)).double().mean())


def logits_of(trained: nn.Module, images: Tensor) -> Tensor:
    """Logits, float64 ``[B, M]``, on the network's device."""
    like = next(trained.parameters())
    return trained(images.to(like.device, like.dtype).contiguous(memory_format=torch.channels_last)).double()
