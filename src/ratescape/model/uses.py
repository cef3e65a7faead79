"""What a model is used for, as its methods. The rooms that do it stand above this one, and are found when asked.

Nothing of them is imported to build, train or load a network.
"""

import importlib
from typing import Any, Literal

from ratescape.model.restored import Restored


class Uses:
    """Methods of a model that other rooms carry out."""

    def restore(
        self,
        items: Any,
        *,
        mask: Any = None,
        noise: float = 0.0,
        downscale: int = 1,
        samples: int | None = None,
        steps: int | None = None,
        method: Literal["chain", "map"] = "chain",
        layers: int | None = None,
        sigma: float | None = None,
        degrade: bool = False,
        seed: int = 0,
    ) -> Restored:
        """Fill in what is missing of damaged images, take noise away, or make small images large.

        See :func:`ratescape.restoring.restore.restore`, which this calls.

        Example::

            restored = model.restore(images, mask="box")
            restored.mean  # [N, C, H, W]; restored.samples [N, S, C, H, W], restored.spread
            model.restore(small, downscale=2).mean  # small images, twice as large
            model.restore(images, noise=0.2, degrade=True).psnr(images)  # whole images, damaged first
        """
        above = importlib.import_module("ratescape.restoring.restore")
        return above.restore(
            self,
            items,
            mask=mask,
            noise=noise,
            downscale=downscale,
            samples=samples,
            steps=steps,
            method=method,
            layers=layers,
            sigma=sigma,
            degrade=degrade,
            seed=seed,
        )
