"""Small sweeps for clusters of Ray, which end as those of one thread do."""

from pathlib import Path

import torch

from helpers.commands import TINY
from ratescape.cli import commands
from ratescape.data.catalog import ImageData, load_data
from ratescape.execution.sweep import resolved_sweep, run_sweep
from ratescape.records.folders import SweepFolder
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.sweep import SweepSpec

SMALL = [*TINY, "--method", "dedicated", "--grid.steps", "2", "--training.epochs", "20"]
"""Four models of a second or so."""


def asked(images_file: Path, *options: str) -> tuple[SweepSpec, ImageData]:
    """What a command line asks for."""
    command = commands.parse(["map", "--data.name", str(images_file), *SMALL, *options])
    assert isinstance(command, commands.Map)
    data = load_data(command.sweep.data)
    return resolved_sweep(command.sweep, data), data


def serial(spec: SweepSpec, data: ImageData, place: Path) -> bytes:
    """The table of a sweep trained by one thread, one model after the other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        folder = SweepFolder(place)
        run_sweep(spec, data, folder, ExecutionSpec(engine="in-process", pack=1))
        return folder.table.read_bytes()
    finally:
        torch.set_num_threads(threads)
