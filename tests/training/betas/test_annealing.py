"""How betas reach their values: closed forms for every group, and training that is too short for them."""

import math

import pytest
import torch

from ratescape.specs.conditioning import StaggeredSpec
from ratescape.specs.runs import NetworkSpec
from ratescape.specs.training import TrainingSpec
from ratescape.training.betas.annealing import LinearAnnealing, StaggeredAnnealing, network_annealing

START = StaggeredAnnealing.START


def drawn(count: int, layers: int, seed: int = 0) -> torch.Tensor:
    """Betas ``[count, L]`` between 0.01 and 100."""
    generator = torch.Generator().manual_seed(seed)
    return 10 ** (4 * torch.rand(count, layers, generator=generator, dtype=torch.float64) - 2)


def test_linear() -> None:
    betas = drawn(5, 3)
    for step, share in ((0, 0.1), (4, 0.5), (9, 1.0), (30, 1.0)):
        torch.testing.assert_close(LinearAnnealing(10).betas(betas, step), share * betas)
    assert torch.equal(LinearAnnealing(0).betas(betas, 0), betas)


@pytest.mark.parametrize("groups", [(0,), (0, 0), (0, 1), (0, 1, 1), (0, 1, 2), (0, 0, 1, 2, 2, 3, 4)])
@pytest.mark.parametrize(("rise", "descent"), [(17, 60), (0, 60), (60, 60), (1, 7)])
def test_staggered_in_closed_form(groups: tuple[int, ...], rise: int, descent: int) -> None:
    annealing, betas, lowest = StaggeredAnnealing(groups, rise, descent), drawn(4, len(groups)), max(groups)
    assert annealing.steps == (max(rise, descent) if lowest else rise)
    for step in (0, 1, 3, 16, 17, 30, 58, 59, 60, 1000):
        found = annealing.betas(betas, step)
        for layer, group in enumerate(groups):
            span = descent + (rise - descent) * group / lowest if lowest else rise
            share = 1.0 if span == 0 else min(1.0, (step + 1) / span)
            for beta, value in zip(betas[:, layer].tolist(), found[:, layer].tolist(), strict=True):
                wanted = share * beta
                if group < lowest:
                    wanted = math.exp((1 - share) * math.log(START) + share * math.log(beta))
                assert value == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(("rise", "descent"), [(170, 12), (0, 0), (5, 0), (1, 1)])
def test_a_rise_longer_than_the_descent_ends_with_it(rise: int, descent: int) -> None:
    betas, annealing = drawn(3, 3), StaggeredAnnealing((0, 1, 2), rise, descent)
    assert annealing.steps == descent
    assert torch.equal(annealing.betas(betas, max(0, descent - 1)), betas)


def test_the_lower_the_sooner_whatever_the_groups_are_called() -> None:
    betas = torch.full((1, 3), 10.0)
    for groups in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        annealing = StaggeredAnnealing(groups, 10, 100)
        top, middle, low = annealing.betas(betas, 40)[0].tolist()
        assert top < middle < low == 10
        assert annealing.betas(betas, 54)[0, 1] == pytest.approx(10)  # halfway between 10 and 100 steps


def test_betas_below_the_start_stay_where_they_are() -> None:
    betas = torch.tensor([[START / 10, 1.0]])
    annealing = StaggeredAnnealing((0, 1), 5, 20)
    assert [annealing.betas(betas, step)[0, 0].item() for step in (0, 10, 19)] == [betas[0, 0].item()] * 3


def test_betas_of_each_image_and_member_keep_shape_and_precision() -> None:
    betas = drawn(24, 2).reshape(2, 12, 2).float()
    found = StaggeredAnnealing((0, 1), 5, 20).betas(betas, 3)
    assert found.shape == betas.shape and found.dtype == torch.float32
    torch.testing.assert_close(found[1, 3], StaggeredAnnealing((0, 1), 5, 20).betas(betas[1, 3], 3))


@pytest.mark.parametrize(("epochs", "rise", "descent"), [(1, 170, 0.6), (1, 3, 1.0), (3, 170, 1.0), (50, 170, 0.6)])
def test_every_training_ends_at_the_betas_asked_for(epochs: int, rise: int, descent: float) -> None:
    spec = NetworkSpec(training=TrainingSpec(epochs=epochs, batch=32), staggered=StaggeredSpec(rise, descent))
    annealing, betas = network_annealing(spec, 150), drawn(3, 2)  # 5 steps an epoch
    assert annealing.steps == round(descent * 5 * epochs)
    assert torch.equal(annealing.betas(betas, 5 * epochs - 1), betas)


def test_without_staggering_annealing_is_that_of_the_training() -> None:
    annealing = network_annealing(NetworkSpec(training=TrainingSpec(epochs=10, batch=32, annealing=2)), 150)
    assert isinstance(annealing, LinearAnnealing) and annealing.steps == 10
