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
    shape: Annotated[tuple[int, int, int], arg(metavar="C H W")]
    """Channels, height and width of an image, such as 1 28 28."""
    options: Options | None = None
    """What the factory is called with besides: a JSON object, such as '{"width": 64}'."""
    likelihood: LikelihoodName = "gaussian"
    """Distribution of the pixels."""

    def run(self) -> None:
        require(min(self.shape) > 0, "shape", self.shape, "channels, height and width, all positive")
        spec = ModelSpec(factory=self.factory, options=self.options, likelihood=self.likelihood)
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
