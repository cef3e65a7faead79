"""PackAdam against torch.optim.Adam, member by member."""

import torch

from ratescape.training.optimiser import PackAdam, clipped, member_norms

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
