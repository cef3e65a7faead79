"""What is measured and drawn of deep networks alone: probes on large maps, pictures of what each group adds."""

import io
from typing import Literal

import numpy as np
import pytest
import torch
from helpers.images import blobs
from PIL import Image

from ratescape.data.batches import Images
from ratescape.data.catalog import load_data
from ratescape.errors import SpecError
from ratescape.evaluation import pictures
from ratescape.evaluation.features import features, posterior_samples
from ratescape.evaluation.subject import Subject
from ratescape.model.hierarchy import HVAE, PosteriorMode
from ratescape.model.registry import build, resolved_model
from ratescape.specs.evaluation import EvaluationSpec
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)


def network(family: str = "deep") -> HVAE:
    """Untrained, but no layer at its prior; of the deep one the last layer has 5 x 16 x 16 = 1,280 dimensions."""
    blocks, latents = ("1x1,8x1,16x1", (3, 4, 5)) if family == "deep" else (None, (3, 80))
    torch.manual_seed(0)
    spec = ModelSpec(family=family, channels=4, latents=latents, blocks=blocks)
    model = build(resolved_model(spec, SHAPE, binary=False), SHAPE)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    return model


@pytest.mark.parametrize("probes", ["heldout", "paper"])
def test_probes_see_averages_of_large_maps_and_all_of_small_ones(probes: Literal["heldout", "paper"]) -> None:
    model, data = network(), load_data(blobs(64))
    view = Subject(model, data, (1.0,) * 3, EvaluationSpec(samples=0, probes=probes)).splits["validation"]
    with torch.no_grad():
        modes = model(PosteriorMode(), view.images.take(torch.arange(len(view.images)))).latents
    assert [x.shape[1] for x in view.means] == [x.shape[1] for x in view.samples] == [3, 256, 5 * 4 * 4]
    assert [x.shape[1] for x in posterior_samples(model, view.images, 0)] == [3, 256, 80]
    pooled = modes[2].reshape(-1, 5, 4, 4, 4, 4).mean((3, 5)).flatten(1)
    expected = [modes[0].flatten(1), modes[1].flatten(1), pooled]
    for found, own in zip(features(model, view.images, 0), expected, strict=True):
        np.testing.assert_allclose(found, own, atol=1e-5)
    if probes == "heldout":
        np.testing.assert_allclose(view.means[2], pooled, atol=1e-5)


def test_other_families_keep_all_dimensions() -> None:
    images = Images(blobs(8)[:, None], False, torch.device("cpu"), torch.float32)
    assert [x.shape[1] for x in features(network("residual"), images, 0)] == [3, 80 * 4]


def strips(png: bytes) -> np.ndarray:
    """Rows of a picture ``[rows, 16, 16 N]``."""
    return np.asarray(Image.open(io.BytesIO(png))).reshape(-1, 16, 16 * 4)


def test_pictures_show_what_each_group_adds() -> None:
    model = network()
    images = Images(blobs(4)[:, None], False, torch.device("cpu"), torch.float32)
    groups = model.spec.usual_groups
    rows = strips(pictures.reconstructions_by_group(model, images, 4, groups))
    both = strips(pictures.reconstructions(model, images, 4))
    assert len(rows) == 1 + 3
    np.testing.assert_array_equal(rows[[0, -1]], both)  # from all groups they are the usual ones
    assert (rows[1] != rows[2]).any() and (rows[2] != rows[3]).any()
    top = strips(pictures.strip_png([model.decode(model.encode(blobs(4))[:1])]))
    np.testing.assert_array_equal(rows[1], top[0])

    drawn = strips(pictures.samples_by_group(model, 4, 0, groups))
    np.testing.assert_array_equal(drawn[-1], strips(pictures.samples(model, 4, 0))[0])
    assert len(drawn) == 3 and (drawn[0] != drawn[1]).any()
    assert len(strips(pictures.samples_by_group(model, 4, 0, (0, 0, 1)))) == 2


def test_of_many_groups_so_many_numbers_are_shown_from_one_to_all() -> None:
    spec = ModelSpec(family="residual", channels=4, latents=(2,) * 12)
    model = build(resolved_model(spec, SHAPE, binary=False), SHAPE)
    drawn = strips(pictures.samples_by_group(model, 4, 0, range(12)))
    assert len(drawn) == pictures.MOST_ROWS
    np.testing.assert_array_equal(drawn[-1], strips(pictures.samples(model, 4, 0))[0])


def test_decoding_from_the_top_groups() -> None:
    spec = ModelSpec(family="deep", blocks="1x2,2x1,4x2", channels=4, latents=(2,))
    model = build(resolved_model(spec, SHAPE, binary=False), SHAPE)
    latents = model.encode(blobs(3))
    for groups, layers in ((1, 2), (2, 3), (3, 5)):
        torch.testing.assert_close(model.decode(latents, groups=groups), model.decode(latents[:layers]))
    for wrong in (0, 4):
        with pytest.raises(SpecError, match=rf"groups is {wrong}: it must be from 1 to 3"):
            model.decode(latents, groups=wrong)
