"""What the folder of a landscape holds or refers to, loaded: its networks and its images."""

from pathlib import Path

from ratescape import checkpoint
from ratescape.data.batches import Images
from ratescape.data.catalog import ImageData
from ratescape.data.reloading import reload_data
from ratescape.errors import SpecError
from ratescape.evaluation.grid import seen_images
from ratescape.model.conditioning import Conditioned
from ratescape.records.folders import SweepFolder


def network_of(folder: SweepFolder, seed: int | None, device: str) -> Conditioned:
    """The conditioned network of a seed, by default the first; raises as :meth:`Landscape.network`."""
    networks = {network.seed: network for network in folder.spec().networks()}
    if not networks:
        raise SpecError(f"{folder.path} was mapped by dedicated models: map with method conditioned for this")
    chosen = next(iter(networks)) if seed is None else seed
    if chosen not in networks:
        raise SpecError(f"seed is {seed}: it must be one of {', '.join(map(str, networks))}")
    return checkpoint.load_network(folder.network(networks[chosen]).weights, device)[0]


def data_of(folder: SweepFolder, data_folder: str | Path | None) -> ImageData:
    """The images that a landscape was mapped with."""
    return reload_data(folder.spec().data, folder, folder.provenance().get("fingerprint"), data_folder)


def held_out(folder: SweepFolder, network: Conditioned, count: int, data_folder: str | Path | None) -> Images:
    """Images of the split that models are chosen on, so many at most, as a network takes them."""
    if count < 1:
        raise SpecError(f"images is {count}: measure on one at least")
    return seen_images(network, data_of(folder, data_folder), count)
