"""What a command finds of its own from before: what is done, and how far trainings are that it goes on with."""

from pathlib import Path

from ratescape import checkpoint
from ratescape.errors import RatescapeError
from ratescape.execution.engine import Job
from ratescape.execution.networks import going_on
from ratescape.execution.workspace import is_trained
from ratescape.records.attempts import read_attempts
from ratescape.specs.identity import key
from ratescape.specs.sweep import SweepSpec


def steps_behind(file: Path) -> int:
    """Steps that a training has behind it, by its checkpoint; 0 where there is none, or none that can be read."""
    try:
        return int(checkpoint.header_of(file)["step"]) if file.exists() else 0
    except (RatescapeError, KeyError, TypeError, ValueError):  # the training itself will say what is wrong with it
        return 0


def all_steps_behind(job: Job) -> dict[str, int]:
    """Steps that trainings of networks and models in a sweep have behind them, by their keys; none of those at 0."""
    found: dict[str, int] = {}
    for network in job.networks:
        folder = job.folder.network(network)
        attempt = going_on(read_attempts(folder.attempts), network.restarts)
        found[key(network)] = steps_behind(folder.checkpoint_of(attempt))
    for pack in job.packs:
        steps = steps_behind(job.folder.packs / f"{pack.name}.safetensors")
        found |= dict.fromkeys(map(key, pack.runs), steps)
    return {name: steps for name, steps in found.items() if steps}


def taken_up(spec: SweepSpec, job: Job) -> str | None:
    """What a sweep finds of its own from before, in words; None where that is nothing."""
    networks, runs = spec.networks(), spec.runs()
    found: list[str] = []
    if trained := len(networks) - len(job.networks):
        found.append("the network is trained" if len(networks) == 1 else f"{trained} of {len(networks)} networks")
    if models := sum(is_trained(job.folder.run(run)) for run in runs):
        found.append(f"{models} of {len(runs)} models")
    begun = [one for one in job.networks if any(job.folder.network(one).path.glob("checkpoint*.safetensors"))]
    packs = list(job.folder.packs.glob("*.safetensors"))
    if count := len(begun) + len(packs):
        steps = max(all_steps_behind(job).values(), default=0)
        after = f" after {steps:,} steps" if steps else ""
        found.append(f"a training goes on{after}" if count == 1 else f"{count} trainings go on")
    return ", ".join(found) or None
