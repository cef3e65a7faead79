"""Fixed betas, reached by annealing."""

from torch import Tensor

from ratescape.specs.training import AnnealingPath
from ratescape.training.betas.policy import StepBetas


class FixedBetas:
    """One vector of betas for each member, reached by KL annealing.

    Unequal betas without annealing fall into bad optima: a layer that is expensive from the start collapses before the
    network has found a use for it, and never recovers. Two paths lead to the betas:

    - ``geometric``: from the smallest of the member's betas in all layers (a beta-VAE), linear in log beta. The cheap
      layer learns what the expensive one must give up while that is still possible; equal betas need no annealing, and
      get none.
    - ``linear``: all betas from 0 (Sonderby et al., 2016; the paper's LVAE). The expensive layer passes beta = 1 early
      on, when the cheap one has learned little: on binary MNIST, betas (0.1, 10) ended 13 nats worse than by the other.

    Args:
        betas: ``[P, L]``, top layer first.
        annealing: steps until the betas reach their values; 0 for none.
        path: how they get there.

    Example::

        policy = FixedBetas(torch.tensor([[0.1, 10.0]]), annealing=100)
        policy.draw(99, images=256).betas  # [[0.1, 10.0]], and so at every later step
    """

    def __init__(self, betas: Tensor, annealing: int, path: AnnealingPath = "geometric") -> None:
        self.betas = betas
        self.annealing = annealing
        self.path: AnnealingPath = path

    def draw(self, step: int, images: int) -> StepBetas:
        if step + 1 >= self.annealing:
            return StepBetas(self.betas)
        share = (step + 1) / self.annealing
        if self.path == "linear":
            return StepBetas(self.betas * share)
        smallest = self.betas.amin(1, keepdim=True)  # [P, 1]
        return StepBetas(smallest * (self.betas / smallest) ** share)

    def observe(self, drawn: StepBetas, rates: Tensor, distortion: Tensor) -> None:
        """Fixed betas learn nothing from what they led to."""

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """There is nothing to restore: the betas are a function of the step."""
