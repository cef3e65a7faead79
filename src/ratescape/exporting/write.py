"""A model's programs written to a folder, and each checked against the model."""

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ratescape.data.formats.objects import kind_of
from ratescape.errors import ResourceError, SpecError
from ratescape.exporting.formats import FORMATS, Format
from ratescape.exporting.parts import Part, parts_of
from ratescape.model.columns import ByColumn
from ratescape.model.conditioning import Conditioned
from ratescape.model.distributions import Bernoulli
from ratescape.model.hierarchy import HVAE
from ratescape.model.taking import as_rows
from ratescape.records.files import write_atomically
from ratescape.records.ownership import refuse_foreign
from ratescape.specs.checks import require
from ratescape.version import __version__

MOST = 64
"""Images that a program is checked on, at most."""

ALLOWED = 1e-3
"""Largest difference from the model that is let pass, as a share of the largest output (1 at least)."""


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was written, and how far it is from the model.

    Example::

        rs.export(model, "onnx").differences["decoder"]
    """

    folder: Path
    files: dict[str, Path]
    """By the name of the part: encoder, decoder, sampler."""
    differences: dict[str, float]
    """Largest absolute difference between an output of the file and the model's own, by part."""
    images: int
    """How many images the check was made on; 0 where it was made on noise and samples of the model."""

    def __str__(self) -> str:
        """In a line for each file."""
        source = f"{self.images} images" if self.images else "samples of the model"
        return "\n".join(
            f"{path} ({path.stat().st_size / 1e6:.2f} MB): differs by {self.differences[name]:.1g} at most, on {source}"
            for name, path in self.files.items()
        )


def export(
    model: HVAE, folder: str | Path, format: Literal["onnx", "torch"] = "onnx", *, images: Any = None
) -> Exported:
    """Write encoder, decoder and sampler of a model as programs that run without this package, each checked.

    The encoder takes images ``[N, C, H, W]`` of floats in [0, 1] (it thresholds black and white pixels itself) or rows
    ``[N, D]`` in the units of the data, and gives ``mean_L .. mean_1, sigma_L .. sigma_1`` of the posteriors, each
    given the means above it. The decoder takes ``z_L .. z_1`` and gives expected images or rows; the sampler takes
    standard normal noise ``noise_L .. noise_1`` in their place. N is free. ``export.json`` beside them says all this
    for a program to read.

    Args:
        model: of a network that is conditioned on betas, ``network.at(betas)``.
        folder: new or empty, or of an earlier export, whose files are overwritten.
        format: ``onnx`` (extra ``onnx``), or ``torch`` for programs of ``torch.export`` (.pt2).
        images: real ones, to check on, as ``model.encode`` takes them; 64 are taken at most. Without, the encoder is
            checked on samples of the model.

    Raises:
        ResourceError: the extra is not installed.
        SpecError: no such format, no model that can be exported, or one whose programs give other numbers.
        RecordError: the folder holds other files.

    Example::

        exported = rs.export(model, "onnx", images=data.test.pixels)
        print(exported)  # files, sizes, largest differences
    """
    require(format in FORMATS, "format", format, f"one of {', '.join(FORMATS)}")
    if isinstance(model, Conditioned) or not isinstance(model, HVAE):
        asked = "network.at(betas) of a conditioned network" if isinstance(model, Conditioned) else "one of ratescape"
        raise SpecError(f"model is {kind_of(model)}: give a model, {asked}")
    kind, target = FORMATS[format], Path(folder)
    kind.ready()
    if not (target / "export.json").exists():
        refuse_foreign(target)
    own = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    seen = _seen(own, images)
    target.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    differences: dict[str, float] = {}
    for part in parts_of(own):
        files[part.name] = target / f"{part.name}.{kind.ending}"
        differences[part.name] = _written(part, kind, files[part.name], _inputs(part, own, seen))
    exported = Exported(target, files, differences, 0 if images is None else len(seen))
    write_atomically(target / "export.json", json.dumps(_told(exported, own, format), indent=1) + "\n")
    return exported


def _seen(model: HVAE, images: Any) -> Tensor:
    """What the encoder is checked on: real images or rows as the encoder takes them, or samples of the model."""
    if images is None:
        return model.sample(8, seed=0)
    like = next(model.parameters())
    if isinstance(model.likelihood, ByColumn):
        return as_rows(images, tuple(model.image_shape), like, model.likelihood.names)[:MOST].to(like.dtype)
    return model.inputs(images)[:MOST]


def _inputs(part: Part, model: HVAE, seen: Tensor) -> list[Tensor]:
    """Inputs to check a part on: images, their latents, or noise."""
    if part.name == "encoder":
        return [seen]
    if part.name == "sampler":
        return model.noise(len(seen), torch.Generator().manual_seed(0))
    means = parts_of(model)[0].run([seen])
    return means[: len(model.latent_shapes)]


def _written(part: Part, kind: Format, path: Path, values: list[Tensor]) -> float:
    """Write a part, run it from its file on all inputs and on one, and compare; returns the largest difference.

    Raises:
        SpecError: the exporter cannot follow the network, or the numbers differ.
        ResourceError: packages of the exporter do not go together.
    """
    try:
        kind.write(part, path)
    except ImportError as error:  # as of an onnxscript that is older than what this torch asks of it
        path.unlink(missing_ok=True)
        raise ResourceError(
            f'the exporter lacks a module ({error}): pip install --upgrade "ratescape[onnx]", or try the other format'
        ) from error
    except Exception as error:  # whatever an exporter makes of a network that it cannot follow
        path.unlink(missing_ok=True)
        reason = " ".join(str(error).split())[:200]
        raise SpecError(
            f"the {part.name} cannot be exported ({reason}): write its network without branches that depend on values, "
            "or try the other format"
        ) from error
    largest = 0.0
    for some in (values, [one[:1] for one in values]):
        for told, own in zip(kind.run(path, part, some), part.run(some), strict=True):
            difference = float((told - own).abs().max())
            if not difference <= ALLOWED * max(1.0, float(own.abs().max())):
                path.unlink(missing_ok=True)
                raise SpecError(
                    f"the exported {part.name} differs from the model by {difference:.2g}: use the other format"
                )
            largest = max(largest, difference)
    return largest


def _told(exported: Exported, model: HVAE, format: str) -> dict[str, Any]:
    """What a program needs to know of the files."""
    vectors = isinstance(model.likelihood, ByColumn)
    binary = isinstance(model.likelihood, Bernoulli)
    takes = "rows in the units of the data" if vectors else "floats in [0, 1], thresholded at 0.5 by the encoder"
    return {
        "ratescape": __version__,
        "torch": str(torch.__version__),
        "format": format,
        "precision": str(next(model.parameters()).dtype).removeprefix("torch."),
        "takes": takes if vectors or binary else "floats in [0, 1]",
        "columns": list(model.likelihood.names) if isinstance(model.likelihood, ByColumn) else [],
        "checked_on": exported.images or "samples of the model",
        "parts": {
            part.name: {
                "file": exported.files[part.name].name,
                "inputs": {name: ["batch", *shape] for name, shape in part.inputs.items()},
                "outputs": {name: ["batch", *shape] for name, shape in part.outputs.items()},
                "largest_difference": exported.differences[part.name],
            }
            for part in parts_of(model)
        },
    }
