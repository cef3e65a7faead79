"""`ratescape check-network`."""

import dataclasses
from typing import Annotated

from tyro.conf import Positional, arg

from ratescape.cli.factories import importable
from ratescape.cli.output import say
from ratescape.errors import SpecError
from ratescape.specs.checks import require
from ratescape.specs.factories import Options
from ratescape.specs.model import LikelihoodName, ModelSpec


@dataclasses.dataclass(frozen=True)
class CheckNetwork:
    """Check a network of your own, before it is trained, and print what each check says."""

    factory: Positional[str]
    """package.module:function, called with the shape of an image, the likelihood, and the options by name."""
    shape: Annotated[tuple[int, ...], arg(metavar="C H W")]
    """Channels, height and width of an image, such as 1 28 28; of rows one number, their columns."""
    options: Options | None = None
    """What the factory is called with besides: a JSON object, such as '{"width": 64}'."""
    likelihood: LikelihoodName | None = None
    """Distribution of the pixels; default: gaussian; of rows always by-column."""

    def run(self) -> None:
        fits = len(self.shape) in (1, 3) and min(self.shape) > 0
        require(fits, "shape", self.shape, "channels, height and width, or the columns of rows, all positive")
        is_row = len(self.shape) == 1
        likelihood = self.likelihood or ("by-column" if is_row else "gaussian")
        which = "left out for rows" if is_row else "another for images, since by-column is for rows"
        require((likelihood == "by-column") == is_row, "likelihood", likelihood, which)
        spec = ModelSpec(factory=self.factory, options=self.options, likelihood=likelihood)
        from ratescape.model.factories import examination
        from ratescape.specs.factories import allow_factories

        allow_factories(importable([self.factory]))
        checks = examination(spec, self.shape).checks
        for check in checks:
            say(f"{check.name:10} {check.state:7} {check.said}")
        failed = [check.name for check in checks if check.state == "failed"]
        if failed:
            raise SpecError(
                f"{self.factory} fails the check of {failed[0]}: correct the network; later checks are left out"
            )
