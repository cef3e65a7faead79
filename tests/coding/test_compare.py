"""Other formats: sheets that hold every image, errors that are those of the files."""

import math

import numpy as np
import pytest
import torch
from helpers.coding import pictures

from ratescape.coding import bench, compare
from ratescape.coding.codec import Codec
from ratescape.coding.compare import compared
from ratescape.coding.subject import subject_of
from ratescape.errors import SpecError
from ratescape.model.hierarchy import HVAE


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [16383, 40])
def test_sheets_hold_every_image_once(channels: int, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "SHEET", side)
    levels = pictures(11, (channels, 12, 20))
    sheets = compare._sheets(levels)
    assert len(sheets) == (1 if side > 40 else 2)
    across = sheets[0].shape[2] // 20
    cells = [
        sheet[:, 12 * down : 12 * down + 12, 20 * over : 20 * over + 20]
        for sheet in sheets
        for down in range(sheet.shape[1] // 12)
        for over in range(across)
    ]
    assert np.array_equal(np.stack(cells)[:11], levels) and not np.stack(cells)[11:].any()


def test_sizes_fall_and_errors_rise_with_the_quality() -> None:
    points = compared(pictures(30, (3, 16, 16)), is_binary=False)
    exact = {point.name for point in points if point.error == 0}
    assert exact >= {"gzip of all", "bz2 of all", "xz of all", "PNG single", "PNG sheet", "WebP lossless single"}
    jpeg = [point for point in points if point.name == "JPEG sheet"]
    assert [point.size for point in jpeg] == sorted(point.size for point in jpeg)
    assert jpeg[-1].error < 0.5 * jpeg[0].error and jpeg[0].psnr == pytest.approx(-10 * math.log10(jpeg[0].error))
    sheet, single = (next(p.size for p in points if p.name == f"PNG {where}") for where in ("sheet", "single"))
    assert sheet < single  # one header for all


def test_binary_images_are_packed_before_they_are_compressed() -> None:
    noise = (np.random.default_rng(0).random((40, 1, 16, 16)) > 0.5).astype(np.uint8) * 255
    sizes = {point.name: point.size for point in compared(noise, is_binary=True) if point.error == 0}
    assert sizes["gzip of all"] == pytest.approx(32, rel=0.05)


def test_our_own_points_are_those_of_the_archive(model: HVAE, codec: Codec, fresh: np.ndarray) -> None:
    subject = subject_of(model)
    found, promise = bench.lossy(subject, fresh, codec), bench.promised(subject, fresh)
    assert [point.name for point in found.points] == ["ours, top 1 of 2 layers", "ours"]
    assert found.points[1].size - found.points[0].size == pytest.approx(found.layers[1] / 8)
    assert found.points[1].error < found.points[0].error
    with torch.no_grad():
        exact = (model.reconstruct(fresh) - model.inputs(fresh)).square().mean().item()
    assert found.points[1].error == pytest.approx(exact, rel=0.2)
    assert promise.elbo == pytest.approx(sum(promise.rates) + promise.distortion / math.log(2))
    with pytest.raises(SpecError, match="no lossless size"):
        bench.lossless(subject, fresh)
