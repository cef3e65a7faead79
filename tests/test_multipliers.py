import pytest
import torch

from ratescape.multipliers import FixedBetas, weighted


def test_warmup_rises_linearly_and_then_stays() -> None:
    betas = torch.tensor([[0.1, 10.0], [1.0, 1.0]])
    fixed = FixedBetas(betas, warmup=4)
    drawn = torch.stack([fixed.draw(step) for step in range(8)])
    torch.testing.assert_close(drawn[:, 0, 1], torch.tensor([2.5, 5.0, 7.5, 10, 10, 10, 10, 10]))
    torch.testing.assert_close(drawn[3], betas)


def test_no_warmup() -> None:
    betas = torch.tensor([[0.1, 10.0]])
    torch.testing.assert_close(FixedBetas(betas, warmup=0).draw(0), betas)


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
