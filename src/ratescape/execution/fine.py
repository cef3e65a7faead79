"""The fine landscape of a conditioned sweep: what its network does at many betas, without training."""

import contextlib
import json
import threading
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ratescape import checkpoint
from ratescape.compute.cores import each_on_a_core
from ratescape.compute.devices import chosen_device
from ratescape.errors import RecordError
from ratescape.evaluation.comparable import REVISION
from ratescape.evaluation.fine_uses import uses_at
from ratescape.evaluation.grid import grid_table, seen_images
from ratescape.execution.progress.messages import told
from ratescape.execution.provenance import device_name
from ratescape.execution.session import Session
from ratescape.model.conditioning import Conditioned
from ratescape.records.files import read_json_lines, to_json_lines, write_atomically
from ratescape.records.fine import read_fine
from ratescape.records.folders import SweepFolder
from ratescape.records.table import FINE_IMAGES
from ratescape.specs.codec import to_dict
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.sweep import SweepSpec


def measure_finely(spec: SweepSpec, folder: SweepFolder, execution: ExecutionSpec, own: Session) -> None:
    """Measure the fine landscape of a conditioned network, unless that network was measured alike.

    What is measured for anomalies and restoring is kept point by point, so that nothing is done twice.
    """
    networks, points = spec.networks(), spec.fine_points()
    source = folder.network(networks[0]) if points else None
    if source is None or read_json_lines(source.training)[-1]["status"] == "diverged":
        folder.fine.unlink(missing_ok=True)
        return
    stamp: dict[str, Any] = {
        "network": checkpoint.digest_of(source.weights),
        "revision": REVISION,
        "images": FINE_IMAGES,
    }
    if images := spec.method.fine_uses():
        stamp["uses"] = {"images": images, "evaluation": to_dict(spec.evaluation)}
    with contextlib.suppress(RecordError):  # damaged, or of another grid: made anew
        if folder.provenance().get("fine") == stamp and read_fine(folder) is not None:
            return
    # This machine's, not the cluster's.
    device = chosen_device("auto" if execution.engine == "ray" else execution.device)
    own.begin(device_name(device), processes=1)
    with told(own.phases.receive, "fine landscape"):
        network, _ = checkpoint.load_network(source.weights, device)
        fine = grid_table(network, seen_images(network, own.data), points)
        if images:
            fine = pd.concat([fine, _uses(network, own, spec, folder, stamp)], axis=1)
        write_atomically(folder.fine, fine.to_csv(index=False))
    own.note(fine=stamp)
    folder.fine_uses.unlink(missing_ok=True)


def _uses(
    network: Conditioned, own: Session, spec: SweepSpec, folder: SweepFolder, stamp: Mapping[str, Any]
) -> pd.DataFrame:
    """What each point is worth for anomalies and restoring, one row a point."""
    points, images, lock = spec.fine_points(), spec.method.fine_uses(), threading.Lock()
    done = _measured(folder, stamp)
    kept = [{"stamp": stamp}, *({"betas": betas, "found": found} for betas, found in done.items())]
    write_atomically(folder.fine_uses, to_json_lines(kept))

    def measure(betas: tuple[float, ...]) -> None:
        found = uses_at(network, own.data, betas, spec.evaluation, images)
        with lock, folder.fine_uses.open("a", encoding="utf-8") as file:
            done[betas] = found
            file.write(json.dumps({"betas": betas, "found": found}) + "\n")

    left = [betas for betas in points if betas not in done]
    each_on_a_core(measure, left, next(network.parameters()).device)
    return pd.DataFrame([done[betas] for betas in points])


def _measured(folder: SweepFolder, stamp: Mapping[str, Any]) -> dict[tuple[float, ...], dict[str, float]]:
    """What a session that was broken off has measured alike."""
    if not folder.fine_uses.exists():
        return {}
    lines: list[dict[str, Any]] = []
    with contextlib.suppress(ValueError):  # whoever was killed may have left half a line
        lines.extend(map(json.loads, folder.fine_uses.read_text(encoding="utf-8").splitlines()))
    if not lines or lines[0].get("stamp") != json.loads(json.dumps(stamp)):
        return {}
    return {tuple(line["betas"]): line["found"] for line in lines[1:]}
