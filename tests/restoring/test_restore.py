"""Restoring as a user asks for it: masks, what is kept, bad input."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.small_networks import plain
from PIL import Image
from torch import Tensor

from ratescape.errors import DataError, SpecError
from ratescape.model.hierarchy import HVAE
from ratescape.model.registry import build, resolved_model
from ratescape.model.restored import Restored
from ratescape.restoring.damage import Damage, damaged
from ratescape.restoring.masks import mask_of
from ratescape.specs.model import ModelSpec

PIXELS = np.random.default_rng(0).random((3, 16, 16))


def colour(likelihood: str = "gaussian") -> HVAE:
    torch.manual_seed(0)
    spec = ModelSpec(channels=4, latents=(3, 2), likelihood=likelihood)  # type: ignore[arg-type]
    return build(resolved_model(spec, (3, 16, 16), binary=False), (3, 16, 16))


@pytest.mark.parametrize("method", ["chain", "map"])
@pytest.mark.parametrize("likelihood", ["gaussian", "learned-gaussian", "logistic-mixture"])
def test_known_pixels_are_kept_exactly(likelihood: str, method: str) -> None:
    model = colour(likelihood)
    levels = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), np.uint8)
    restored = model.restore(levels, mask="box", method=method, steps=2)  # type: ignore[arg-type]
    known = ~restored.missing.expand_as(restored.mean)
    for sample in restored.samples.unbind(1):
        assert torch.equal(sample[known], model.inputs(levels)[known])
    assert not restored.spread[known].any()
    assert int(restored.missing.sum()) == 2 * 64


@pytest.mark.parametrize(
    "damage", [{"noise": 0.2}, {"downscale": 2}, {"downscale": 4, "noise": 0.1, "mask": "random:0.5"}]
)
@pytest.mark.parametrize("likelihood", ["gaussian", "learned-gaussian", "logistic-mixture"])
@pytest.mark.parametrize("method", ["chain", "map"])
def test_all_damage_of_all_likelihoods_is_restored(damage: dict[str, float], likelihood: str, method: str) -> None:
    images = np.random.default_rng(1).random((2, 3, 16, 16))
    restored = colour(likelihood).restore(images, **damage, method=method, steps=2, degrade=True)  # type: ignore[arg-type]
    assert restored.mean.shape == (2, 3, 16, 16) and bool(restored.samples.isfinite().all())
    assert bool(restored.missing.all())


def test_small_images_that_a_user_has_are_restored_as_those_made_small() -> None:
    model = colour()
    whole = torch.from_numpy(np.random.default_rng(1).random((2, 3, 16, 16))).float()
    made = model.restore(whole, downscale=2, degrade=True)
    had = model.restore(torch.nn.functional.avg_pool2d(whole, 2), downscale=2)
    torch.testing.assert_close(had.samples, made.samples)
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(had.mean, 2), had.damaged, atol=1e-5, rtol=0)


def test_pixels_that_are_nan_are_missing() -> None:
    holes = PIXELS.copy()
    holes[:, 8:] = np.nan
    model = plain()
    torch.testing.assert_close(model.restore(holes).samples, model.restore(PIXELS, mask="half").samples)


def test_what_lies_under_the_mask_is_not_looked_at() -> None:
    other = PIXELS.copy()
    other[:, 8:] = 0.0
    model = plain()
    assert torch.equal(model.restore(other, mask="half").samples, model.restore(PIXELS, mask="half").samples)


def test_nothing_missing_gives_the_images_and_everything_missing_images_that_the_model_makes_up() -> None:
    model = plain()
    nothing = model.restore(PIXELS, mask=np.zeros((16, 16), bool), samples=2)
    assert torch.equal(nothing.mean, model.inputs(PIXELS)) and nothing.psnr(PIXELS) == math.inf
    everything = model.restore(PIXELS, mask=np.ones((16, 16), bool), samples=2)
    assert bool(everything.samples.isfinite().all()) and bool(everything.damaged.isnan().all())
    assert torch.equal(everything.samples, model.restore(1 - PIXELS, mask=np.ones((16, 16), bool), samples=2).samples)
    most = model.restore(PIXELS, mask=np.ones((16, 16), bool), method="map", steps=300)
    torch.testing.assert_close(most.mean[:1], model.decode([torch.zeros(1, 3)]), atol=1e-3, rtol=0)


def test_psnr_is_that_of_the_missing_pixels_alone() -> None:
    model = colour()
    images = np.random.default_rng(1).random((2, 3, 16, 16))
    restored = model.restore(images, mask="half", steps=2)
    errors = (restored.mean.numpy() - images)[:, :, 8:] ** 2
    assert restored.psnr(images) == pytest.approx(-10 * math.log10(errors.mean()), abs=1e-4)
    with pytest.raises(SpecError, match="originals are 1 images, and 2 were restored"):
        restored.psnr(images[:1])


def test_what_there_is_without_a_model_is_the_damaged_image_and_its_mean() -> None:
    image = torch.tensor([[0.2, 0.4, 0.6, 0.8]] * 4).reshape(1, 1, 4, 4)
    right = torch.tensor([[False, False, True, True]] * 4).reshape(1, 1, 4, 4)
    holes = Restored(image.unsqueeze(1), image.masked_fill(right, math.nan), right)
    torch.testing.assert_close(holes.plain, torch.where(right, 0.3, image))
    assert holes.plain_squared_errors(image) == (pytest.approx(4 * (0.3**2 + 0.5**2)), 8)
    everything = torch.ones_like(right)
    small = Restored(image.unsqueeze(1), torch.tensor([[-0.5, 0.7], [math.nan, 1.5]]).reshape(1, 1, 2, 2), everything)
    mean = (-0.5 + 0.7 + 1.5) / 3
    rows = [[0.0, 0.0, 0.7, 0.7]] * 2 + [[mean, mean, 1.0, 1.0]] * 2
    torch.testing.assert_close(small.plain, torch.tensor(rows).reshape(1, 1, 4, 4))
    nothing = Restored(image.unsqueeze(1), torch.full_like(image, math.nan), everything)
    assert nothing.plain.unique().tolist() == [0.5]


def test_a_chain_does_not_leave_the_range_of_pixels() -> None:
    model = colour()
    with torch.no_grad():  # a network that leads away from images: whatever it sees, it makes brighter
        next(iter(model.decoder.parameters())).mul_(3)
        for bias in [p for name, p in model.decoder.named_parameters() if name.endswith("bias")]:
            bias.add_(2)
    seen: list[Tensor] = []
    model.encoder.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    restored = model.restore(PIXELS.repeat(16, 0).reshape(3, 16, 16, 16)[:, :3] > 0.5, mask="half", steps=5, samples=2)
    assert len(seen) == 5 and all(float(one.min()) >= 0 and float(one.max()) <= 1 for one in seen)
    assert float(restored.samples.max()) > 1  # so that the range is what holds it


def test_masks_by_name() -> None:
    half, box = mask_of("half", 5, (16, 16), 0)[0], mask_of("box", 5, (16, 16), 0)[0]
    assert half[8:].all() and not half[:8].any()
    assert box[4:12, 4:12].all() and box.sum() == 64
    random = mask_of("random:0.25", 400, (16, 16), 0)
    assert abs(random.mean() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / random.size)
    np.testing.assert_array_equal(random[7:9], mask_of("random:0.25", 2, (16, 16), 0, first=7))
    assert (mask_of("random:0.25", 1, (16, 16), 1) != random[:1]).any()


def test_masks_of_files_and_arrays(tmp_path: Path) -> None:
    drawn = np.zeros((16, 16), np.uint8)
    drawn[:3] = 255
    Image.fromarray(drawn).save(tmp_path / "mask.png")
    np.save(tmp_path / "mask.npy", drawn > 0)
    each = np.stack([drawn > 0, drawn == 0, drawn > 0])
    for given in (tmp_path / "mask.png", str(tmp_path / "mask.npy"), drawn > 0, torch.from_numpy(drawn > 0)):
        np.testing.assert_array_equal(mask_of(given, 3, (16, 16), 0), each[:1])
    np.testing.assert_array_equal(mask_of(each, 3, (16, 16), 0), each)


def test_damage_of_an_image_does_not_depend_on_what_is_beside_it() -> None:
    model, damage = colour(), Damage("random:0.5", 0.3, 2)
    images = np.random.default_rng(1).random((4, 3, 16, 16))
    together, alone = damaged(model, images, damage, 3), damaged(model, images[2:], damage, 3, first=2)
    assert torch.equal(together.values[2:], alone.values) and torch.equal(together.missing[2:], alone.missing)
    noise = (damaged(model, images, Damage(noise=0.3), 3).values - model.inputs(images)).std()
    assert 0.28 < float(noise) < 0.32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mask": "hlaf"}, "mask is hlaf, which is no file: give half, box, random:0.5"),
        ({"mask": "random:2"}, "say the share of missing pixels, from 0 to 1"),
        ({"mask": np.ones((4, 4), bool)}, r"mask has shape \(4, 4\): give one of \(height, width\) = \(16, 16\)"),
        ({"mask": np.ones((2, 16, 16), bool)}, "or one for each of the 3 images"),
        ({"mask": np.full((16, 16), 7)}, "mask is of int64 and shape"),
        ({"noise": -1.0}, "noise is -1.0: give its standard deviation"),
        ({"noise": math.nan}, "noise is nan"),
        ({"downscale": 0}, "downscale is 0: give a whole number"),
        ({"downscale": 3}, "downscale is 3, of which images of height 16 and width 16 are no multiple"),
        ({"downscale": 2}, r"images of shape \(3, 16, 16\): this model takes grey images of height 8 and width 8"),
        ({"samples": 0}, "samples is 0: it must be at least 1"),
        ({"steps": 0}, "steps is 0: it must be at least 1"),
        ({"layers": 3}, "layers is 3: it must be at most 2, the layers of this model"),
        ({"layers": 0}, "layers is 0: it must be at least 1"),
        ({"method": "gibbs"}, "method is 'gibbs': it must be chain or map"),
        ({"method": "map", "samples": 4}, "map gives one guess"),
        ({"sigma": 0.0}, "sigma is 0.0: it must be above 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_input_is_one_line_that_names_it(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        plain().restore(PIXELS, **arguments)  # type: ignore[arg-type]


def test_bad_images_are_one_line() -> None:
    with pytest.raises(SpecError, match="images of floats from 0 to 2"):
        plain().restore(PIXELS.round() * 2, mask="half")
    with pytest.raises(SpecError, match="infinite values"):
        plain().restore(np.where(PIXELS > 0.5, np.inf, 0.5), noise=0.1)
    with pytest.raises(DataError, match="empty"):
        plain().restore(PIXELS[:0], mask="half")
    vectors = build(ModelSpec(family="vector", latents=(2, 2), channels=4, likelihood="by-column"), (5,))
    with pytest.raises(SpecError, match="restoring is for models of images"):
        vectors.restore(np.zeros((3, 5)), mask="half")
