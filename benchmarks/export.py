"""How large exported programs of a model are, and how fast, beside the model itself.

    python benchmarks/export.py digits/runs/KEY

Times are processor seconds of one thread for each image, the fewest of several rounds: those on the clock would say how
busy the machine is.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import ratescape as rs
from ratescape.exporting.formats import session_of
from ratescape.exporting.parts import parts_of

BATCHES = (1, 64)


def fewest(run: Callable[[], Any], images: int, rounds: int = 7, seconds: float = 0.2) -> float:
    """Processor seconds for each image."""
    run()
    found: list[float] = []
    for _ in range(rounds):
        calls, begun = 0, time.process_time()
        while time.process_time() - begun < seconds:
            run()
            calls += 1
        found.append((time.process_time() - begun) / calls / images)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="+", help="folders or files of models")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| model | program | weights (MB) | ONNX (MB) | torch (MB) | images | model (ms) | ONNX (ms) | torch (ms) |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for path in options.model:
        measure(rs.load(path))


def measure(model: rs.HVAE) -> None:
    """Print a row for each program and number of images."""
    weights = sum(one.numel() * one.element_size() for one in model.state_dict().values()) / 1e6
    with tempfile.TemporaryDirectory() as place:
        onnx, program = rs.export(model, Path(place) / "onnx"), rs.export(model, Path(place) / "torch", "torch")
        for part in parts_of(model):
            session = session_of(onnx.files[part.name], threads=1)
            loaded = torch.export.load(program.files[part.name]).module()
            size = [one.files[part.name].stat().st_size / 1e6 for one in (onnx, program)]
            for count in BATCHES:
                values = [torch.rand(count, *shape) for shape in part.inputs.values()]
                given = {name: value.numpy() for name, value in zip(part.inputs, values, strict=True)}

                def exported(values: list[torch.Tensor] = values, loaded: Any = loaded, part: Any = part) -> Any:
                    with torch.no_grad():
                        return loaded(*part.arguments(values))

                def run(session: Any = session, given: Any = given) -> Any:
                    return session.run(None, given)

                def own(part: Any = part, values: list[torch.Tensor] = values) -> Any:
                    return part.run(values)

                times = [1000 * fewest(one, count) for one in (own, run, exported)]
                cells = [model.spec.title, part.name, *(f"{one:.2f}" for one in (weights, *size)), str(count)]
                print(f"| {' | '.join([*cells, *(f'{one:.3f}' for one in times)])} |", flush=True)


if __name__ == "__main__":
    main()
