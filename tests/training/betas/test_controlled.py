"""Controlled betas on a stand-in for training: rates that follow their betas with a delay, a drift and noise."""

import math

import pytest
import torch
from torch import Tensor

from ratescape.specs.control import ControlSpec
from ratescape.specs.rate_targets import RANGE, RateTarget
from ratescape.training.betas.controlled import ControlledBetas

LIKE = torch.empty(0)


class Plant:
    """Two layers whose log rates lag behind linear functions of the log betas; ceilings of 60 and 80 nats."""

    def __init__(self, members: int, noise: float = 0.03, seed: int = 0) -> None:
        self.logs = torch.zeros(members, 2, dtype=torch.float64)
        self.noise = noise
        self.generator = torch.Generator().manual_seed(seed)

    def rates(self, betas: Tensor) -> Tensor:
        pull = torch.tensor([[-0.8, 0.25], [0.25, -0.9]], dtype=torch.float64)
        wanted = torch.tensor([12.0, 25.0]).double().log() + betas.double().log() @ pull.T
        self.logs += 0.02 * (wanted.clamp(max=torch.tensor([60.0, 80.0]).log()) - self.logs)
        noise = self.noise * torch.randn(len(betas), 16, 2, generator=self.generator, dtype=torch.float64)
        return (self.logs.unsqueeze(1) + noise).exp()


def run(control: ControlledBetas, plant: Plant, first: int, last: int) -> Tensor:
    """Steps ``first`` to ``last``; returns the betas of the last."""
    betas = torch.empty(0)
    for step in range(first, last):
        drawn = control.draw(step, 16)
        betas = drawn.betas
        rates = plant.rates(betas)
        control.observe(drawn, rates, rates.sum(2))
    return betas


def targets(*requests: tuple[float, float]) -> list[list[RateTarget]]:
    return [[RateTarget((2,), top), RateTarget((1,), lower)] for top, lower in requests]


def test_each_member_reaches_its_own_rates_and_settles() -> None:
    asked = [(5.0, 20.0), (10.0, 10.0), (20.0, 5.0), (15.0, 40.0)]
    control, plant = ControlledBetas(targets(*asked), 2, 3000, ControlSpec(), LIKE), Plant(4)
    betas = run(control, plant, 0, 3000)
    torch.testing.assert_close(plant.logs.exp(), torch.tensor(asked).double(), rtol=0.01, atol=0)
    log = control.log(1)
    assert all(line["betas"] == log[-1]["betas"] for line in log if line["step"] > 2401)
    settled = torch.tensor([line["betas"] for line in log if 1800 < line["step"] <= 2400]).log()
    assert settled.std(0).max() < 0.02  # no limit cycle
    tail = torch.tensor([line["betas"] for line in log if 2100 < line["step"] <= 2400]).log().mean(0)
    torch.testing.assert_close(betas[1].double().log(), tail.double(), rtol=0, atol=0.005)


def test_betas_keep_their_starting_value_and_then_move_without_a_jump() -> None:
    control, plant = ControlledBetas(targets((20.0, 5.0)), 2, 1000, ControlSpec(start=0.7), LIKE), Plant(1, noise=0)
    kept = run(control, plant, 0, 101)
    torch.testing.assert_close(kept, torch.full((1, 2), 0.7), rtol=1e-6, atol=0)
    moved = run(control, plant, 101, 102)
    assert 0 < (moved.log() - kept.log()).abs().max() <= 0.02 + 1e-6  # the integral's share, of an error of 1 at most


def test_members_do_not_see_each_other() -> None:
    asked = [(5.0, 20.0), (10.0, 10.0)]
    together = run(ControlledBetas(targets(*asked), 2, 200, ControlSpec(), LIKE), Plant(2, noise=0), 0, 200)
    for index, one in enumerate(asked):
        alone = run(ControlledBetas(targets(one), 2, 200, ControlSpec(), LIKE), Plant(1, noise=0), 0, 200)
        torch.testing.assert_close(together[index : index + 1], alone, rtol=1e-6, atol=0)


def test_betas_of_unreachable_rates_end_at_the_range_without_winding_up() -> None:
    control, plant = ControlledBetas(targets((200.0, 1.0)), 2, 2000, ControlSpec(), LIKE), Plant(1)
    betas = run(control, plant, 0, 2000)
    assert betas[0, 0] == pytest.approx(math.exp(RANGE[0])) and torch.isfinite(betas).all()
    # Anti-windup: asked for less, it turns round at once.
    control = ControlledBetas(targets((200.0, 1.0)), 2, 100_000, ControlSpec(), LIKE)
    plant = Plant(1)
    run(control, plant, 0, 5000)
    control.target_rates[0, 0] = 10.0
    assert run(control, plant, 5000, 5150)[0, 0].log() > RANGE[0] + 1


def test_groups_share_a_beta_and_layers_without_a_target_keep_theirs() -> None:
    control = ControlledBetas([[RateTarget((2, 1), 30.0)]], 2, 3000, ControlSpec(), LIKE)
    plant = Plant(1)
    betas = run(control, plant, 0, 3000)
    assert betas[0, 0] == betas[0, 1]
    assert plant.logs.exp().sum().item() == pytest.approx(30, rel=0.01)
    control = ControlledBetas([[RateTarget((1,), 30.0)]], 2, 3000, ControlSpec(others=0.5), LIKE)
    plant = Plant(1)
    betas = run(control, plant, 0, 3000)
    assert betas[0, 0] == pytest.approx(0.5) and plant.logs[0, 1].exp().item() == pytest.approx(30, rel=0.01)


def test_resumed_is_uninterrupted() -> None:
    asked = targets((5.0, 20.0), (10.0, 10.0))
    whole, plant = ControlledBetas(asked, 2, 300, ControlSpec(), LIKE), Plant(2)
    expected = run(whole, plant, 0, 300)
    for cut in (1, 100, 230, 260):
        before, plant = ControlledBetas(asked, 2, 300, ControlSpec(), LIKE), Plant(2)
        run(before, plant, 0, cut)
        after = ControlledBetas(asked, 2, 300, ControlSpec(), LIKE)
        after.restore({name: tensor.clone() for name, tensor in before.state().items()})
        assert torch.equal(run(after, plant, cut, 300), expected)
        assert after.log(0) == whole.log(0)


def test_a_failed_step_teaches_nothing() -> None:
    control = ControlledBetas(targets((5.0, 20.0), (5.0, 20.0)), 2, 300, ControlSpec(), LIKE)
    plant = Plant(2)
    run(control, plant, 0, 50)
    before = control.draw(50, 16)
    rates = plant.rates(before.betas)
    rates[0] = math.nan
    control.observe(before, rates, rates.sum(2))
    after = control.draw(51, 16)
    assert torch.equal(after.betas[0], before.betas[0]) and not torch.equal(after.betas[1], before.betas[1])
    assert torch.isfinite(run(control, plant, 51, 300)).all()
