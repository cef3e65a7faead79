"""PackAdam and PackMuon against torch's Adam and Muon, member by member."""

import pytest
import torch

from ratescape.training.optimiser import (
    FIRST_DECAY,
    ITERATIONS,
    MUON_STEP,
    QUINTIC,
    PackAdam,
    PackMuon,
    clipped,
    member_norms,
    optimiser_of,
    orthogonalised,
)

LR = 3e-3


def gradient_at(step: int, member: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1000 * step + member)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 2), (4,), ())]


def start() -> list[torch.Tensor]:
    return [
        torch.ones(3, 2, dtype=torch.float64),
        torch.zeros(4, dtype=torch.float64),
        torch.ones((), dtype=torch.float64),
    ]


def packed(step: int, members: int) -> list[torch.Tensor]:
    return [torch.stack(parts) for parts in zip(*[gradient_at(step, m) for m in range(members)], strict=True)]


def test_each_member_takes_the_steps_of_torchs_adam_and_skips_those_it_should() -> None:
    """Members that skip different steps end where torch's Adam ends that never saw those steps."""
    members, steps = 3, 40
    skips = {0: set(), 1: {0, 1, 17}, 2: set(range(5, 40, 3))}
    pack = PackAdam([torch.stack([p] * members) for p in start()])
    for step in range(steps):
        gradients = packed(step, members)
        for member, at in skips.items():
            if step in at:
                for g in gradients:
                    g[member] = float("nan")
        mask = torch.tensor([step not in skips[m] for m in range(members)])
        pack.step(pack.row(gradients), LR, None if mask.all() else mask)
    for member in range(members):
        own = [p.clone().requires_grad_() for p in start()]
        adam = torch.optim.Adam(own, LR)
        for step in set(range(steps)) - skips[member]:
            for p, g in zip(own, gradient_at(step, member), strict=True):
                p.grad = g
            adam.step()
        for ours, theirs in zip(pack.parameters, own, strict=True):
            torch.testing.assert_close(ours[member], theirs.detach(), rtol=1e-12, atol=1e-13)


def test_a_member_that_takes_no_step_stays_where_it_is() -> None:
    pack = PackAdam([torch.ones(2, 3)])
    for _ in range(5):
        gradient = torch.stack([torch.ones(3), torch.full((3,), float("inf"))])
        pack.step(pack.row([gradient]), 0.1, torch.tensor([True, False]))
    torch.testing.assert_close(pack.parameters[0][1], torch.ones(3), rtol=0, atol=0)
    torch.testing.assert_close(pack.parameters[0][0], torch.full((3,), 0.5))  # Adam's step at a constant gradient is lr
    assert pack.steps.tolist() == [5, 0]


def test_state_restores() -> None:
    one, two = PackAdam([torch.ones(2, 3)]), PackAdam([torch.ones(2, 3)])
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):  # the members have taken different numbers of steps
        one.step(torch.randn(2, 3, generator=generator), 0.1, torch.tensor([True, one.steps[1] < 1]))
    two.restore({name: tensor.clone() for name, tensor in one.state().items()})
    two.parameters[0].copy_(one.parameters[0])
    gradient = torch.randn(2, 3, generator=generator)
    one.step(gradient, 0.1)
    two.step(gradient, 0.1)
    assert one.steps.tolist() == two.steps.tolist() == [4, 2]
    torch.testing.assert_close(one.parameters[0], two.parameters[0], rtol=0, atol=0)


def test_clipping_is_per_member_and_over_all_parameters() -> None:
    gradient = PackAdam.row([torch.tensor([[3.0, 0.0], [0.3, 0.0]]), torch.tensor([[4.0], [0.4]])])
    norms = member_norms(gradient)
    torch.testing.assert_close(norms, torch.tensor([5.0, 0.5]))
    torch.testing.assert_close(clipped(gradient, norms, 1.0), torch.tensor([[0.6, 0.0, 0.8], [0.3, 0.0, 0.4]]))


def matrices() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(shape, generator=generator) for shape in ((16, 12), (9, 4, 3, 3), (7, 40), (12,))]


def test_a_matrix_takes_the_steps_of_torchs_muon_and_all_else_those_of_adam() -> None:
    """PyTorch's own orthogonalises in bfloat16, which has eight bits, and knows matrices alone."""
    pack = PackMuon([torch.stack([p, 2 * p]) for p in matrices()], [True, True, True, True])
    own = [p.clone().requires_grad_() for p in matrices()]
    wide, convolution, flat, vector = own
    muon = torch.optim.Muon(
        [wide], LR * MUON_STEP / 0.2, weight_decay=0, momentum=FIRST_DECAY, adjust_lr_fn="match_rms_adamw"
    )
    adam = torch.optim.Adam([flat, vector], LR)
    for step in range(5):
        generator = torch.Generator().manual_seed(step)
        gradients = [torch.randn(p.shape, generator=generator) for p in own]
        pack.step(pack.row([torch.stack([g, -g]) for g in gradients]), LR)
        for p, g in zip(own, gradients, strict=True):
            p.grad = g
        muon.step()
        adam.step()
    moved = [ours[0] - start for ours, start in zip(pack.parameters, matrices(), strict=True)]
    theirs = [p.detach() - start for p, start in zip(own, matrices(), strict=True)]
    torch.testing.assert_close(moved[0], theirs[0], rtol=0.05, atol=0.02 * float(moved[0].abs().max()))
    torch.testing.assert_close(moved[2], theirs[2], rtol=1e-4, atol=1e-6)  # seven rows are too few
    torch.testing.assert_close(moved[3], theirs[3], rtol=1e-4, atol=1e-6)
    assert convolution.grad is not None and float(moved[1].abs().max()) > 0


def test_a_step_of_a_matrix_has_the_length_of_the_learning_rate_whatever_the_gradient() -> None:
    for scale in (1e-6, 1.0, 1e6):
        pack = PackMuon([torch.zeros(1, 32, 48)], [True])
        pack.step(pack.row([scale * torch.randn(1, 32, 48, generator=torch.Generator().manual_seed(0))]), LR)
        root_mean_square = float(pack.values.square().mean().sqrt())
        assert root_mean_square == pytest.approx(LR * MUON_STEP, rel=0.25)


def test_singular_values_become_nearly_one_and_vectors_stay() -> None:
    generator = torch.Generator().manual_seed(1)
    for rows, columns in ((12, 30), (30, 12), (16, 16)):
        given = torch.randn(3, rows, columns, generator=generator, dtype=torch.float64)
        (found,) = orthogonalised([given])
        values = torch.linalg.svdvals(found)
        assert float(values.min()) > 0.3 and float(values.max()) < 1.25
        u, _, v = torch.linalg.svd(given, full_matrices=False)
        turned = u.mT @ found @ v.mT  # diagonal where the vectors are the same
        torch.testing.assert_close(turned, torch.diag_embed(torch.diagonal(turned, dim1=1, dim2=2)), rtol=0, atol=1e-6)
    assert torch.equal(orthogonalised([torch.zeros(2, 8, 9)])[0], torch.zeros(2, 8, 9))


def test_the_polynomial_is_the_published_one() -> None:
    """Written out with X itself, as it is published; and several at once are as one by one."""
    a, b, c = QUINTIC
    given = [torch.randn(2, 8, 12, dtype=torch.float64), torch.randn(2, 9, 8, dtype=torch.float64)]
    for matrix, found in zip(given, orthogonalised(given), strict=True):
        x = matrix / torch.linalg.matrix_norm(matrix, keepdim=True)
        for _ in range(ITERATIONS):
            square = x @ x.mT
            x = a * x + (b * square + c * square @ square) @ x
        torch.testing.assert_close(found, x, rtol=1e-6, atol=1e-8)


def test_members_of_a_pack_take_muons_steps_as_if_alone_and_masked_ones_none() -> None:
    gradients = [torch.randn(3, 10, 9, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    pack, alone = PackMuon([torch.ones(3, 10, 9)], [True]), PackMuon([torch.ones(1, 10, 9)], [True])
    for gradient in gradients:
        broken = gradient.clone()
        broken[1] = float("nan")
        pack.step(pack.row([broken]), LR, torch.tensor([True, False, True]))
        alone.step(alone.row([gradient[2:]]), LR)
    torch.testing.assert_close(pack.parameters[0][2], alone.parameters[0][0], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(pack.parameters[0][1], torch.ones(10, 9), rtol=0, atol=0)


def test_settings_of_layers_and_what_is_not_hidden_are_left_to_adam() -> None:
    given = {"film.head.weight": torch.zeros(1, 20, 9), "layer.weight": torch.zeros(1, 20, 9)}
    muon = optimiser_of("muon", given)
    assert isinstance(muon, PackMuon) and muon.matrices == {9: [(slice(180, 360), 20)]}
    for name in (None, "adam"):
        assert type(optimiser_of(name, given)) is PackAdam
