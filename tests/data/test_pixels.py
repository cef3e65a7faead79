"""Arrays of pixels in any accepted form -> uint8 [N, C, H, W]; anything else is refused."""

import hypothesis.extra.numpy as arrays
import numpy as np
import numpy.typing as npt
import pytest
from helpers.toy_files import random_images
from hypothesis import given, settings
from hypothesis import strategies as st

from ratescape.data.formats.pixels import to_pixels
from ratescape.errors import DataError


@pytest.mark.parametrize(
    ("shape", "expected", "axes"),
    [
        ((5, 8, 9), (5, 1, 8, 9), (0, 1, 2)),
        ((5, 8, 9, 1), (5, 1, 8, 9), (0, 3, 1, 2)),
        ((5, 8, 9, 3), (5, 3, 8, 9), (0, 3, 1, 2)),
        ((5, 3, 8, 9), (5, 3, 8, 9), (0, 1, 2, 3)),
        ((5, 1, 8, 9), (5, 1, 8, 9), (0, 1, 2, 3)),
    ],
)
def test_layouts_become_channels_first(
    shape: tuple[int, ...], expected: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    images = random_images(*shape)
    pixels = to_pixels(images, "x")
    assert pixels.shape == expected
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, images.transpose(axes).reshape(expected))


@settings(deadline=None)
@given(arrays.arrays(np.uint8, (2, 4, 5), elements=st.integers(0, 255)))
def test_number_types_agree(images: npt.NDArray[np.uint8]) -> None:
    images[0, 0, 0] = 255
    expected = to_pixels(images, "x")
    for same in (images.astype(np.int64), images / 255, (images / 255).astype(np.float32)):
        assert np.array_equal(to_pixels(same, "x"), expected)


def test_floats_are_rounded_to_the_nearest_level() -> None:
    floats = np.array([[[0, 0.4, 0.6, 100.4, 100.6, 254.6]]]) / 255
    assert to_pixels(floats, "x").tolist() == [[[[0, 0, 1, 100, 101, 255]]]]


def test_booleans_become_black_and_white() -> None:
    assert to_pixels(np.array([[[True, False]]]), "x").tolist() == [[[[255, 0]]]]


def test_pixels_are_a_copy() -> None:
    images = random_images(3, 4, 4)
    pixels = to_pixels(images, "x")
    assert not np.shares_memory(pixels, images)


def with_broken_pixels() -> npt.NDArray[np.float64]:
    images = np.zeros((3, 4, 4))
    images[0, 0, 0], images[2, 1, :2] = np.nan, np.inf
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (with_broken_pixels(), "3 pixels that are NaN or infinite"),
        (np.full((2, 4, 4), 1.5), r"float pixels from 1\.5 to 1\.5: scale them to \[0, 1\]"),
        (np.full((2, 4, 4), 256), "integer pixels from 256 to 256: scale them to 0..255"),
        (np.full((2, 4, 4), -1), "integer pixels from -1 to -1"),
        (np.ones((2, 4, 4), np.int64), "only the integers 0 and 1 .* give booleans"),
        (np.zeros((0, 4, 4), np.uint8), r"empty \(shape \(0, 4, 4\)\)"),
        (random_images(2, 16), r"shape \(2, 16\): reshape it"),
        (random_images(2, 5, 4, 4), r"shape \(2, 5, 4, 4\): reshape it"),
        (random_images(2, 3, 4, 3), "reshape it"),
        (np.full((2, 4, 4), None), "object values"),
        (np.full((2, 4, 4), 1j), "complex128 values"),
    ],
)
def test_unusable_pixels_are_refused(images: npt.NDArray[np.generic], message: str) -> None:
    with pytest.raises(DataError, match=f"the array .*{message}"):
        to_pixels(images, "the array")
