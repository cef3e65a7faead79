"""What a model is given by a user, in many forms -> what its passes take; and what it says of itself."""

import operator
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import torch
from torch import Tensor

from ratescape.data.batches import unit
from ratescape.data.formats.image_set import Array
from ratescape.data.formats.objects import images_of, is_frame, kind_of
from ratescape.data.formats.paths import TABLES, read_path
from ratescape.data.formats.rows import is_unnamed, listed, order_of, to_rows
from ratescape.data.formats.tables import arrays_of_frame, in_order
from ratescape.errors import SpecError
from ratescape.model.columns import ByColumn
from ratescape.model.distributions import Bernoulli
from ratescape.model.observing import Likelihood

Shape = tuple[int, ...]

NOT_CALLED = (
    "a model is not called with images: model.encode(images) gives their latents, model.reconstruct(images) their "
    "reconstructions, model.sample(16) new images"
)
"""What to say to who calls a model as PyTorch's modules are called."""


def as_inputs(images: Any, image_shape: tuple[int, ...], binary: bool, like: Tensor) -> Tensor:
    """Images ``[N, C, H, W]`` in [0, 1], on the device and in the precision of ``like``.

    Args:
        images: several or one, as :meth:`ratescape.model.hierarchy.HVAE.inputs` takes them.
        image_shape: (C, H, W) that they must have.
        binary: threshold them at 0.5.

    Raises:
        SpecError: another shape or type, or values out of range.
        DataError: no images, or a file that cannot be read.

    Example::

        as_inputs(["a.png", "b.png"], (3, 32, 32), False, torch.zeros(1)).shape  # [2, 3, 32, 32]
    """
    batch = _batch(_tensor(images), image_shape)
    pixels = batch.to(like.device)
    if pixels.dtype == torch.bool:
        return pixels.to(like.dtype)
    if not pixels.is_floating_point():
        return unit(_levels(pixels), binary, like.dtype)
    _check_floats(pixels)
    return (pixels >= 0.5).to(like.dtype) if binary else pixels.to(like.dtype)


def as_observed(given: Any, image_shape: tuple[int, ...], like: Tensor, *, noisy: bool) -> Tensor:
    """Damaged images as floats ``[N, C, H, W]``, neither thresholded nor free of NaN, which stands for what is missing.

    Args:
        given: as of :func:`as_inputs`.
        image_shape: (C, H, W) that they must have.
        like: a tensor on the device and in the precision wanted.
        noisy: values may lie outside [0, 1].

    Raises:
        SpecError: another shape or type, or values out of range.

    Example::

        as_observed([[[0.3, float("nan")]]], (1, 1, 2), torch.zeros(1), noisy=False)
    """
    pixels = _batch(_tensor(given), image_shape).to(like.device)
    if pixels.dtype == torch.bool:
        return pixels.to(like.dtype)
    if not pixels.is_floating_point():
        return unit(_levels(pixels), False, like.dtype)
    known = pixels[~pixels.isnan()]
    if not noisy:
        _check_floats(known)
    elif bool(known.isinf().any()):
        raise SpecError("images with infinite values: repair them, or mark them as missing by NaN")
    return pixels.to(like.dtype)


def as_items(given: Any, shape: Shape, likelihood: Likelihood, like: Tensor) -> Tensor:
    """Images or rows as the network of a likelihood takes them: see :func:`as_inputs` and :func:`as_rows`."""
    if isinstance(likelihood, ByColumn):
        return likelihood.standardised(as_rows(given, shape, like, likelihood.names)).to(like.dtype)
    return as_inputs(given, shape, isinstance(likelihood, Bernoulli), like)


def as_rows(given: Any, shape: Shape, like: Tensor, names: Sequence[str] = ()) -> Tensor:
    """Rows ``[N, D]`` in float64, in the units of the data, on the device of ``like``.

    Args:
        given: an array, tensor or DataFrame ``[N, D]``, or one row ``[D]``; or the path of a table.
        shape: (D,).
        names: of the columns, in their order; those of a table may have another. None if they are not known.

    Raises:
        SpecError: another shape.
        DataError: no rows, missing values, or columns that are neither numbers nor booleans, missing or unknown.

    Example::

        as_rows([[1.0, 2.0]], (2,), torch.zeros(1)).shape  # [1, 2]
    """
    what = str(given) if isinstance(given, (str, Path)) else "rows"
    found = _rows_of(given, names, what)
    if found.shape[-1:] != shape or found.ndim not in (1, 2):
        has, count = f"{found.shape[-1]} columns" if found.ndim in (1, 2) else f"{found.ndim} axes", shape[0]
        told = f" ({listed(names)})" if names and not is_unnamed(names) else ""
        raise SpecError(f"{what} has {has}, but this model takes {count} columns{told}: give rows as [N, {count}]")
    return torch.from_numpy(to_rows(found.reshape(-1, *shape), "rows")).to(like.device)


def _rows_of(given: Any, names: Sequence[str], what: str) -> Array:
    """Rows of any width as an array, the columns of tables in the order of their names."""
    if is_frame(given):
        return arrays_of_frame(in_order(given, names, what), what).images
    if not (isinstance(given, (str, Path)) and Path(given).suffix.lower() in TABLES):
        return images_of(given, what)
    table = read_path(Path(given).expanduser())
    assert table.columns is not None
    order = order_of(table.columns.names, names, what) if names else slice(None)
    return table.train.pixels[:, order]


def _tensor(images: Any) -> Tensor:
    """Images of any shape and numeric type as a tensor."""
    if isinstance(images, Tensor):
        found = images.detach()
        if found.is_complex():
            raise SpecError(f"images of {found.dtype}: give 8-bit levels (uint8), or floats in [0, 1]")
        return found
    array = images_of(images, "images")
    if array.dtype.kind not in "buif":
        raise SpecError(f"images of {array.dtype}: give 8-bit levels (uint8), or floats in [0, 1]")
    wide = array.dtype.kind == "u" and array.dtype.itemsize > 1
    return torch.from_numpy(np.array(array, np.int64 if wide else array.dtype.newbyteorder("=")))


def _batch(given: Tensor, image_shape: tuple[int, ...]) -> Tensor:
    """Images in any usual order of axes, or one image -> ``[N, C, H, W]``."""
    channels, height, width = image_shape
    shape = tuple(given.shape)
    if shape[-3:] == image_shape and len(shape) in (3, 4):
        return given.reshape(-1, *image_shape)
    if shape[-3:] == (height, width, channels) and len(shape) in (3, 4):
        return given.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
    if channels == 1 and shape[-2:] == (height, width) and len(shape) in (2, 3):
        return given.reshape(-1, *image_shape)
    colour = "grey" if channels == 1 else "colour"
    axes = "[N, H, W]" if channels == 1 else "[N, H, W, 3]"
    raise SpecError(
        f"images of shape {shape}: this model takes {colour} images of height {height} and width {width}, as {axes} or "
        f"[N, C, H, W], or one of them"
    )


def _levels(pixels: Tensor) -> Tensor:
    """Integers as uint8."""
    low, high = (int(value) for value in pixels.aminmax()) if pixels.numel() else (0, 0)
    if low < 0 or high > 255:
        raise SpecError(f"images of {pixels.dtype} from {low} to {high}: give 8-bit levels 0..255, or floats in [0, 1]")
    if high == 1:  # black and white, or floats cut to integers: the values do not say which
        raise SpecError(
            "images of integers 0 and 1 alone: give booleans or floats in [0, 1] instead, since 8-bit levels go to 255"
        )
    return pixels.to(torch.uint8)


def _check_floats(pixels: Tensor) -> None:
    """Refuse floats outside [0, 1]."""
    if bool(((pixels >= 0) & (pixels <= 1)).all()):
        return
    low, high = (float(value) for value in pixels.aminmax())
    if low != low or high != high:
        raise SpecError("images with NaN: repair them, or leave them out")
    how = ", such as by x / 2 + 0.5" if low >= -1 and high <= 1 else ", such as by x / 255" if low >= 0 else ""
    raise SpecError(f"images of floats from {low:g} to {high:g}: scale them to [0, 1]{how}, or give 8-bit levels")


def as_latents(latents: Any, shapes: Sequence[Shape], like: Tensor, kept: int | None = None) -> list[Tensor | None]:
    """Latents ``[N, *shape]`` of the top layers, top first; None for a layer that is to be filled in.

    Args:
        latents: those of the top layer alone, or a list of arrays, tensors or None; one image's need no first axis.
        shapes: of one image's latents in each layer, top first.
        like: a tensor on the device and in the precision wanted.
        kept: layers from the top whose latents count; others are to be filled in; default: all.

    Raises:
        SpecError: no latents, too many, of other shapes, or of different numbers of images.

    Example::

        as_latents([None, torch.zeros(5, 8)], [(3,), (8,)], torch.zeros(1))
    """
    given = list(latents) if isinstance(latents, (list, tuple)) else [latents]
    tensors = [None if z is None else _latent_tensor(z, like) for z in given]
    tensors = [z if kept is None or index < kept else None for index, z in enumerate(tensors)]
    known = [None if z is None else tuple(z.shape) for z in tensors]
    expected = f"give those of the top layers, out of {list(shapes)}, each with a first axis for the images"
    if len(tensors) > len(shapes):
        raise SpecError(f"latents of shapes {known}, of more layers than {len(shapes)}: {expected}")
    if all(z is None for z in tensors):
        raise SpecError(f"latents of no layer: {expected}, or take samples, by sample(16)")
    single = [shape is None or shape == own for shape, own in zip(known, shapes, strict=False)]
    if all(single):
        tensors = [None if z is None else z.unsqueeze(0) for z in tensors]
    elif any(shape is not None and shape[1:] != own for shape, own in zip(known, shapes, strict=False)):
        raise SpecError(f"latents of shapes {known}: {expected}; None in a list stands for a layer to be filled in")
    counts = {len(z) for z in tensors if z is not None}
    if len(counts) > 1:
        raise SpecError(f"latents of shapes {known}, of different numbers of images: give as many for each layer")
    return tensors


def _latent_tensor(z: Any, like: Tensor) -> Tensor:
    try:
        return torch.as_tensor(z).to(like.device, like.dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SpecError(f"latents of one layer are {kind_of(z)}: give an array or a tensor of numbers") from error


def as_generator(generator: Any, seed: SupportsIndex | None, like: Tensor) -> torch.Generator | None:
    """A generator on the device of ``like``, by a seed or as it is given; None for neither.

    Raises:
        SpecError: both, or something else.

    Example::

        as_generator(None, 3, torch.zeros(1)).initial_seed()  # 3
    """
    if generator is not None and seed is not None:
        raise SpecError("generator and seed are both given: leave one of them out")
    if generator is not None and not isinstance(generator, torch.Generator):
        raise SpecError(f"generator is {kind_of(generator)}: give a torch.Generator, or a whole number as seed=")
    return generator if seed is None else torch.Generator(like.device).manual_seed(whole(seed, "seed", 0))


def whole(number: Any, name: str, least: int) -> int:
    """A whole number of at least ``least``, also of NumPy; raises :class:`SpecError` otherwise."""
    try:
        found = operator.index(number)
    except TypeError as error:
        raise SpecError(f"{name} is {kind_of(number)}: give a whole number") from error
    if found < least:
        raise SpecError(f"{name} is {found}: it must be at least {least}")
    return found


def line_of(title: str, shapes: Sequence[Shape], likelihood: str, image_shape: Shape, weights: Iterable[Tensor]) -> str:
    """A model in one line.

    Args:
        shapes: of one image's latents in each layer, top first.
        image_shape: (C, H, W).
        weights: all its parameters.
    """
    numbers = zip(range(len(shapes), 0, -1), shapes, strict=True)
    what = "rows of" if len(image_shape) == 1 else "images"
    layers = ", ".join(f"z{number} {'x'.join(map(str, shape))}" for number, shape in numbers)
    count = sum(one.numel() for one in weights)
    return f"{title}: {layers}; {likelihood} {what} {'x'.join(map(str, image_shape))}; {count:,} parameters"
