"""What a pack's pass and a step of its training become for the device."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.toy_family import running_mean, toy
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ratescape.data.batches import Images
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.latents import PosteriorSample
from ratescape.model.packs import member, pack_pass, split, stack
from ratescape.model.registry import build, resolved_model
from ratescape.specs.execution import CompileName
from ratescape.specs.model import ModelSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training import loop, state
from ratescape.training.betas.annealing import LinearAnnealing, StaggeredAnnealing
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.betas.sampled import BetaBox, SampledBetas
from ratescape.training.context import Saving, TrainingContext

SHAPE = (3, 16, 16)
MEMBERS = 5


def model_of() -> HVAE:
    torch.manual_seed(0)
    return build(resolved_model(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=False), SHAPE)


class Calls(TorchDispatchMode):
    """Notes every operator's name, tensors and other arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[str, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.noted.append((func._schema.name, (args, kwargs), out))
        return out


def test_what_sees_the_shared_images_is_one_wide_convolution() -> None:
    """Forward and backward: the images are neither copied for every member nor divided into groups."""
    model, images = model_of(), torch.rand(6, *SHAPE)
    parameters = {name: p.requires_grad_() for name, p in stack([model] * MEMBERS).items()}
    with Calls() as calls:
        result = pack_pass(model, parameters, PosteriorSample(model.noise(6)), images)
        torch.autograd.grad(result.distortion.sum() + result.rates.sum(), list(parameters.values()))
    width = 4 * MEMBERS
    forward = [args for name, (args, _), _ in calls.noted if name == "aten::convolution" and args[0].shape[1] == 3]
    backward = [
        args for name, (args, _), _ in calls.noted if name == "aten::convolution_backward" and args[1].shape[1] == 3
    ]
    assert len(forward) == len(backward) == 2  # one for each tower of the encoder
    for args in forward:
        assert (tuple(args[0].shape), tuple(args[1].shape), args[8]) == ((6, *SHAPE), (width, 3, 4, 4), 1)
    for args in backward:
        assert (tuple(args[1].shape), tuple(args[2].shape), args[9]) == ((6, *SHAPE), (width, 3, 4, 4), 1)


class Waits(TorchDispatchMode):
    """Refuses copies of more than single numbers from the host, which may make it wait for the device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given, made = ([t for t in tree_leaves(x) if isinstance(t, Tensor)] for x in ((args, kwargs), out))
        from_host = any(t.device.type == "cpu" and t.numel() > 1 for t in given)
        if from_host and any(t.is_meta for t in (*given, *made)):
            assert (kwargs or {}).get("non_blocking") is True, f"{func} waits for the device"
        return out


@pytest.mark.parametrize("conditioned", [False, True])
def test_a_step_never_waits_for_the_device(monkeypatch: pytest.MonkeyPatch, conditioned: bool) -> None:
    """Tensors of the device "meta" have no contents: whatever would read one on the host fails."""
    generator = torch.Generator
    monkeypatch.setattr(torch, "Generator", lambda *_: generator())  # there is none for "meta"
    monkeypatch.setattr(state.TrainingState, "all_frozen", lambda _: False)  # asked once an epoch
    model, images = model_of().to("meta"), Images(np.zeros((150, *SHAPE), np.uint8), False, "meta")
    spec = TrainingSpec(epochs=1, batch=32, ema=0.9, clip=1.0)
    if conditioned:
        annealing = StaggeredAnnealing((0, 1), 2, 3)
        policy = SampledBetas(BetaBox(0.1, 10.0, (0, 1)), MEMBERS, annealing, 0, torch.empty(0, device="meta"))
        network = Conditioned(model, 0.1, 10.0, 8).to("meta")
    else:
        policy = FixedBetas(torch.ones(MEMBERS, 2, device="meta") * torch.tensor([[0.1, 1.0]], device="meta"), 3)
        network = model
    waits, steps = Waits(), []

    class Listener:
        def step(self, done: int, total: int) -> None:
            steps.append(done)
            if done == 1:  # the first step comes after the epoch's order was copied
                waits.__enter__()
            if done == 4:
                waits.__exit__(None, None, None)
                raise KeyboardInterrupt

        def epoch(self, records: object) -> None: ...

    with pytest.raises(KeyboardInterrupt):
        loop.train(spec, network, images, policy, MEMBERS, 7, context=TrainingContext(listener=Listener()))
    assert steps == [1, 2, 3, 4]


def test_a_compiled_step_is_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """To 1e-6 after three steps, the last on a smaller batch; traced as for the C++ compiler, which takes minutes."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    images = Images(np.random.default_rng(0).integers(0, 256, (20, *SHAPE), np.uint8), False)
    ends = []
    for compiled in ("never", "always"):
        network = Conditioned(model_of(), 0.1, 10.0, 8)
        policy = SampledBetas(BetaBox(0.1, 10.0, (0, 1)), 2, LinearAnnealing(0), 0, torch.empty(0))
        spec = TrainingSpec(epochs=1, batch=8)
        ends.append(
            loop.train(spec, network, images, policy, 2, 7, context=TrainingContext(compiled=compiled)).parameters
        )
    for name, weights in ends[0].items():
        torch.testing.assert_close(ends[1][name], weights, rtol=0, atol=1e-6)


def toys(count: int) -> list[HVAE]:
    """Networks with buffers, each with weights and a running mean of its own."""
    torch.manual_seed(0)
    spec = ModelSpec(channels=1, latents=(3, 2), likelihood="gaussian")
    models = [toy(spec, SHAPE) for _ in range(count)]
    for index, model in enumerate(models):
        running_mean(model).fill_(index)
    return models


@pytest.mark.parametrize("count", [1, 3])
def test_buffers_travel_with_their_member(count: int) -> None:
    """Each member sees its own in a pass, keeps what the pass makes of it, and leaves the model it came from alone."""
    models, images = toys(count), torch.rand(6, *SHAPE)
    tensors, source = stack(models), PosteriorSample(models[0].noise(6))
    assert {name for name in tensors if "weight" not in name and "bias" not in name} == {
        "encoder.mean",
        "decoder.calls",
    }
    together = pack_pass(models[0], tensors, source, images)
    assert [float(running_mean(model)[0]) for model in models] == list(range(count))
    for index, model in enumerate(models):
        alone = model(source, images)
        torch.testing.assert_close(together.rates[index], alone.rates)
        kept = member(tensors, index)
        assert kept.keys() == model.state_dict().keys() and int(kept["decoder.calls"]) == 1
        torch.testing.assert_close(kept["encoder.mean"], running_mean(model))


@pytest.mark.parametrize("compiled", ["never", "always"])
def test_buffers_change_in_training_and_have_no_gradient(
    monkeypatch: pytest.MonkeyPatch, compiled: CompileName
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    images = Images(np.random.default_rng(0).integers(0, 256, (20, *SHAPE), np.uint8), False)
    (model,) = toys(1)
    policy, spec = FixedBetas(torch.ones(2, 2), 0), TrainingSpec(epochs=2, batch=8, ema=0.9)
    trained = loop.train(spec, model, images, policy, 2, 7, context=TrainingContext(compiled=compiled)).parameters
    assert trained.keys() == model.state_dict().keys()
    assert trained["decoder.calls"].tolist() == [6, 6]  # steps
    assert float((trained["encoder.mean"] - images.take(torch.arange(20)).flatten(1).mean(0)).abs().max()) < 0.5
    _, buffers = split(model, trained)
    assert not any(buffer.requires_grad for buffer in buffers.values())


def test_a_training_taken_up_again_has_the_buffers_it_had(tmp_path: Path) -> None:
    images = Images(np.random.default_rng(0).integers(0, 256, (20, *SHAPE), np.uint8), False)
    (model,) = toys(1)
    spec, saving = TrainingSpec(epochs=2, batch=8), Saving(tmp_path / "checkpoint", 0, "mine")

    def run(context: TrainingContext) -> dict[str, Tensor]:
        return loop.train(spec, model, images, FixedBetas(torch.ones(2, 2), 0), 2, 7, context=context).parameters

    class Stopper:
        def step(self, done: int, total: int) -> None:
            if done == 5:  # the checkpoint is of the fourth step
                raise KeyboardInterrupt

        def epoch(self, records: object) -> None:
            """Epochs are of no interest."""

    with pytest.raises(KeyboardInterrupt):
        run(TrainingContext(saving, Stopper()))
    assert saving.path.exists()
    whole, resumed = run(TrainingContext()), run(TrainingContext(saving))
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=0)
