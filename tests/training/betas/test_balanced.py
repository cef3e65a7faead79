"""Annealing that first brings all groups to carry alike: against a plant of known answer, and taken up again."""

import math

import pytest
import torch
from torch import Tensor

from ratescape.training.betas.balanced import BalancedAnnealing
from ratescape.training.betas.sampled import BetaBox, SampledBetas

CONDITIONS = torch.tensor([[[0.1, 10.0, 10.0], [10.0, 0.1, 0.1]]], dtype=torch.float64)  # [1, 2, 3]


def balanced(hold: int = 400, descent: int = 1000) -> BalancedAnnealing:
    return BalancedAnnealing((0, 1, 1), 1, hold, descent)


def plant(betas: Tensor) -> Tensor:
    """Rates ``[P, B, L]`` that fall with their own beta: 3 / beta^0.5 of the top layer, 0.6 / beta of the others."""
    return torch.stack([3 / betas[..., 0].sqrt(), 0.6 / betas[..., 1], 0.6 / betas[..., 2]], -1)


def run(annealing: BalancedAnnealing, first: int, last: int) -> Tensor:
    betas = CONDITIONS
    for step in range(first, last):
        betas = annealing.betas(CONDITIONS, step)
        annealing.observe(step, plant(betas))
    return betas


def test_groups_are_brought_to_the_same_rate_whatever_their_layers_cost() -> None:
    annealing = balanced()
    held = run(annealing, 0, 399)
    assert torch.equal(held[0, 0], held[0, 1])  # whatever the network is conditioned on
    assert held[0, 0, 0].item() == pytest.approx((3 / 15) ** 2, rel=0.05)
    assert held[0, 0, 1].item() == pytest.approx(2 * 0.6 / 15, rel=0.05)  # two layers carry 15 nats together
    assert held[0, 0, 1] == held[0, 0, 2]


def test_all_begin_where_every_layer_is_cheap_and_stay_in_the_range() -> None:
    annealing = balanced()
    assert torch.allclose(annealing.betas(CONDITIONS, 0), torch.tensor(1e-3, dtype=torch.float64))
    for step in range(300):  # the top carries nothing, the lower ones far too much
        annealing.observe(step, torch.tensor([[[0.0, 500.0, 500.0]]]))
    top, lower, _ = annealing.betas(CONDITIONS, 300)[0, 0].tolist()
    assert (top, lower) == pytest.approx((1e-3, 1.0))


def test_from_there_betas_go_geometrically_to_their_values() -> None:
    annealing = balanced()
    start = run(annealing, 0, 400)[0, 0]
    halfway = annealing.betas(CONDITIONS, 699)
    torch.testing.assert_close(halfway, (annealing.log_betas.exp()[:, None, [0, 1, 1]] * CONDITIONS).sqrt())
    assert torch.equal(annealing.betas(CONDITIONS, 999), CONDITIONS) and annealing.steps == 1000
    annealing.observe(700, torch.full((1, 2, 3), 1e4))  # the controller is done
    torch.testing.assert_close(annealing.betas(CONDITIONS, 400)[0, 0], start, rtol=0.02, atol=0)


@pytest.mark.parametrize(("hold", "descent", "held"), [(170, 1000, 170), (170, 100, 50), (170, 1, 0), (0, 0, 0)])
def test_short_trainings_are_balanced_for_half_of_their_annealing(hold: int, descent: int, held: int) -> None:
    annealing = balanced(hold, descent)
    assert annealing.hold == held
    assert torch.equal(annealing.betas(CONDITIONS, max(0, descent - 1)), CONDITIONS)


def test_a_rate_that_is_not_finite_teaches_nothing() -> None:
    annealing, spoilt = balanced(), balanced()
    for step in range(20):
        annealing.observe(step, torch.full((1, 2, 3), 40.0))
        spoilt.observe(step, torch.full((1, 2, 3), 40.0))
    spoilt.observe(20, torch.full((1, 2, 3), math.nan))
    assert torch.equal(annealing.log_betas, spoilt.log_betas) and torch.equal(annealing.rates, spoilt.rates)


def test_a_policy_goes_on_as_if_never_interrupted() -> None:
    def policy() -> SampledBetas:
        return SampledBetas(BetaBox(0.1, 10.0, (0, 1, 1)), 1, balanced(), 0, torch.zeros(1, dtype=torch.float64))

    def steps(policy: SampledBetas, first: int, last: int) -> Tensor:
        for step in range(first, last):
            drawn = policy.draw(step, 16)
            policy.observe(drawn, plant(drawn.betas), torch.full((1, 16), 100.0, dtype=torch.float64))
        return policy.draw(last, 16).betas

    whole, before, after = policy(), policy(), policy()
    wanted = steps(whole, 0, 60)
    steps(before, 0, 25)
    after.restore({name: tensor.clone() for name, tensor in before.state().items()})
    assert torch.equal(steps(after, 25, 60), wanted)
