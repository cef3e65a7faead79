"""What a landscape is used for, as its methods: the rooms that do it stand above, and are found by name when called."""

import importlib
from pathlib import Path
from typing import Any


class LandscapeUses:
    """Methods of a landscape that other rooms carry out."""

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
