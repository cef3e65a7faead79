"""The Python face of a family of models: map it, open it, choose from it, refine, ask, report."""

from typing import TYPE_CHECKING, Any

from ratescape.landscape.opened import Landscape as Landscape

if TYPE_CHECKING:
    from ratescape.landscape.mapping import map_landscape as map_landscape
    from ratescape.landscape.mapping import map_spec as map_spec


def __getattr__(name: str) -> Any:
    """Import what maps a landscape on first use: to open one needs no torch."""
    if name not in ("map_landscape", "map_spec"):
        raise AttributeError(f"module 'ratescape.landscape' has no attribute {name!r}")
    from ratescape.landscape import mapping

    return getattr(mapping, name)
