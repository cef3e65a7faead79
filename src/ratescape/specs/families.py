"""What is known of a family of networks without building one: enough to check a spec and to print help, no torch."""

import dataclasses

from ratescape.errors import SpecError
from ratescape.specs.training import OptimiserName

DEFAULT_LAYERS = 2
"""Layers of a family that takes any number of them, where a spec leaves them open: as many as in the paper."""


@dataclasses.dataclass(frozen=True)
class FamilyFacts:
    """What specs need to know of a family."""

    name: str
    layers: int | None = None
    """How many layers of latents its networks have; None: any number."""
    tunable: bool = True
    """Whether the rates of its layers can be tuned one by one, each by its own beta."""
    optimiser: OptimiserName = "adam"
    """What its networks are trained by unless a spec says otherwise (docs/results/optimisers.md)."""


_BUILT_IN = {
    facts.name: facts
    for facts in (
        FamilyFacts("ghvae", layers=2, optimiser="muon"),
        FamilyFacts("lvae", layers=2, optimiser="muon"),
        # q(z2 | z1) sees no data but through z1, so its layer rates have no meaning of their own (Sec. 3.1).
        FamilyFacts("bottom-up", layers=2, tunable=False, optimiser="muon"),
        FamilyFacts("residual", optimiser="muon"),
        FamilyFacts("deep", optimiser="muon"),
        FamilyFacts("vector"),
    )
}

_registered: dict[str, FamilyFacts] = {}


def known_families() -> tuple[str, ...]:
    """Names of the families that a spec may give: the built-in ones, then those registered."""
    return (*_BUILT_IN, *_registered)


def facts_of(name: str) -> FamilyFacts:
    """The facts of a family.

    Raises:
        SpecError: there is no family of this name; lists those that there are.
    """
    try:
        return (_BUILT_IN | _registered)[name]
    except KeyError:
        known = ", ".join(map(repr, known_families()))
        # A command line shows this text as it is, so the option is named, too.
        raise SpecError(f"model.family is {name!r}: it must be one of {known} (--model.family)") from None


def register_facts(facts: FamilyFacts) -> None:
    """Make a family known to specs; one that was registered before under the name is replaced.

    :func:`ratescape.model.registry.register` calls this; alone it serves programs that read specs but build no network.

    Raises:
        ValueError: the name is that of a built-in family.
    """
    if facts.name in _BUILT_IN:
        raise ValueError(f"{facts.name!r} is a built-in family: register yours under another name")
    _registered[facts.name] = facts
