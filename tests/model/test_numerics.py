"""Values against closed forms and independent libraries, gradients by finite differences, and the far ends."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from ratescape.model import numerics

FINITE = st.floats(-20, 20)
SIGMA = st.floats(1e-4, 50)


def tensor(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@given(FINITE, SIGMA, FINITE, SIGMA)
def test_gaussian_kl_equals_torch_distributions(m: float, s: float, mp: float, sp: float) -> None:
    ours = numerics.gaussian_kl(*map(tensor, (m, s, mp, sp)))
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Normal(tensor(m), tensor(s)), torch.distributions.Normal(tensor(mp), tensor(sp))
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    assert ours >= -1e-12


def test_gaussian_kl_of_nearly_equal_distributions_keeps_its_digits() -> None:
    # KL of N(0, (1 + e)^2) against N(0, 1) is e^2 + O(e^3); a difference of large numbers would lose it in float32.
    difference = 2.0**-10
    kl = numerics.gaussian_kl(torch.zeros(()), torch.tensor(1 + difference), torch.zeros(()), torch.ones(()))
    assert float(kl) == pytest.approx(difference**2, rel=0.05)


@given(FINITE, FINITE, SIGMA)
def test_gaussian_log_density_equals_scipy(x: float, m: float, s: float) -> None:
    ours = numerics.gaussian_log_density(*map(tensor, (x, m, s)))
    assert float(ours) == pytest.approx(scipy.stats.norm.logpdf(x, m, s), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_positive_never_reaches_zero_and_keeps_its_gradient_finite(dtype: torch.dtype) -> None:
    x = torch.tensor([-1e4, -200.0, 0.0, 200.0, 1e4], dtype=dtype, requires_grad=True)
    sigma = numerics.positive(x)
    torch.log(sigma).sum().backward()
    assert (sigma >= numerics.SMALLEST_SIGMA).all() and torch.isfinite(sigma).all()
    assert x.grad is not None and torch.isfinite(x.grad).all()


@given(st.floats(1e-3, 100))
def test_inverse_softplus_inverts(value: float) -> None:
    assert float(torch.nn.functional.softplus(tensor(numerics.inverse_softplus(value)))) == pytest.approx(value)


def test_bernoulli_nll_is_exact_where_probabilities_would_round_to_zero() -> None:
    logits = torch.tensor([200.0, -200.0, 0.0])
    nll = numerics.bernoulli_nll(logits, torch.tensor([0.0, 1.0, 1.0]))
    np.testing.assert_allclose(nll, [200, 200, math.log(2)], rtol=1e-6)


@given(st.floats(-0.5, 1.5), st.floats(-7, 3))
def test_discretised_logistic_masses_sum_to_one(mean: float, log_scale: float) -> None:
    levels = torch.linspace(0, 1, 256, dtype=torch.float64)
    masses = numerics.discretised_logistic_log_mass(levels, tensor(mean), tensor(log_scale))
    assert float(torch.logsumexp(masses, 0)) == pytest.approx(0, abs=1e-9)


@given(st.integers(1, 254), st.floats(0, 1), st.floats(-6, 1))
def test_discretised_logistic_mass_equals_the_difference_of_scipys_distribution_function(
    level: int, mean: float, log_scale: float
) -> None:
    logistic = scipy.stats.logistic(mean, math.exp(log_scale))
    upper, lower = (level + 0.5) / 255, (level - 0.5) / 255
    mass = logistic.cdf(upper) - logistic.cdf(lower)
    if mass < 1e-10:  # scipy's difference has lost its digits there
        return
    ours = numerics.discretised_logistic_log_mass(tensor(level / 255), tensor(mean), tensor(log_scale))
    assert math.exp(float(ours)) == pytest.approx(mass, rel=1e-5)


def test_gradients_agree_with_finite_differences() -> None:
    a, b = torch.randn(5, dtype=torch.float64, requires_grad=True), torch.rand(5, dtype=torch.float64) + 0.5
    b.requires_grad_()
    other, spread = torch.randn(5, dtype=torch.float64), torch.rand(5, dtype=torch.float64) + 0.6
    assert gradcheck(lambda m, s: numerics.gaussian_kl(m, s, other, spread), (a, b))
    assert gradcheck(lambda m, s: numerics.gaussian_kl(other, spread, m, s), (a, b))
    assert gradcheck(lambda m, s: numerics.gaussian_log_density(other, m, s), (a, b))
    levels = torch.tensor([0.0, 0.2, 100 / 255, 0.8, 1.0], dtype=torch.float64)
    assert gradcheck(lambda m, s: numerics.discretised_logistic_log_mass(levels, m, -s), (a, b))


def test_discretised_logistic_has_finite_gradients_far_out_in_float32() -> None:
    mean = torch.tensor([50.0, -50.0, 0.5], requires_grad=True)
    log_scale = torch.tensor([-7.0, -7.0, -7.0], requires_grad=True)
    numerics.discretised_logistic_log_mass(torch.tensor([0.5, 0.5, 1.0]), mean, log_scale).sum().backward()
    assert mean.grad is not None and torch.isfinite(mean.grad).all()
    assert log_scale.grad is not None and torch.isfinite(log_scale.grad).all()
