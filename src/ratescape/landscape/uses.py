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

    def explore(
        self,
        *,
        height: int = 760,
        host: str = "127.0.0.1",
        port: int = 0,
        data_folder: str | Path | None = None,
        sessions: int = 4,
        device: str = "cpu",
    ) -> Any:
        """Move through the models on a page, which a notebook shows in a frame; a thread serves it.

        Args:
            height: of the frame, in pixels.
            host: to listen on; anything but 127.0.0.1 can be reached from other machines.
            port: 0 for a free one.
            data_folder: where to look first for the images that the landscape was mapped with.
            sessions: pages whose pictures are kept at once.
            device: where the models compute.

        Returns:
            A :class:`ratescape.explorer.serving.Served`: its ``address`` is what a browser opens, ``close()`` ends it.

        Raises:
            SpecError: a landscape of rows, of which there are no pictures.
            ResourceError: the extra ``explore`` is not installed, or the port is taken.

        Example::

            shown = rs.Landscape("digits").explore()  # at the end of a cell: the page
            shown.close()
        """
        above = importlib.import_module("ratescape.explorer.serving")
        return above.explore(
            self,
            height=height,
            host=host,
            port=port,
            data_folder=data_folder,
            sessions=sessions,
            device=device,
        )
