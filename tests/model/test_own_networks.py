"""Networks that a factory of the user's builds: examined, built, conditioned on betas, loaded by permission alone."""

import re
import sys
from pathlib import Path
from typing import Any

import attention
import pytest
import safetensors.torch
import torch
from helpers.own_modules import MARKED, NET, Write
from helpers.own_modules import forgotten as forgotten
from helpers.own_modules import written as written
from helpers.own_networks import three

import ratescape
from ratescape import checkpoint
from ratescape.errors import CheckpointError, SpecError
from ratescape.model import factories
from ratescape.model.conditioning import Conditioned
from ratescape.model.distributions import Bernoulli
from ratescape.model.latents import PosteriorSample
from ratescape.model.registry import build, resolved_model
from ratescape.specs.factories import allow_factories
from ratescape.specs.model import LikelihoodName, ModelSpec
from ratescape.specs.runs import NetworkSpec

SHAPE = (1, 16, 16)
pytestmark = pytest.mark.usefixtures("forgotten")


def own(name: str, **options: Any) -> ModelSpec:
    return ModelSpec(factory=f"helpers.own_networks:{name}", options=options or None)


def checks(name: str) -> dict[str, tuple[str, str]]:
    spec = ModelSpec(factory=f"helpers.own_networks:{name}", likelihood="bernoulli")
    allow_factories([f"helpers.own_networks:{name}"])
    return {check.name: (check.state, check.said) for check in factories.examination(spec, SHAPE).checks}


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "learned-gaussian", "logistic-mixture"])
@pytest.mark.parametrize("factory", ["attention:tokens", "helpers.own_networks:three"])
def test_both_examples_pass_every_check(factory: str, likelihood: LikelihoodName) -> None:
    allow_factories([factory])
    found = factories.examination(ModelSpec(factory=factory, likelihood=likelihood), (3, 16, 24))
    assert len(found.checks) == 9 and {check.state for check in found.checks} == {"ok"}
    assert found.latents == ((8, 24) if "tokens" in factory else (3, 48, 24)) and not found.tied


def test_a_spec_is_resolved_by_building_its_network() -> None:
    spec = resolved_model(own("three", width=6, latents=[5, 1]), SHAPE, binary=True)
    assert (spec.latents, spec.layers, spec.likelihood, spec.tied) == ((5, 16), 2, "bernoulli", False)
    assert spec.source and resolved_model(spec, SHAPE, binary=True) == spec
    model = build(spec, SHAPE)
    assert model.spec == spec and str(model).startswith("HVAE(helpers.own_networks:three: z2 5, z1 1x4x4; bernoulli")
    z2, _ = model.encode(torch.zeros(2, 16, 16))
    assert model.decode(z2).shape == model.sample(2).shape == (2, 1, 16, 16)
    bottom_up = resolved_model(own("bottom_up"), SHAPE, binary=True)
    assert bottom_up.tied and bottom_up.usual_groups == (0, 0, 0)


@pytest.mark.parametrize(
    ("name", "check", "said"),
    [
        ("normed", "items", r"encoder\.tower\.1 is batch norm.*use nn\.GroupNorm or nn\.LayerNorm"),
        ("dropping", "repeated", r"as with dropout"),
        ("idle", "gradients", r"no gradient reaches encoder\.unused"),
        ("frozen", "weights", r"decoder\.weight, decoder\.bias has requires_grad=False"),
        ("exploding", "finite", r"rates of new weights are not finite"),
        (
            "misshapen",
            "shapes",
            r"output has shape \[1, 2, 16, 16\]: it must be \[1, 1, 16, 16\], the parameters of Bern",
        ),
        ("broadcast", "shapes", r"the prior of z2 has shape \[1, 2, 4, 4\]: it must be \[1, 3, 3\]"),
        (
            "sparing",
            "shapes",
            r"the encoder gives evidence as a list of 2, but there are 3 layers: return a list with that of each",
        ),
        ("shapeless", "shapes", r"a layer, Shapeless, has no shape: see docs/own-network\.md"),
        ("unlooked", "items", r"3 images cannot be passed through it \(RuntimeError: never looked at\): correct it"),
        ("unlucky", "weights", r"draw all weights by PyTorch's global generator"),
        ("forgetful", "buffers", r"encoder\.mean changes in training but is not kept"),
    ],
)
def test_each_check_refuses_what_it_is_for(name: str, check: str, said: str) -> None:
    line = rf"^model\.factory is 'helpers.own_networks:{name}', whose network fails the check of {check}: .*{said}"
    with pytest.raises(SpecError, match=line) as caught:
        resolved_model(own(name), SHAPE, binary=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "check", "said"),
    [
        ("branching", "packs", r"models train one by one: torch\.func\.vmap fails"),
        ("attending", "betas", r"cannot be merged into its weights, .*nn\.MultiheadAttention"),
        ("unbiased", "betas", r"decoder has no bias"),
    ],
)
def test_what_a_network_cannot_do_is_noted_and_no_more(name: str, check: str, said: str) -> None:
    found = checks(name)
    states = {one: state for one, (state, _) in found.items()}
    assert states == dict.fromkeys(found, "ok") | {check: "note"} and len(found) == 9
    assert re.search(said, found[check][1])
    spec = resolved_model(own(name), SHAPE, binary=True)
    if check == "packs":
        factories.refuse_unconditioned(spec, SHAPE)
        return
    with pytest.raises(SpecError, match=rf"{said}.*, so add --method dedicated$"):
        factories.refuse_unconditioned(spec, SHAPE)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("failing", {}, r"failed when called with \(1, 16, 16\), Bernoulli \(RuntimeError: no such width\)"),
        ("three", {"widht": 3}, r"Bernoulli, widht=3 \(TypeError: .*unexpected keyword argument 'widht'"),
        ("other", {}, r"which returned a Linear: return ratescape\.HVAE"),
        ("resized", {}, r"another image_shape or likelihood than it was called with"),
        ("number", {}, r"of type int, which cannot be called"),
        ("nothing", {}, r"has no nothing: check the name"),
    ],
)
def test_what_is_no_factory_of_a_network_is_told_in_one_line(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=rf"^model\.factory is 'helpers.own_networks:{name}'.*{said}") as caught:
        resolved_model(own(name, **options), SHAPE, binary=True)
    assert "\n" not in str(caught.value)


def test_betas_act_on_fully_connected_layers_over_tokens() -> None:
    """As in an image of its own, and as merged into the weights."""
    torch.manual_seed(0)
    network = Conditioned(attention.tokens((1, 8, 8), Bernoulli(), width=8), 0.1, 10.0, width=4, rank=2).double().eval()
    torch.nn.init.normal_(network.film.head.weight, std=0.2)
    images, betas = torch.rand(3, 1, 8, 8).double(), torch.tensor([[0.2, 5.0], [1.0, 1.0], [8.0, 0.3]]).double()
    source = PosteriorSample(network.noise(3))
    together = network(source, images, betas)
    assert any(kind == "scale" and "block.query" in name for name, kind, _ in network.film.heads)
    for index, row in enumerate(betas):
        alone = network.at(row)(source, images)
        torch.testing.assert_close(together.rates[index], alone.rates[index])
        torch.testing.assert_close(together.distortion[index], alone.distortion[index])


# Files


@pytest.fixture
def kept(written: Write, tmp_path: Path) -> Path:
    """A model and a conditioned network of a module of the user's, whose process is over."""
    spec = resolved_model(
        ModelSpec(factory=written(MARKED.format(str(tmp_path / "imported")) + NET)), SHAPE, binary=True
    )
    model = build(spec, SHAPE)
    state = model.state_dict()
    state["layers.1.prior.mean.bias"].fill_(0.5)
    state["encoder.mean"].fill_(0.25)
    checkpoint.save_alone(tmp_path / "model", model)
    network = Conditioned(model, 0.1, 10.0, width=4, rank=2, groups=(0, 1, 2))
    like = NetworkSpec(model=spec, low=0.1, high=10.0, width=4, rank=2, knots=0, groups=(0, 1, 2))
    checkpoint.save_network(tmp_path / "network", network.state_dict(), like, {"image_shape": SHAPE})
    forget(tmp_path)
    return tmp_path


def forget(folder: Path) -> None:
    """As in a new process."""
    from ratescape.specs import factories as known

    known._known.clear()
    known._allowed.clear()
    sys.modules.pop("own_net", None)
    (folder / "imported").unlink(missing_ok=True)


def test_loading_imports_nothing_without_permission(kept: Path) -> None:
    wants = r"the network is built by the factory own_net:net, and ratescape imports no code that a file names"
    for read in (ratescape.load, ratescape.evaluate):
        with pytest.raises(SpecError, match=rf"^{kept}/model: {wants}"):
            read(kept / "model")
    with pytest.raises(SpecError, match=rf"^{kept}/network: {wants}"):
        checkpoint.load_network(kept / "network")
    with pytest.raises(SpecError, match=wants):
        ratescape.load(kept / "model", allow=["own_net:other", "other:net"])
    assert not (kept / "imported").exists() and "own_net" not in sys.modules


def test_loading_by_name_or_with_the_factory_gives_the_model_and_its_buffers(kept: Path) -> None:
    given = ratescape.load(kept / "model", factory=three)
    assert not (kept / "imported").exists()
    allowed = ratescape.load(kept / "model", allow=["own_net:net"])
    assert (kept / "imported").exists()
    for model in (given, allowed):
        state = model.state_dict()
        assert bool((state["encoder.mean"] == 0.25).all()) and bool((state["layers.1.prior.mean.bias"] == 0.5).all())
    network, header = checkpoint.load_network(kept / "network")
    assert header["network"].model == allowed.spec and network.at((1.0, 0.5, 2.0)).spec == allowed.spec
    with pytest.raises(CheckpointError, match="of another shape"):
        ratescape.load(kept / "model", factory=lambda *given: three(*given, width=2))
    with pytest.raises(SpecError, match=r"model: model\.factory is .*made layers of \(3, 16, 16\) numbers"):
        ratescape.load(kept / "model", factory=lambda *given: three(*given, latents=(3, 1, 1)))


def test_a_changed_source_is_refused_by_name_and_taken_as_a_function(kept: Path) -> None:
    (kept / "own_net.py").write_text(NET + "# changed\n")
    line = r"model: the source of own_net:net has changed since \(digest \w{12}, now \w{12}\)"
    with pytest.raises(SpecError, match=line):
        ratescape.load(kept / "model", allow=["own_net:net"])
    assert ratescape.load(kept / "model", factory=three).layers


def test_a_factory_for_a_network_of_a_family_is_refused(tmp_path: Path) -> None:
    checkpoint.save_alone(tmp_path / "model", build(resolved_model(ModelSpec(), (1, 28, 28), True), (1, 28, 28)))
    with pytest.raises(SpecError, match="factory is given, but the network is of family ghvae: leave it out"):
        ratescape.load(tmp_path / "model", factory=three)


@pytest.mark.parametrize("named", ["os:system", "own_net:net", "os:__import__('os').system", "builtins:exec"])
def test_a_hostile_file_imports_and_calls_nothing(
    named: str, written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "imported"
    written(MARKED.format(str(mark)) + f"def net(*given, **options):\n    open({str(mark)!r}, 'w')\n")
    monkeypatch.setattr("os.system", lambda *given: mark.touch())
    header = {"model": {"factory": named, "options": f'{{"command": "touch {mark}"}}'}, "image_shape": [1, 16, 16]}
    checkpoint.save(tmp_path / "model", {"a": torch.ones(1)}, header)
    before = set(sys.modules)
    with pytest.raises(SpecError, match=r"imports no code that a file names|must be package\.module:function"):
        ratescape.load(tmp_path / "model")
    assert not mark.exists() and "own_net" not in sys.modules and set(sys.modules) == before
    assert safetensors.torch.load_file(tmp_path / "model").keys() == {"a"}
