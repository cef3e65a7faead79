"""Betas drawn from a box: how they are spread, and the weights that make losses comparable."""

import math

import torch

from ratescape.training.betas.annealing import LinearAnnealing, StaggeredAnnealing
from ratescape.training.betas.policy import StepBetas
from ratescape.training.betas.sampled import BetaBox, SampledBetas

LOW, HIGH = 0.05, 20.0


def sampled(
    groups: tuple[int, ...] = (0, 1), members: int = 1, annealing: int = 0, seed: int = 0, constant: float = 0.0
) -> SampledBetas:
    like = torch.zeros(1, dtype=torch.float64)
    return SampledBetas(BetaBox(LOW, HIGH, groups), members, LinearAnnealing(annealing), seed, like, constant)


def conditions(policy: SampledBetas, step: int, images: int) -> torch.Tensor:
    betas = policy.draw(step, images).conditions
    assert betas is not None
    return betas


def positions(betas: torch.Tensor) -> torch.Tensor:
    """Where in the box: 0 at its smallest beta, 1 at its largest."""
    return (betas / LOW).log() / math.log(HIGH / LOW)


def test_sampled_betas_are_log_uniform_but_for_faces_and_diagonal() -> None:
    drawn = torch.cat([positions(conditions(sampled(), step, 200)[0]) for step in range(20)]).reshape(20, 200, 2)
    faces, rest = drawn[:, :50], drawn[:, 70:]
    assert bool(((faces == 0) | (faces == 1)).any(2).all())
    assert bool(((drawn >= -1e-12) & (drawn <= 1 + 1e-12)).all())
    near = (drawn[:, 50:70, 0] - drawn[:, 50:70, 1]).abs()
    assert float(near.mean()) < 3 * SampledBetas.JITTER  # mean |difference| of two such normals: 1.13 x the jitter
    for axis in range(2):
        # An evenly spread sequence: the largest gap of its distribution function is far below the 0.04 of random draws.
        ordered = rest[0, :, axis].sort().values
        gap = (ordered - (torch.arange(len(ordered)) + 0.5) / len(ordered)).abs().max()
        assert float(gap) < 0.04
    assert abs(float((rest[..., 0] * rest[..., 1]).mean()) - 0.25) < 0.01  # independent axes


def test_sampled_betas_are_a_function_of_seed_and_step_alone_and_shared_by_members() -> None:
    drawn = conditions(sampled(members=3), 7, 16)
    assert drawn.shape == (3, 16, 2)
    torch.testing.assert_close(drawn[0], drawn[2])
    torch.testing.assert_close(conditions(sampled(), 7, 16)[0], drawn[0])
    assert not torch.allclose(conditions(sampled(), 8, 16)[0], drawn[0])
    assert not torch.allclose(conditions(sampled(seed=1), 7, 16)[0], drawn[0])


def test_layers_of_a_group_share_their_beta() -> None:
    drawn = conditions(sampled(groups=(0, 1, 1)), 0, 32)[0]
    torch.testing.assert_close(drawn[:, 1], drawn[:, 2])
    assert not torch.allclose(drawn[:, 0], drawn[:, 1])


def test_the_betas_of_the_loss_rise_to_those_conditioned_on() -> None:
    rising = sampled(annealing=10)
    for step, share in ((0, 0.1), (4, 0.5), (9, 1.0), (30, 1.0)):
        drawn = rising.draw(step, 64)
        torch.testing.assert_close(drawn.conditions, sampled().draw(step, 64).betas)
        torch.testing.assert_close(drawn.betas, share * conditions(rising, step, 64))


def test_weights_undo_the_loss_where_it_is_log_quadratic_in_the_betas() -> None:
    fitted = sampled(members=2)
    torch.testing.assert_close(fitted.draw(0, 8).weights, torch.ones(2, 8, dtype=torch.float64))
    curve = torch.tensor([[1.0, -2.0, 0.5, 0.7, -0.3, 0.9], [0.0, 1.0, 1.0, -0.5, 0.2, 0.1]], dtype=torch.float64)

    def losses(betas: torch.Tensor) -> torch.Tensor:
        a, b = positions(betas).unbind(2)
        return torch.einsum("pf,fpb->pb", curve, torch.stack([torch.ones_like(a), a, b, a * a, a * b, b * b])).exp()

    for step in range(50):
        drawn = fitted.draw(step, 64)
        fitted.observe(drawn, torch.zeros_like(drawn.betas), losses(drawn.betas))
    drawn = fitted.draw(99, 256)
    assert drawn.weights is not None
    torch.testing.assert_close(drawn.weights.mean(1), torch.ones(2, dtype=torch.float64))
    level = drawn.weights * losses(drawn.betas)
    # The ridge of 1e-4 leaves some percent; the losses themselves differ by factors.
    assert float((level.std(1) / level.mean(1)).max()) < 0.03 < 0.3 < float(losses(drawn.betas).std(1).min())


def test_the_likelihoods_constant_has_no_say_in_the_weights() -> None:
    plain, shifted = sampled(), sampled(constant=1771.0)
    for step in range(50):
        for fitted, constant in ((plain, 0.0), (shifted, 1771.0)):
            drawn = fitted.draw(step, 64)
            fitted.observe(drawn, torch.zeros_like(drawn.betas), constant + drawn.betas.sum(2))
    one, other = plain.draw(99, 64).weights, shifted.draw(99, 64).weights
    assert one is not None and other is not None
    torch.testing.assert_close(one, other)
    assert one.max() > 3 * one.min()


def test_images_count_alike_where_losses_may_be_negative() -> None:
    fitted = sampled()
    for step in range(50):
        drawn = fitted.draw(step, 64)
        fitted.observe(drawn, torch.zeros_like(drawn.betas), drawn.betas.sum(2) - 1)
    torch.testing.assert_close(fitted.draw(99, 64).weights, torch.ones(1, 64, dtype=torch.float64))


def test_broken_losses_leave_no_trace() -> None:
    """The fit is the one to the other images alone."""
    broken, without = sampled(), sampled()
    for step in range(5):
        drawn = broken.draw(step, 32)
        losses = drawn.betas.sum(2)
        losses[0, :2] = torch.tensor([math.nan, math.inf])
        broken.observe(drawn, torch.zeros_like(drawn.betas), losses)
        assert drawn.conditions is not None
        rest = StepBetas(drawn.betas[:, 2:], drawn.conditions[:, 2:])
        without.observe(rest, torch.zeros_like(rest.betas), losses[:, 2:])
    for name, tensor in broken.state().items():
        torch.testing.assert_close(tensor, without.state()[name])


def test_the_fit_is_restored() -> None:
    one, later = sampled(), sampled()
    for step in range(5):
        drawn = one.draw(step, 32)
        one.observe(drawn, torch.zeros_like(drawn.betas), drawn.betas.sum(2))
    later.restore(one.state())
    weights = one.draw(9, 32).weights
    assert weights is not None and weights.std() > 0.1
    torch.testing.assert_close(later.draw(9, 32).weights, weights, rtol=0, atol=0)


def test_weights_follow_the_loss_while_betas_are_annealed() -> None:
    """Weighted losses are to be even at every step, though the loss at given conditions changes with annealing.

    Rates as of a Gaussian channel whose noise is worth its beta, distortions to match: losses differ by 30 %.
    """
    descent, spread = 410, dict[int, float]()  # as in 12 epochs on mnist-5k
    policy = SampledBetas(
        BetaBox(LOW, HIGH, (0, 1)), 1, StaggeredAnnealing((0, 1), 170, descent), 0, torch.zeros(1, dtype=torch.float64)
    )
    for step in range(descent + 300):
        drawn = policy.draw(step, 64)
        top, low = drawn.betas.unbind(2)
        rates = torch.stack([50 / (1 + top), 100 / (1 + 3 * low)], 2)
        distortion = 40 + 60 * (top / (1 + top) + low / (1 + low))
        losses = distortion + (drawn.betas * rates).sum(2)
        assert drawn.weights is not None
        level = drawn.weights * losses
        spread[step] = float(level.std() / level.mean())
        policy.observe(drawn, rates, distortion)
    # The fit remembers 100 steps, over which the top's beta grows by factors in the end: it lags behind, not far.
    assert max(spread[step] for step in range(20, descent)) < 0.2
    assert spread[descent // 2] < 0.06 and max(spread[step] for step in range(descent + 200, descent + 300)) < 0.06
