"""Fixed betas and the two paths that lead to them."""

import pytest
import torch

from ratescape.specs.training import AnnealingPath
from ratescape.training.betas.fixed import FixedBetas


def test_linear_annealing_rises_linearly_and_then_stays() -> None:
    betas = torch.tensor([[0.1, 10.0], [1.0, 1.0]])
    fixed = FixedBetas(betas, annealing=4, path="linear")
    drawn = torch.stack([fixed.draw(step, 8).betas for step in range(8)])
    torch.testing.assert_close(drawn[:, 0, 1], torch.tensor([2.5, 5.0, 7.5, 10, 10, 10, 10, 10]))
    torch.testing.assert_close(drawn[3], betas)


def test_geometric_annealing_goes_from_the_smallest_beta_in_equal_ratios() -> None:
    betas = torch.tensor([[0.1, 10.0], [4.0, 0.25], [3.0, 3.0]], dtype=torch.float64)
    fixed = FixedBetas(betas, annealing=4, path="geometric")
    drawn = torch.stack([fixed.draw(step, 8).betas for step in range(6)])
    expected = torch.tensor([0.1 * 100**share for share in (0.25, 0.5, 0.75, 1, 1, 1)], dtype=torch.float64)
    torch.testing.assert_close(drawn[:, 0, 1], expected)
    torch.testing.assert_close(drawn[:, 0, 0], torch.full((6,), 0.1, dtype=torch.float64))
    torch.testing.assert_close(drawn[1, 1], torch.tensor([1.0, 0.25], dtype=torch.float64))
    torch.testing.assert_close(drawn[:, 2], torch.full((6, 2), 3.0, dtype=torch.float64))


@pytest.mark.parametrize("path", ["linear", "geometric"])
def test_without_annealing_betas_have_their_values_from_the_first_step(path: AnnealingPath) -> None:
    betas = torch.tensor([[0.1, 10.0]])
    torch.testing.assert_close(FixedBetas(betas, annealing=0, path=path).draw(0, 8).betas, betas)
