"""What a logger has to hold of a training, by the log of the run."""

from collections.abc import Mapping
from typing import Any


def expected(line: Mapping[str, Any]) -> dict[str, float]:
    """The series that a line of training.jsonl makes."""
    found: dict[str, float] = {name: line[name] for name in ("loss", "distortion", "learning_rate")}
    lists = {"beta": line["betas"], "rate": line["rates"]}
    layers = len(line["rates"])
    found |= {f"{name}_{layers - i}": value for name, values in lists.items() for i, value in enumerate(values)}
    return found | {"rate": sum(line["rates"])}
