"""The Python face of a family of models: map it, open it, choose from it, refine, ask, report."""

from ratescape.landscape.mapping import map_landscape as map_landscape
from ratescape.landscape.mapping import map_spec as map_spec
from ratescape.landscape.opened import Landscape as Landscape
