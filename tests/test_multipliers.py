import pytest
import torch

from ratescape.multipliers import FixedBetas, weighted
from ratescape.specs import WarmupPath


def test_warmup_rises_linearly_and_then_stays() -> None:
    betas = torch.tensor([[0.1, 10.0], [1.0, 1.0]])
    fixed = FixedBetas(betas, warmup=4, path="linear")
    drawn = torch.stack([fixed.draw(step) for step in range(8)])
    torch.testing.assert_close(drawn[:, 0, 1], torch.tensor([2.5, 5.0, 7.5, 10, 10, 10, 10, 10]))
    torch.testing.assert_close(drawn[3], betas)


def test_geometric_warmup_goes_from_the_smallest_beta_in_equal_ratios() -> None:
    betas = torch.tensor([[0.1, 10.0], [4.0, 0.25], [3.0, 3.0]], dtype=torch.float64)
    fixed = FixedBetas(betas, warmup=4, path="geometric")
    drawn = torch.stack([fixed.draw(step) for step in range(6)])
    expected = torch.tensor([0.1 * 100**share for share in (0.25, 0.5, 0.75, 1, 1, 1)], dtype=torch.float64)
    torch.testing.assert_close(drawn[:, 0, 1], expected)
    torch.testing.assert_close(drawn[:, 0, 0], torch.full((6,), 0.1, dtype=torch.float64))
    torch.testing.assert_close(drawn[1, 1], torch.tensor([1.0, 0.25], dtype=torch.float64))
    torch.testing.assert_close(drawn[:, 2], torch.full((6, 2), 3.0, dtype=torch.float64))


@pytest.mark.parametrize("path", ["linear", "geometric"])
def test_no_warmup(path: WarmupPath) -> None:
    betas = torch.tensor([[0.1, 10.0]])
    torch.testing.assert_close(FixedBetas(betas, warmup=0, path=path).draw(0), betas)


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
