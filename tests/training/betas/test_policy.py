import pytest
import torch

from ratescape.training.betas.policy import weighted


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
