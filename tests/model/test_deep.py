"""The deep family: blocks at several resolutions, against a plain implementation written here."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ratescape.errors import SpecError
from ratescape.model.conditioning import Conditioned
from ratescape.model.deep import DeepLayer
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorSample
from ratescape.model.packs import pack_pass, stack
from ratescape.model.registry import build, resolved_model
from ratescape.specs.blocks import Level, fitting, levels, sizes, usual, written
from ratescape.specs.groups import resolved_groups
from ratescape.specs.model import LikelihoodName, ModelSpec

BINARY = (1, 28, 28)


def small(blocks: str | None = None, shape: tuple[int, int, int] = BINARY, *, seed: int = 0, width: int = 8) -> HVAE:
    """A narrow network, its posteriors and priors made unlike each other."""
    spec = ModelSpec(family="deep", channels=width, latents=(3,), blocks=blocks, likelihood="gaussian")
    torch.manual_seed(seed)
    return build(resolved_model(spec, shape, binary=False), shape)


@torch.no_grad()
def shaken(model: HVAE) -> HVAE:
    """All weights moved, so that nothing is zero that starts at zero."""
    for p in model.parameters():
        p.add_(0.1 * torch.randn_like(p))
    return model


class Plain:
    """The network written out with tensors of its state dictionary alone, independent of the package's modules."""

    def __init__(self, model: HVAE, blocks: list[tuple[int, int]]) -> None:
        self.weights = dict(model.state_dict())
        self.blocks = blocks

    def body(self, name: str, x: Tensor) -> Tensor:
        for index in (1, 3, 5, 7):
            weight = self.weights[f"{name}.{index}.weight"]
            x = functional.conv2d(
                0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
                weight,
                self.weights[f"{name}.{index}.bias"],
                padding=weight.shape[-1] // 2,
            )
        return x

    def pooled(self, x: Tensor) -> Tensor:
        """The mean of each 2 x 2 cells; of what there is of them at an odd border."""
        height, width = x.shape[2:]
        rows = [[x[:, :, i : i + 2, j : j + 2].mean((2, 3)) for j in range(0, width, 2)] for i in range(0, height, 2)]
        return torch.stack([torch.stack(row, -1) for row in rows], -2)

    def evidence(self, images: Tensor) -> dict[int, Tensor]:
        weight, bias = self.weights["encoder.stem.weight"], self.weights["encoder.stem.bias"]
        stride = 1 if self.blocks[-1][0] == images.shape[-1] else 2
        x = functional.conv2d(images, weight, bias, stride, padding=weight.shape[-1] // 2)
        found: dict[int, Tensor] = {}
        level = 0
        while True:
            block = 0
            while f"encoder.blocks.{level}.{block}.body.1.weight" in self.weights:
                x = x + self.body(f"encoder.blocks.{level}.{block}.body", x)
                block += 1
            found[x.shape[-1]] = x
            if x.shape[-1] == self.blocks[0][0]:
                return found
            x, level = self.pooled(x), level + 1

    def repeated(self, x: Tensor, size: tuple[int, ...]) -> Tensor:
        """Nearest neighbour: the cell that the first corner of each new one lies in."""
        rows, columns = ([i * old // new for i in range(new)] for new, old in zip(size, x.shape[2:], strict=True))
        return x[:, :, rows][:, :, :, columns]

    def gaussian(self, name: str, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self.body(name, x).chunk(2, 1)
        return mean, torch.log1p(spread.exp()) + 1e-6

    def __call__(self, images: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The decoder's output and the rates ``[B, L]``."""
        evidence, rates, index = self.evidence(images), [], 0
        state = self.weights["layers.0.start"].expand(len(images), -1, -1, -1)
        for _, count in self.blocks:
            for _ in range(count):
                name = f"layers.{index}"
                seen = torch.cat([state, evidence[state.shape[-1]]], 1)
                p_mean, p_sigma = self.gaussian(f"{name}.prior_heads.body", state)
                q_mean, q_sigma = self.gaussian(f"{name}.posterior_heads.body", seen)
                kl = (p_sigma / q_sigma).log() + (q_sigma**2 + (q_mean - p_mean) ** 2) / (2 * p_sigma**2) - 0.5
                rates.append(kl.sum((1, 2, 3)))
                z = q_mean + q_sigma * noise[index]
                spread = functional.conv2d(
                    z, self.weights[f"{name}.spread.weight"], self.weights[f"{name}.spread.bias"]
                )
                state = state + spread
                state = state + self.body(f"{name}.residual.body", state)
                if f"{name}.grow.bias" in self.weights:
                    bias = self.weights[f"{name}.grow.bias"]
                    state = self.repeated(state, bias.shape[2:]) + bias
                index += 1
        part = 0
        while f"decoder.{part}.bias" in self.weights and self.weights[f"decoder.{part}.bias"].ndim == 4:
            bias = self.weights[f"decoder.{part}.bias"]
            state = self.repeated(state, bias.shape[2:]) + bias
            state = state + self.body(f"decoder.{part + 1}.body", state)
            part += 2
        state = 0.5 * state * (1 + torch.erf(state / math.sqrt(2)))
        return self.pixels(state, f"decoder.{part + 1}", images.shape[2:]), torch.stack(rates, 1)

    def pixels(self, state: Tensor, name: str, size: tuple[int, ...]) -> Tensor:
        """A convolution; from half the image's sides after zeros have been put between the cells."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        if state.shape[2:] == size:
            return functional.conv2d(state, weight, bias, padding=1)
        spread = state.new_zeros(*state.shape[:2], *size)
        spread[:, :, ::2, ::2] = state
        return functional.conv2d(spread, weight.flip(2, 3).transpose(0, 1), bias, padding=2)


@pytest.mark.parametrize("blocks", ["1x1,4x2,7x2,14x1", "2x1,28x2", "7x3", "4x1,14x1"])
def test_a_pass_is_exactly_that_of_the_plain_network(blocks: str) -> None:
    model = shaken(small(blocks)).double()
    images, noise = torch.rand(3, *BINARY, dtype=torch.float64), model.noise(3)
    result = model(PosteriorSample(noise), images)
    output, rates = Plain(model, [(level.resolution, level.blocks) for level in levels(blocks)])(images, noise)
    torch.testing.assert_close(result.output, output, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(result.rates, rates, rtol=1e-9, atol=1e-9)
    per_pixel = 0.5 * ((images - output) / 0.71) ** 2 + math.log(0.71) + 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(result.distortion, per_pixel.sum((1, 2, 3)), rtol=1e-10, atol=1e-9)


def test_it_has_as_many_parameters_as_its_parts_add_up_to() -> None:
    width, inner, latents = 8, 2, 3

    def conv(inputs: int, outputs: int, kernel: int) -> int:
        return outputs * (inputs * kernel**2 + 1)

    def body(inputs: int, outputs: int, kernel: int) -> int:
        return conv(inputs, inner, 1) + 2 * conv(inner, inner, kernel) + conv(inner, outputs, 1)

    def block(kernel: int) -> int:
        heads = body(width, 2 * latents, kernel) + body(2 * width, 2 * latents, kernel)
        return heads + conv(latents, width, 1) + body(width, width, kernel)

    # Encoder: a stem to 14; 14 twice, 7 once, 4 and 2 once, 1 once; a block has 3x3 convolutions but at 2 and 1.
    encoder = conv(1, width, 5) + 2 * body(width, width, 3) + 2 * body(width, width, 3) + 2 * body(width, width, 1)
    top_down = block(1) + block(3) + 2 * block(3) + width * (1 + 7**2 + 14**2)
    decoder = conv(width, 1, 5)
    assert sum(p.numel() for p in small("1x1,7x1,14x2").parameters()) == encoder + top_down + decoder


def test_the_rate_is_the_mean_of_log_ratios_at_samples() -> None:
    torch.manual_seed(1)
    model = shaken(small("1x1,7x2")).double()
    images = torch.rand(1, *BINARY, dtype=torch.float64).repeat(1000, 1, 1, 1)
    result = model(PosteriorSample(model.noise(len(images))), images)
    for index, (q, p, z) in enumerate(zip(result.posteriors, result.priors, result.latents, strict=True)):
        ratio = q.log_density(z) - p.log_density(z)
        # Given the layers above, the ratio's mean is the rate: their difference has mean zero.
        difference = (ratio - result.rates[:, index]).detach()
        assert abs(float(difference.mean())) < 4 * float(difference.std()) / math.sqrt(len(images))


def test_rates_and_distortion_are_the_negative_elbo_and_reach_every_weight() -> None:
    model = shaken(small("1x1,4x1,14x1"))
    images = torch.rand(2, *BINARY)
    result = model(PosteriorSample(model.noise(2)), images)
    (result.distortion + result.rates.sum(1)).mean().backward()
    untouched = [name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert untouched == []


@pytest.mark.parametrize("blocks", ["1x1,14x1", "1x2,4x2,7x2,14x2", "1x2,4x6,7x6,14x6"])
def test_a_pack_computes_what_its_members_do_alone(blocks: str) -> None:
    models = [shaken(small(blocks, seed=seed)) for seed in range(2)]
    images, noise = torch.rand(2, *BINARY), models[0].noise(2)
    packed = pack_pass(models[0], stack(models), PosteriorSample(noise), images)
    for index, model in enumerate(models):
        alone = model(PosteriorSample(noise), images)
        torch.testing.assert_close(packed.rates[index], alone.rates, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(packed.distortion[index], alone.distortion, rtol=1e-4, atol=1e-3)


def test_conditioned_on_betas_it_merges_exactly() -> None:
    torch.manual_seed(0)
    model = small("1x1,7x2,14x2")
    network = Conditioned(model, 0.1, 10.0, width=8, groups=(0, 1, 1, 2, 2), rank=2, knots=3).double()
    with torch.no_grad():
        for p in network.film.parameters():
            p.add_(0.05 * torch.randn_like(p))
    betas = (0.3, 2.0, 2.0, 5.0, 5.0)
    images, noise = torch.rand(2, *BINARY, dtype=torch.float64), network.noise(2)
    given = torch.tensor([betas, betas], dtype=torch.float64)
    outside, merged = network(PosteriorSample(noise), images, given), network.at(betas)(PosteriorSample(noise), images)
    torch.testing.assert_close(merged.rates, outside.rates, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(merged.output, outside.output, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 128, 128), (3, 27, 45), (1, 17, 9)])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "learned-gaussian", "logistic-mixture"])
def test_images_of_every_size_come_back_as_they_were(shape: tuple[int, int, int], likelihood: LikelihoodName) -> None:
    spec = ModelSpec(family="deep", channels=4, latents=(2,), likelihood=likelihood)
    model = build(resolved_model(spec, shape, binary=likelihood == "bernoulli"), shape)
    images = torch.rand(1, *shape).round()
    result = model(PosteriorSample(model.noise(1)), images)
    assert bool(result.distortion.isfinite().all()) and bool(result.rates.isfinite().all())
    assert model.reconstruct(images).shape == images.shape
    assert model.sample(2).shape == (2, *shape)
    z = model.encode(images)
    assert model.decode(z[:2]).shape == images.shape


def test_one_layer_and_forty_layers_are_networks() -> None:
    assert len(small("7x1").latent_shapes) == 1
    model = small("1x2,4x8,7x12,14x18")
    assert len(model.latent_shapes) == 40
    assert model.latent_shapes[0] == (3, 1, 1) and model.latent_shapes[-1] == (3, 14, 14)
    assert all(isinstance(layer, DeepLayer) for layer in model.layers)


def test_priors_are_standard_normal_at_first() -> None:
    result = small("1x1,7x2")(PosteriorSample(small("1x1,7x2").noise(2)), torch.rand(2, *BINARY))
    for prior in result.priors:
        torch.testing.assert_close(prior.mean, torch.zeros_like(prior.mean))
        torch.testing.assert_close(prior.sigma, torch.ones_like(prior.sigma), rtol=1e-5, atol=1e-5)


def test_the_state_grows_less_with_layers_than_a_sum_would() -> None:
    spreads = [state_of_samples(small(f"7x{count}", width=32)) for count in (2, 32)]
    assert spreads[1] < 3 * spreads[0]  # of a plain sum: sixteen times the variance, four times the spread


@torch.no_grad()
def state_of_samples(model: HVAE) -> float:
    """Standard deviation of the state below the last layer, over samples from the prior."""
    seen: list[float] = []
    model.decoder.register_forward_pre_hook(lambda _, given: seen.append(float(given[0].std())))
    model.sample(64, seed=0)
    return seen[0]


def test_blocks_are_read_and_written() -> None:
    assert levels(" 1x1, 4x2,14x3 ") == (Level(1, 1), Level(4, 2), Level(14, 3))
    assert written(levels("1x1,4x2")) == "1x1,4x2"
    assert list(sizes(28, 28)) == [28, 14, 7, 4, 2, 1] and sizes(27, 45)[23] == (14, 23)
    assert written(usual(32, 32)) == "1x1,8x2,16x2"


@pytest.mark.parametrize("text", ["", "1", "4x2,4x1", "7x1,4x1", "4x0", "ax1", "4x-1", "4x1;7x1"])
def test_blocks_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"model\.blocks is .*1x1,4x2"):
        ModelSpec(family="deep", blocks=text)


def test_blocks_that_do_not_fit_the_image_are_refused_with_those_that_do() -> None:
    with pytest.raises(SpecError, match=r"28 x 28 pixels have no resolution 8, 16; theirs are 1, 2, 4, 7, 14, 28"):
        resolved_model(ModelSpec(family="deep", blocks="1x1,8x2,16x2"), BINARY, binary=True)
    with pytest.raises(SpecError, match=r"it is for deep"):
        ModelSpec(blocks="1x1")
    with pytest.raises(SpecError, match=r"one for each of the 3 blocks"):
        ModelSpec(family="deep", blocks="1x1,4x2", latents=(2, 3))
    with pytest.raises(SpecError, match=r"bottleneck"):
        ModelSpec(family="deep", bottleneck=0.0)
    assert fitting("1x1,4x2", 28, 28) == (Level(1, 1), Level(4, 2))


def test_each_resolution_is_a_group_and_the_coarsest_are_joined() -> None:
    assert resolved_groups(None, ModelSpec(family="deep")) == (0, 1, 1, 2, 2)
    assert resolved_groups(None, ModelSpec(family="deep", blocks="1x1,2x1,4x2,7x1,14x2")) == (0, 0, 0, 0, 1, 2, 2)
    assert resolved_groups(None, ModelSpec(family="deep", blocks="7x3")) == (0, 0, 0)
