"""Images that train in a moment."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 16


def blobs(count: int, seed: int = 0) -> np.ndarray:
    """Grey images uint8 ``[N, 16, 16]``: a bright disc of random place and size, so that there is something to code."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    centres = generator.uniform(4, 12, (2, count, 1, 1))
    radii = generator.uniform(2, 5, (count, 1, 1))
    distance = np.hypot(rows - centres[0], columns - centres[1])
    return (255 / (1 + np.exp(2 * (distance - radii)))).astype(np.uint8)


def saved(pictures: Sequence[Image.Image], folder: Path) -> list[Path]:
    """Write pictures as PNG files of a folder; their paths, which sort as they are given."""
    paths = [folder / f"{index:02}.png" for index in range(len(pictures))]
    for picture, path in zip(pictures, paths, strict=True):
        picture.save(path)
    return paths


def in_class_folders(images: np.ndarray, out: Path) -> Path:
    """Write images ``[N, H, W]`` as files of a folder, in two classes."""
    for index, image in enumerate(images):
        path = out / f"class-{index % 2}" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return out
