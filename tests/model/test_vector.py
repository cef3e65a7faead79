"""The vector family: its likelihood in the units of the data, its packs, and its place beside families of images."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.rows import FAR, frame, rows
from scipy import stats
from torch.nn import functional

import ratescape as rs
from ratescape import checkpoint
from ratescape.coding.subject import subject_of
from ratescape.data.batches import Images
from ratescape.data.items import items_at
from ratescape.errors import DataError, SpecError
from ratescape.model.columns import SMALLEST_SPREAD, ByColumn, stand_on
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE, PosteriorSample
from ratescape.model.packs import pack_pass, stack
from ratescape.model.registry import build, resolved_model
from ratescape.specs.model import ModelSpec

SHAPE = (4,)


def small(layers: int = 2, seed: int = 0) -> HVAE:
    spec = resolved_model(ModelSpec(family="vector", channels=6, latents=(2,) * layers), SHAPE, binary=False)
    torch.manual_seed(seed)
    model = build(spec, SHAPE)
    stand_on(model.likelihood, rows())
    return model


def test_distortions_are_densities_in_the_units_of_the_data() -> None:
    data, model = rows(), small().double()
    assert isinstance(model.likelihood, ByColumn)
    torch.nn.init.normal_(model.decoder.spread.bias)  # type: ignore[union-attr,arg-type]
    x = Images.of(data, data.test.pixels, dtype=torch.float64).pixels
    result = model(PosteriorSample(model.noise(len(x))), x)
    mean, spread = result.output.detach().unbind(1)
    sigma = (functional.softplus(spread) + 1e-6 + SMALLEST_SPREAD).numpy()
    own, raw = data.standards, data.test.pixels
    assert own is not None
    expected = np.zeros(len(x))
    for column in (0, 1):  # the constant column costs nothing
        centre = own.centre[column] + own.spread[column] * mean[:, column].numpy()
        expected -= stats.norm.logpdf(raw[:, column], centre, own.spread[column] * sigma[:, column])
    chance = torch.sigmoid(mean[:, 2]).numpy()
    expected -= stats.bernoulli.logpmf(raw[:, 2].astype(int), chance)
    np.testing.assert_allclose(result.distortion.detach().numpy(), expected, rtol=1e-6)


def test_archives_of_images_refuse_a_model_of_rows() -> None:
    with pytest.raises(SpecError, match="a vector model of rows cannot be coded: archives hold images"):
        subject_of(small())


def test_units_are_kept_exactly_and_are_undone() -> None:
    data, model = rows(), small()
    assert model.likelihood.standards.centre[0] == data.standards.centre[0]  # type: ignore[union-attr]
    raw = frame()[["far", "small", "above", "constant"]]
    torch.testing.assert_close(model.inputs(raw), Images.of(data, raw.to_numpy(np.float64)).pixels)
    z2, z1 = model.encode(raw)
    assert z2.shape == z1.shape == (240, 2)
    for back in (model.decode([z2, z1]), model.sample(50, seed=0), model.reconstruct(raw)):
        assert bool(((back[:, 0] - FAR).abs() < 20).all()) and bool((back[:, 1].abs() < 0.02).all())
        assert bool((back[:, 2] > 0).all()) and bool((back[:, 2] < 1).all()) and set(back[:, 3].tolist()) == {7.0}
    assert model.encode(raw.to_numpy(np.float64)[0])[0].shape == (1, 2)


def test_a_file_keeps_the_units(tmp_path_factory: pytest.TempPathFactory) -> None:
    path, model = tmp_path_factory.mktemp("kept") / "model.safetensors", small()
    checkpoint.save_alone(path, model)
    again = rs.load(path)
    assert repr(again) == repr(model) and "rows of 4" in repr(again)
    raw = frame()[["far", "small", "above", "constant"]]
    for one, other in zip(again.encode(raw), model.encode(raw), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(again.sample(3, seed=1), model.sample(3, seed=1))


def test_draws_have_the_spread_of_the_data_and_booleans_are_booleans() -> None:
    model = small()
    assert isinstance(model.likelihood, ByColumn)
    output = torch.stack([torch.zeros(4000, 4), torch.full((4000, 4), math.log(math.e - 1))], 1)  # sigma 1
    drawn = model.likelihood.drawn(output, torch.Generator().manual_seed(0)).double()
    spread = torch.from_numpy(model.likelihood.standards.spread)
    torch.testing.assert_close(drawn[:, 1].std(), spread[1] * (1 + SMALLEST_SPREAD), rtol=0.05, atol=0)
    assert set(drawn[:, 2].tolist()) == {0.0, 1.0} and abs(float(drawn[:, 2].mean()) - 0.5) < 0.05
    assert set(drawn[:, 3].tolist()) == {7.0}


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_every_parameter_learns_and_a_pack_computes_what_its_members_do(layers: int) -> None:
    models = [small(layers, seed) for seed in range(2)]
    x = Images.of(rows(), rows().train.pixels[:5]).pixels
    noise = models[0].noise(5)
    packed = pack_pass(models[0], stack(models), PosteriorSample(noise), x)
    for index, model in enumerate(models):
        alone = model(PosteriorSample(noise), x)
        torch.testing.assert_close(packed.rates[index], alone.rates, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(packed.distortion[index], alone.distortion, rtol=1e-4, atol=1e-4)
    last = models[-1]
    result = last(PosteriorSample(noise), x)
    (result.distortion + result.rates.sum(1)).mean().backward()
    still = [name for name, p in last.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert still == []


def test_conditioned_on_betas_it_merges_exactly() -> None:
    network = Conditioned(small(3).double(), 0.1, 10.0, width=8, rank=2, knots=3).double()
    with torch.no_grad():
        for p in network.film.parameters():
            p.add_(0.05 * torch.randn_like(p))
    betas, noise = (0.3, 2.0, 5.0), network.noise(2)
    x = Images.of(rows(), rows().train.pixels[:2], dtype=torch.float64).pixels
    outside = network(PosteriorSample(noise), x, torch.tensor([betas, betas], dtype=torch.float64))
    model = network.at(betas)
    merged = model(PosteriorSample(noise), x)
    torch.testing.assert_close(merged.distortion, outside.distortion, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(merged.rates, outside.rates, rtol=1e-9, atol=1e-9)
    assert not torch.equal(merged.output[0, 1], small(3).double()(PosteriorSample(noise), x).output[0, 1])  # sigmas too


def test_families_of_images_and_of_vectors_refuse_each_other() -> None:
    assert resolved_model(ModelSpec(), SHAPE, binary=False).family == "vector"
    for family in ("lvae", "bottom-up", "residual", "deep"):
        with pytest.raises(
            SpecError, match=re.escape(f"model.family is {family}, which takes images, but the data are vectors")
        ):
            resolved_model(ModelSpec(family=family), SHAPE, binary=False)
    with pytest.raises(
        SpecError, match=re.escape("model.family is vector, which takes vectors, but the data are images")
    ):
        resolved_model(ModelSpec(family="vector"), (1, 28, 28), binary=False)
    with pytest.raises(SpecError, match=re.escape("model.likelihood is 'bernoulli', which is for images")):
        resolved_model(ModelSpec(likelihood="bernoulli"), SHAPE, binary=False)
    with pytest.raises(SpecError, match=re.escape("model.likelihood is 'by-column', which is for vectors")):
        resolved_model(ModelSpec(likelihood="by-column"), (1, 28, 28), binary=False)


def test_rows_of_another_form_are_refused() -> None:
    model = small()
    for given, told in ((np.zeros((3, 5)), "5 columns"), (np.zeros((2, 2, 4)), "3 axes")):
        expected = f"rows has {told}, but this model takes 4 columns (far, small, above, constant)"
        with pytest.raises(SpecError, match=re.escape(expected)):
            model.encode(given)
    with pytest.raises(DataError, match=re.escape("missing values (x1: 1)")):
        model.encode([[1.0, math.nan, 0.0, 7.0]])
    with pytest.raises(DataError, match="neither numbers nor booleans"):
        model.encode(frame()[["far", "small", "above", "constant"]].astype({"far": str}))


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    model, own = small(), frame(20).drop(columns=["kind", "amount"])
    turned = own[own.columns[::-1]]
    turned.to_csv(tmp_path / "turned.csv", index=False)
    again = checkpoint.from_bytes(checkpoint.to_bytes(model), "the model")
    expected = model.encode(own.to_numpy(float))[0]
    for one in (model, again):
        for given in (own, turned, tmp_path / "turned.csv"):
            torch.testing.assert_close(one.encode(given)[0], expected)
    torch.testing.assert_close(model.encode(own.set_axis(range(4), axis=1))[0], expected)  # no names: by position
    np.testing.assert_allclose(model.score(turned)["nelbo"], model.score(own)["nelbo"])
    np.testing.assert_allclose(items_at(str(tmp_path / "turned.csv"), None, tuple(own)).pixels, own.to_numpy(float))
    with pytest.raises(DataError, match=re.escape("rows lacks far and has unknown near: give the model's 4 columns")):
        model.encode(own.rename(columns={"far": "near"}))
    with pytest.raises(DataError, match=re.escape("rows has unknown more: give")):
        model.score(own.assign(more=1))
    own.assign(more=1).to_csv(tmp_path / "more.csv", index=False)
    with pytest.raises(DataError, match=r"has a column more .*: if it is the target, .* add --target more; else leave"):
        items_at(str(tmp_path / "more.csv"), None, tuple(own))
    assert items_at(str(tmp_path / "more.csv"), "more", tuple(own)).pixels.shape == own.shape
    own[["far"]].to_csv(tmp_path / "one.csv", index=False)
    assert items_at(str(tmp_path / "one.csv")).pixels.shape == (20, 1)  # of a model whose columns have no names
