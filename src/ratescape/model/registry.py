"""Families of networks by name: how each is built, and what fits it. Nothing else knows which families there are.

Networks of the user's own factories go through the same two doors, :func:`resolved_model` and :func:`build`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from ratescape.errors import SpecError
from ratescape.model import factories
from ratescape.model.conditioning import Conditioned
from ratescape.model.deep import deep
from ratescape.model.hierarchy import HVAE
from ratescape.model.paper import bottom_up, ghvae, lvae
from ratescape.model.residual import residual
from ratescape.model.vector import vector
from ratescape.specs.blocks import fitting, usual, written
from ratescape.specs.factories import Factory
from ratescape.specs.families import FamilyFacts, facts_of, register_facts
from ratescape.specs.model import LikelihoodName, ModelSpec
from ratescape.specs.runs import NetworkSpec

ImageShape = tuple[int, ...]
"""(C, H, W) of images, (D,) of vectors."""

USUAL, USUAL_FOR_VECTORS = ModelSpec().family, "vector"
"""Families unless a spec says otherwise; that of images cannot take vectors, which therefore take theirs."""

Builder = Callable[[ModelSpec, Any], HVAE]
"""Builds the network of a resolved spec for images (or vectors) of one shape, its weights drawn from PyTorch's global
generator."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of a network where its spec leaves them open."""

    channels: int
    """Channels of the hidden convolutions."""
    latents: tuple[int, ...]
    """Size of each layer of latents, top first."""


@dataclasses.dataclass(frozen=True)
class ImageSizes:
    """Which images a family takes: grey or colour, of sides that are a multiple of some number and not too small."""

    multiple: int = 1
    smallest: int = 1

    def check(self, family: str, image_shape: ImageShape) -> None:
        """Refuse images that the family cannot take.

        Raises:
            SpecError: says which it takes.
        """
        if len(image_shape) == 1:
            raise SpecError(
                f"model.family is {family}, which takes images, but the data are vectors of {image_shape[0]} columns: "
                f"leave it out, or say {USUAL_FOR_VECTORS}"
            )
        channels, height, width = image_shape
        if channels not in (1, 3):
            raise SpecError(f"images have {channels} channels: {family} takes 1 (grey) or 3 (colour)")
        if any(side < self.smallest or side % self.multiple for side in (height, width)):
            raise SpecError(
                f"images are {height} x {width}: {family} takes heights and widths that are multiples of "
                f"{self.multiple} and at least {self.smallest} (28 x 28 and 32 x 32 in the paper); resize or pad the "
                "images, or say --model.family deep, which takes any sides from 8"
            )


@dataclasses.dataclass(frozen=True)
class Family:
    """One family: its builder, and what fits it.

    Example, a family of two layers for images of any size::

        def build_mine(spec: ModelSpec, image_shape: tuple[int, ...]) -> HVAE:
            pixels = likelihood(spec)
            return HVAE(MyEncoder(), [MyTop(), MyLayer()], MyDecoder(), pixels, image_shape, spec)


        register("mine", Family(build_mine, layers=2))
        model = build(resolved_model(ModelSpec(family="mine"), (1, 28, 28), binary=True), (1, 28, 28))
    """

    build: Builder
    layers: int | None = None
    """How many layers its networks have; None: any number."""
    tunable: bool = True
    """Whether the rates of its layers can be tuned one by one, each by its own beta."""
    grey: Sizes = Sizes(16, (20, 16))
    """Sizes for images of one channel; default: the paper's."""
    colour: Sizes = Sizes(32, (32, 32))
    """Sizes for images of three channels; default: the paper's."""
    images: ImageSizes | None = ImageSizes()
    """Which images it takes; default: of any size; None for a family that takes vectors."""


# Two strided convolutions quarter each side; what is left of a side of 12 is 3, from which a third leaves nothing.
_PAPERS_IMAGES = ImageSizes(multiple=4, smallest=16)


def _built_in(name: str, builder: Builder) -> Family:
    facts = facts_of(name)
    return Family(builder, facts.layers, facts.tunable, images=_PAPERS_IMAGES)


_families = {
    name: _built_in(name, builder)
    for name, builder in {"ghvae": ghvae, "lvae": lvae, "bottom-up": bottom_up, "residual": residual}.items()
}
# A very deep VAE scaled down to two cores: maps of 64 channels, few channels of latents.
_families[USUAL_FOR_VECTORS] = Family(vector, grey=Sizes(64, (8, 8)), images=None)
_families["deep"] = Family(deep, grey=Sizes(64, (8,)), colour=Sizes(64, (16,)), images=ImageSizes(smallest=8))


def register(name: str, family: Family) -> None:
    """Make a family known under a name, to specs (``model.family``) and to :func:`build`.

    It is known to this process alone: worker processes and tasks on other machines must register it, too. A family that
    was registered before under the name is replaced. Example: see :class:`Family`.

    Raises:
        ValueError: the name is that of a built-in family.
    """
    register_facts(FamilyFacts(name, family.layers, family.tunable))
    _families[name] = family


def _family(name: str) -> Family:
    """The family of a name.

    Raises:
        SpecError: specs know the name, but no network does.
    """
    if name not in _families:
        raise SpecError(f"model.family is {name!r}, whose network is not registered: call registry.register first")
    return _families[name]


def resolved_model(spec: ModelSpec, image_shape: ImageShape, binary: bool) -> ModelSpec:
    """Fill the fields that were left to fit the data.

    Example::

        spec = resolved_model(ModelSpec(family="lvae"), (1, 28, 28), binary=True)
        spec.channels, spec.latents, spec.likelihood  # 16, (20, 16), "bernoulli"

    Args:
        image_shape: (C, H, W); (D,) of vectors.
        binary: whether the pixels are thresholded to 0 and 1.

    Raises:
        SpecError: the family cannot take images of this size, or the likelihood does not fit the pixels; or the
            factory fails, or its network fails a check.
    """
    if spec.factory is not None:
        _check_likelihood(spec, image_shape, binary)
        likelihood = _likelihood(spec, image_shape, binary)
        return factories.resolved(dataclasses.replace(spec, likelihood=likelihood), image_shape)
    if len(image_shape) == 1 and spec.family == USUAL:
        spec = dataclasses.replace(spec, family=USUAL_FOR_VECTORS)
    family = _family(spec.family)
    if family.images is not None:
        family.images.check(spec.family, image_shape)
    elif len(image_shape) != 1:
        raise SpecError(f"model.family is {spec.family}, which takes vectors, but the data are images: choose another")
    _check_likelihood(spec, image_shape, binary)
    sizes = family.colour if image_shape[0] == 3 and len(image_shape) == 3 else family.grey
    if spec.family == "deep":
        spec = _with_blocks(spec, sizes, image_shape)
    return dataclasses.replace(
        spec,
        channels=spec.channels or sizes.channels,
        latents=spec.latents or sizes.latents,
        likelihood=_likelihood(spec, image_shape, binary),
    )


def _likelihood(spec: ModelSpec, image_shape: ImageShape, binary: bool) -> LikelihoodName:
    if len(image_shape) == 1:
        return "by-column"
    return spec.likelihood or ("bernoulli" if binary else "gaussian")


def _with_blocks(spec: ModelSpec, usual_sizes: Sizes, image_shape: ImageShape) -> ModelSpec:
    """A deep network's spec with its blocks, which must fit the images, and the channels of each layer."""
    _, height, width = image_shape
    chosen = usual(height, width) if spec.blocks is None else fitting(spec.blocks, height, width)
    latents = spec.latents or usual_sizes.latents
    layers = sum(level.blocks for level in chosen)
    return dataclasses.replace(spec, blocks=written(chosen), latents=latents * layers if len(latents) == 1 else latents)


def _check_likelihood(spec: ModelSpec, image_shape: ImageShape, binary: bool) -> None:
    vectors = len(image_shape) == 1
    if vectors and spec.likelihood not in (None, "by-column"):
        raise SpecError(f"model.likelihood is {spec.likelihood!r}, which is for images: leave it out for vectors")
    if not vectors and spec.likelihood == "by-column":
        raise SpecError("model.likelihood is 'by-column', which is for vectors: leave it out for images")
    if spec.likelihood == "bernoulli" and not binary:
        raise SpecError("model.likelihood is 'bernoulli' but the pixels are not binary: set data.binary to true")
    if spec.likelihood == "logistic-mixture" and binary:
        raise SpecError("model.likelihood is 'logistic-mixture' but the pixels are binary: set data.binary to false")


def build(spec: ModelSpec, image_shape: ImageShape, factory: Factory | None = None) -> HVAE:
    """The network of a resolved spec, with PyTorch's default initialisation.

    Example::

        model = build(resolved_model(ModelSpec(), (3, 32, 32), binary=False), (3, 32, 32))
        images = model.sample(8)  # [8, 3, 32, 32]

    Args:
        spec: as returned by :func:`resolved_model`.
        image_shape: (C, H, W).
        factory: in place of the one that the spec names.

    Raises:
        SpecError: the spec leaves sizes or likelihood open, or as of :func:`ratescape.model.factories.built`.
    """
    if spec.factory is not None or factory is not None:
        return factories.built(spec, image_shape, factory)
    return _family(spec.family).build(spec, image_shape)


def conditioned(spec: NetworkSpec, shape: tuple[int, ...], factory: Factory | None = None) -> Conditioned:
    """The untrained network of a spec.

    Args:
        spec: its structure, box and groups; how it is trained means nothing here.
        shape: of one image, ``(C, H, W)``.
        factory: of the model, in place of the one that the spec names.

    Raises:
        SpecError: as :func:`build`.

    Example::

        conditioned(NetworkSpec(), (1, 28, 28))
    """
    model = build(spec.model, shape, factory)
    return Conditioned(model, spec.low, spec.high, spec.width, spec.groups, spec.rank, spec.knots)
