"""What a model is used for, as its methods.

The rooms that do it stand above this one, and are found by name when asked.
Nothing of them is imported to build, train or load a network.
"""

import importlib
from pathlib import Path
from typing import Any, Literal

from ratescape.model.restored import Restored
from ratescape.records.scores import Scores


class Uses:
    """Methods of a model that other rooms carry out."""

    def score(self, items: Any, *, samples: int = 1, seed: int = 0, reference: Any = None) -> Scores:
        """Scores of every item, by which anomalies are found: rates, -ELBO, LLR>k, and others.

        An item's scores depend on the item, the seed and the samples alone, not on what is scored beside it.

        Args:
            items: as :meth:`ratescape.HVAE.inputs` takes them, or the path of a folder, a .npy or a .npz file; they are
                read and scored in chunks, so that any number of them fits.
            samples: of each item's posterior, over which all numbers are averaged; with more than one, ``nll`` is the
                importance-weighted bound of them.
            seed: of the samples.
            reference: in-distribution items that the model was not trained on, or what
                :func:`ratescape.scoring.scores.reference_of` made of them: with it there are Mahalanobis distances.

        Raises:
            SpecError: samples that are not positive, or items of another shape.
            DataError: no items, or a file that cannot be read.

        Example::

            scores = model.score(images, samples=10, reference=data.validation)
            scores.table.sort_values("llr_1")
        """
        above = importlib.import_module("ratescape.scoring.scores")
        return above.score(self, items, samples=samples, seed=seed, reference=reference)

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

    def save_pretrained(self, folder: str | Path, **told: Any) -> Path:
        """Write the model with a card into a folder, in the form of a repository of the hub; needs no network.

        Args:
            folder: new or empty, or one that was written so before.
            told: as of :meth:`push_to_hub`, but for ``private`` and ``token``.

        Raises:
            RecordError: the folder holds other files, or cannot be written.

        Example::

            model.save_pretrained("digits-model", held_out=data.test.pixels, betas=(0.5, 2), licence="mit")
            again = rs.from_hub("./digits-model")
        """
        above = importlib.import_module("ratescape.hub.sharing")
        return above.save_model_folder(self, folder, above.Told(**told))

    def push_to_hub(self, name: str, *, private: bool = False, token: str | None = None, **told: Any) -> str:
        """Upload the model with a card to a repository of the Hugging Face hub; returns its address.

        Args:
            name: ``OWNER/NAME``, or the name alone for the owner of the token; made if it is not there.
            private: whether a new repository is private.
            token: default: that of ``hf auth login`` or of HF_TOKEN.
            told: what the card says, all of it optional: ``licence`` of the weights; ``data`` in words, and
                ``data_licence``; ``betas``, top layer first; ``held_out``, items that the model was not trained on, of
                which rates and reconstructions are shown. What is not given is said to be unknown.

        Raises:
            ResourceError: the extra ``hub`` is not installed.
            HubError: no token, no right, offline, or no connection.

        Example::

            model.push_to_hub("me/digits", held_out=data.test.pixels, betas=(0.5, 2), licence="mit", data="MNIST")
        """
        above = importlib.import_module("ratescape.hub.sharing")
        return above.push_model(self, name, above.Told(**told), private, token)
