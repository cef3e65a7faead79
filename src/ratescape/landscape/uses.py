"""What a landscape is used for, as its methods: the rooms that do it stand above, and are found by name when called."""

import importlib
from pathlib import Path
from typing import Any


class LandscapeUses:
    """Methods of a landscape that other rooms carry out."""

    def save_pretrained(self, folder: str | Path, **told: Any) -> Path:
        """Write the landscape with a card into a folder, in the form of a repository of the hub; needs no network.

        Args:
            folder: new or empty, or one that was written so before.
            told: as of :meth:`push_to_hub`, but for ``private`` and ``token``.

        Raises:
            RecordError: the folder holds other files, or cannot be written.

        Example::

            landscape.save_pretrained("digits-landscape", licence="mit")
            again = rs.from_hub("./digits-landscape", out="digits-again")
        """
        above = importlib.import_module("ratescape.hub.sharing")
        return above.save_landscape_folder(self, folder, above.Told(**told))

    def push_to_hub(self, name: str, *, private: bool = False, token: str | None = None, **told: Any) -> str:
        """Upload the landscape (models, networks, records, figures) with a card to the hub; returns its address.

        The name or path of its images, as you gave it, is in its spec and goes along; the images do not.

        Args:
            name: ``OWNER/NAME``, or the name alone for the owner of the token; made if it is not there.
            private: whether a new repository is private.
            token: default: that of ``hf auth login`` or of HF_TOKEN.
            told: what the card says: ``licence`` of the weights, ``data`` in words, ``data_licence``; all optional, and
                said to be unknown otherwise.

        Raises:
            ResourceError: the extra ``hub`` is not installed.
            HubError: no token, no right, offline, or no connection.

        Example::

            landscape.push_to_hub("me/digits-landscape", licence="mit", data="MNIST", data_licence="CC BY-SA 3.0")
        """
        above = importlib.import_module("ratescape.hub.sharing")
        return above.push_landscape(self, name, above.Told(**told), private, token)
