"""Fixed betas, approached by annealing."""

from torch import Tensor

from ratescape.specs.training import AnnealingPath
from ratescape.training.betas.policy import StepBetas


class FixedBetas:
    """One vector of betas a member, approached by a warm-up.

    Unequal betas without a warm-up fall into bad optima: a layer that starts out expensive collapses before the
    network has found a use for it, and never recovers. Two ways lead to the betas:

    - ``geometric``: from the beta-VAE of the smallest beta, linear in log beta. The cheap layer learns what the dear
      one must give up while that is still possible; equal betas need no warm-up, and get none.
    - ``linear``: all betas from 0 (Sonderby et al., 2016; the paper's LVAE). The dear layer passes beta = 1 early on,
      when the cheap one has learned little: on binary MNIST, betas (0.1, 10) ended 13 nats worse than by the other.

    Args:
        betas: ``[P, L]``, top layer first.
        annealing: steps until the betas reach their values; 0 for none.
        path: the way there.
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
        smallest = self.betas.amin(1, keepdim=True)
        return StepBetas(smallest * (self.betas / smallest) ** share)

    def observe(self, drawn: StepBetas, rates: Tensor, distortion: Tensor) -> None:
        """Fixed betas learn nothing from what they led to."""

    def log(self, member: int) -> list[dict[str, object]]:
        """Nothing moves betas here."""
        return []

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """There is nothing to take up: the betas are a function of the step."""
