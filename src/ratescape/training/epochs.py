"""What becomes of each epoch, for the P members of a pack: sums while it runs, one row of numbers afterwards."""

import torch
from torch import Tensor

from ratescape.training.context import EpochRecord


class EpochLog:
    """Means of every epoch, for P members of L layers.

    Args:
        members: P.
        layers: L.
        device: where the sums are kept; it is read once an epoch.
        per_epoch: steps of an epoch.
        constant: the likelihood's, nats per image.
    """

    sums: Tensor
    """``[P, L + 3]`` over the epoch's images: rates, distortion, loss, and the number of images; float64."""
    rows: list[Tensor]
    """One an epoch, ``[P, 2 L + 6]`` on the CPU: betas, rates, distortion, loss, skipped, learning rate, seconds,
    frozen; float64."""

    def __init__(self, members: int, layers: int, device: torch.device, per_epoch: int, constant: float) -> None:
        self.layers = layers
        self.per_epoch = per_epoch
        self.constant = constant
        self.sums = torch.zeros(members, layers + 3, dtype=torch.float64, device=device)
        self.rows = []

    def add(self, rates: Tensor, distortion: Tensor, losses: Tensor, accepted: Tensor) -> None:
        """Add a batch to the epoch's sums; skipped steps leave no trace in them.

        Args:
            rates: ``[P, B, L]``, nats.
            distortion: ``[P, B]``, nats.
            losses: ``[P]``, means over the batch.
            accepted: ``[P]`` booleans, which members take the step.
        """
        count = distortion.shape[1]
        sums = [rates.sum(1), distortion.sum(1, keepdim=True), losses[:, None] * count]
        row = torch.cat([*sums, torch.full_like(losses[:, None], count)], 1).double()  # [P, L + 3]
        self.sums += torch.where(accepted[:, None], row, 0.0)

    def close(self, betas: Tensor, skipped: Tensor, frozen: Tensor, lr: float, seconds: float) -> None:
        """Turn the sums into a row, and begin the next epoch.

        Args:
            betas: of the last step, ``[P, L]`` or ``[P, B, L]``.
            skipped: ``[P]``, steps skipped so far.
            frozen: ``[P]`` booleans, which members have diverged.
            lr: learning rate of the last step.
            seconds: time spent in the loop so far.
        """
        effective = betas if betas.ndim == 2 else betas.mean(1)
        means = self.sums[:, :-1] / self.sums[:, -1:]
        facts = torch.tensor([lr, seconds], dtype=torch.float64, device=means.device).expand(len(means), 2)
        row = [effective.double(), means, skipped[:, None].double(), facts, frozen[:, None].double()]
        self.rows.append(torch.cat(row, 1).cpu())
        self.sums.zero_()

    def records(self, index: int) -> list[EpochRecord]:
        """The records of one epoch (counted from 0, or from the last with -1), one for each member."""
        epoch = range(1, len(self.rows) + 1)[index]
        return [self._record(epoch, values) for values in self.rows[index].tolist()]

    def history(self) -> list[list[EpochRecord]]:
        """For each member the records of all epochs."""
        epochs = [self.records(index) for index in range(len(self.rows))]
        return [[epoch[member] for epoch in epochs] for member in range(len(self.sums))]

    def _record(self, epoch: int, values: list[float]) -> EpochRecord:
        distortion, loss, skipped, lr, seconds, frozen = values[2 * self.layers :]
        return {
            "epoch": epoch,
            "steps": epoch * self.per_epoch,
            "betas": values[: self.layers],
            "rates": values[self.layers : 2 * self.layers],
            "distortion": distortion,
            "loss": loss,
            "constant": self.constant,
            "skipped": int(skipped),
            "learning_rate": lr,
            "seconds": seconds,
            "status": "diverged" if frozen else "ok",
        }
