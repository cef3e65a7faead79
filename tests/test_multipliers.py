import math

import pytest
import torch

from ratescape.specs.training import AnnealingPath
from ratescape.training.betas.fixed import FixedBetas
from ratescape.training.betas.policy import weighted
from ratescape.training.betas.sampled import SampledBetas


def test_warmup_rises_linearly_and_then_stays() -> None:
    betas = torch.tensor([[0.1, 10.0], [1.0, 1.0]])
    fixed = FixedBetas(betas, annealing=4, path="linear")
    drawn = torch.stack([fixed.draw(step, 8).betas for step in range(8)])
    torch.testing.assert_close(drawn[:, 0, 1], torch.tensor([2.5, 5.0, 7.5, 10, 10, 10, 10, 10]))
    torch.testing.assert_close(drawn[3], betas)


def test_geometric_warmup_goes_from_the_smallest_beta_in_equal_ratios() -> None:
    betas = torch.tensor([[0.1, 10.0], [4.0, 0.25], [3.0, 3.0]], dtype=torch.float64)
    fixed = FixedBetas(betas, annealing=4, path="geometric")
    drawn = torch.stack([fixed.draw(step, 8).betas for step in range(6)])
    expected = torch.tensor([0.1 * 100**share for share in (0.25, 0.5, 0.75, 1, 1, 1)], dtype=torch.float64)
    torch.testing.assert_close(drawn[:, 0, 1], expected)
    torch.testing.assert_close(drawn[:, 0, 0], torch.full((6,), 0.1, dtype=torch.float64))
    torch.testing.assert_close(drawn[1, 1], torch.tensor([1.0, 0.25], dtype=torch.float64))
    torch.testing.assert_close(drawn[:, 2], torch.full((6, 2), 3.0, dtype=torch.float64))


@pytest.mark.parametrize("path", ["linear", "geometric"])
def test_no_warmup(path: AnnealingPath) -> None:
    betas = torch.tensor([[0.1, 10.0]])
    torch.testing.assert_close(FixedBetas(betas, annealing=0, path=path).draw(0, 8).betas, betas)


@pytest.mark.parametrize("per_image", [False, True])
def test_weighted_is_the_sum_over_layers(per_image: bool) -> None:
    rates, betas = torch.rand(2, 5, 3), torch.rand(2, 5, 3) if per_image else torch.rand(2, 3)
    expected = torch.zeros(2, 5)
    for p in range(2):
        for b in range(5):
            expected[p, b] = sum(
                rates[p, b, layer] * (betas[p, b] if per_image else betas[p])[layer] for layer in range(3)
            )
    torch.testing.assert_close(weighted(rates, betas), expected)


LOW, HIGH = 0.05, 20.0


def sampled(
    groups: tuple[int, ...] = (0, 1), members: int = 1, annealing: int = 0, seed: int = 0, least: float = 0.0
) -> SampledBetas:
    return SampledBetas(LOW, HIGH, groups, members, annealing, seed, torch.zeros(1, dtype=torch.float64), least)


def told(policy: SampledBetas, step: int, images: int) -> torch.Tensor:
    betas = policy.draw(step, images).told
    assert betas is not None
    return betas


def places(betas: torch.Tensor) -> torch.Tensor:
    """Where in the box: 0 at its smallest beta, 1 at its largest."""
    return (betas / LOW).log() / math.log(HIGH / LOW)


def test_sampled_betas_are_log_uniform_but_for_faces_and_diagonal() -> None:
    drawn = torch.cat([places(told(sampled(), step, 200)[0]) for step in range(20)]).reshape(20, 200, 2)
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
    drawn = told(sampled(members=3), 7, 16)
    assert drawn.shape == (3, 16, 2)
    torch.testing.assert_close(drawn[0], drawn[2])
    torch.testing.assert_close(told(sampled(), 7, 16)[0], drawn[0])
    assert not torch.allclose(told(sampled(), 8, 16)[0], drawn[0])
    assert not torch.allclose(told(sampled(seed=1), 7, 16)[0], drawn[0])


def test_layers_of_a_group_share_their_beta() -> None:
    drawn = told(sampled(groups=(0, 1, 1)), 0, 32)[0]
    torch.testing.assert_close(drawn[:, 1], drawn[:, 2])
    assert not torch.allclose(drawn[:, 0], drawn[:, 1])


def test_the_betas_of_the_loss_rise_to_what_is_told() -> None:
    rising = sampled(annealing=10)
    for step, share in ((0, 0.1), (4, 0.5), (9, 1.0), (30, 1.0)):
        drawn = rising.draw(step, 64)
        torch.testing.assert_close(drawn.told, sampled().draw(step, 64).betas)
        torch.testing.assert_close(drawn.betas, share * told(rising, step, 64))


def test_weights_undo_the_loss_where_it_is_log_quadratic_in_the_betas() -> None:
    fitted = sampled(members=2)
    torch.testing.assert_close(fitted.draw(0, 8).weights, torch.ones(2, 8, dtype=torch.float64))
    curve = torch.tensor([[1.0, -2.0, 0.5, 0.7, -0.3, 0.9], [0.0, 1.0, 1.0, -0.5, 0.2, 0.1]], dtype=torch.float64)

    def losses(betas: torch.Tensor) -> torch.Tensor:
        a, b = places(betas).unbind(2)
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
    plain, shifted = sampled(), sampled(least=1771.0)
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


def test_broken_losses_leave_no_trace_and_the_fit_is_taken_up() -> None:
    one, other = sampled(), sampled()
    for step in range(5):
        drawn = one.draw(step, 32)
        losses = drawn.betas.sum(2)
        one.observe(drawn, torch.zeros_like(drawn.betas), losses)
        broken = losses.clone()
        broken[0, 0] = float("nan")
        other.observe(drawn, torch.zeros_like(drawn.betas), broken)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in other.state().values())
    later = sampled()
    later.restore(one.state())
    torch.testing.assert_close(later.draw(9, 32).weights, one.draw(9, 32).weights)
