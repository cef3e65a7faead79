"""What the folder of a landscape holds or refers to, loaded: its networks and its images.

What needs torch is imported where it is used: to read a landscape and choose from it takes none.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ratescape.errors import CheckpointError, SpecError
from ratescape.records.folders import SweepFolder
from ratescape.specs.factories import Factory, allow_factories, pass_for
from ratescape.specs.refining import unknown_seed

if TYPE_CHECKING:
    from ratescape.data.batches import Images
    from ratescape.data.catalog import ImageData
    from ratescape.model.conditioning import Conditioned
    from ratescape.search.ground import Ground


def permit(folder: SweepFolder, factory: Factory | None, names: Sequence[str]) -> None:
    """Let the landscape's networks be built by a factory that is given, or is imported by name.

    Raises:
        SpecError: a factory is given but the networks are of a family, or a name is none.
    """
    allow_factories(names)
    if factory is not None:
        pass_for(folder.spec().model.factory, factory)


def network_of(folder: SweepFolder, seed: int | None, device: str) -> "Conditioned":
    """The conditioned network of a seed, by default the first; raises as :meth:`Landscape.network`."""
    networks = folder.networks()
    chosen = next(iter(networks)) if seed is None else seed
    if chosen not in networks:
        raise SpecError(unknown_seed(chosen, list(networks)))
    weights = folder.network(networks[chosen]).weights
    if not weights.exists():
        raise CheckpointError(f"{folder.path} has no finished network: run the same map command again to finish it")
    from ratescape import checkpoint

    return checkpoint.load_network(weights, device)[0]


def data_of(folder: SweepFolder, data_folder: str | Path | None) -> "ImageData":
    """The images that a landscape was mapped with."""
    from ratescape.data.reloading import reload_data

    return reload_data(folder.spec().data, folder, folder.provenance().get("fingerprint"), data_folder)


def held_out(folder: SweepFolder, network: "Conditioned", count: int, data_folder: str | Path | None) -> "Images":
    """Images of the split that models are chosen on, so many at most, as a network takes them."""
    from ratescape.evaluation.grid import seen_images

    if count < 1:
        raise SpecError(f"images is {count}: measure on one at least")
    return seen_images(network, data_of(folder, data_folder), count)


def ground_of(folder: SweepFolder, network: "Conditioned", data_folder: str | Path | None, device: str) -> "Ground":
    """What a network is worth at any betas, measured as its landscape was: by its images, judge and settings."""
    from ratescape.compute.devices import chosen_device
    from ratescape.judges.cache import judge_of_results
    from ratescape.search.ground import Ground

    data, settings = data_of(folder, data_folder), folder.spec().evaluation
    judge = judge_of_results(folder, data, settings, chosen_device(device))
    return Ground(network, data, judge, settings, folder)
