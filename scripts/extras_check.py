"""Whether each extra of the wheel does what it is for, by the versions of it that an environment has.

    python scripts/extras_check.py digits

`release_check.py` runs it in its environments, after their extras were installed, with the landscape that it mapped.
"""

import os
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import ratescape as rs

IMAGES = rs.load_data("mnist-5k", limit=400).test.pixels[:8]


def files(landscape: rs.Landscape, folder: Path) -> None:
    """Images become an archive without loss, and the same images again."""
    model = landscape.best("nelbo").load()
    again = rs.decompress(rs.compress(model, IMAGES, lossless=True), model)
    wrong = int((np.asarray(again).reshape(-1) != np.asarray(model.inputs(IMAGES)).reshape(-1)).sum())
    assert wrong == 0, f"{wrong} pixels are others"


def onnx(landscape: rs.Landscape, folder: Path) -> None:
    """Each program is compared with the model when it is written."""
    rs.export(landscape.best("nelbo").load(), folder / "programs", images=IMAGES)


def tensorboard(landscape: rs.Landscape, folder: Path) -> None:
    """A training that is logged, where a logger that fails would only warn."""
    data, evaluation = rs.load_data("mnist-5k", limit=400), {"samples": 0, "probes": "none", "information": False}
    out = folder / "model"
    rs.train(data, betas=1, training={"epochs": 1}, evaluation=evaluation, log="tensorboard", out=out)
    assert list(out.glob("logs/tensorboard/*/events*")), "no events were written"


def explore(landscape: rs.Landscape, folder: Path) -> None:
    """The page is served, and its state with it."""
    served = landscape.explore()
    with urllib.request.urlopen(served.address) as answer:
        assert b"<html" in answer.read()
    served.close()


def tables(landscape: rs.Landscape, folder: Path) -> None:
    """Rows of a .parquet file are data."""
    pd.DataFrame(np.random.default_rng(0).normal(size=(64, 3)), columns=list("abc")).to_parquet(folder / "rows.parquet")
    assert rs.load_data(folder / "rows.parquet").test.pixels.shape[1:] == (3,)


def hub(landscape: rs.Landscape, folder: Path) -> None:
    """The library is found, stays off the network, and its error is told in our words."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder)}  # which the library reads when it is imported
    told = ""
    try:
        rs.from_hub("me/digits")
    except rs.HubError as error:
        told = str(error)
    assert "has not been downloaded before" in told, told


CHECKS: dict[str, Callable[[rs.Landscape, Path], None]] = {
    one.__name__: one for one in (files, onnx, tensorboard, explore, tables, hub)
}
"""Each by the name of its extra."""


def main(path: str) -> int:
    """Run them all; prints the name of each that works."""
    for name, check in CHECKS.items():
        with tempfile.TemporaryDirectory() as folder:
            check(rs.Landscape(path), Path(folder))
        print(name, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
