"""An upgrade between kill and resume: an older version begins, is killed, and this one is given the same command.

    git worktree add ../older COMMIT
    python tests/reliability/upgrade.py ../older --kills 3

Each ends as one that the older version alone began and ended, or is refused in one line.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does

from reliability.commands import SETTINGS, Cases

HERE = Path(__file__).parents[2]

METHODS: dict[str, tuple[str, ...]] = {
    "dedicated": ("--method", "dedicated", "--grid.steps", "2", "--execution.pack", "1"),
    "conditioned": ("--method", "conditioned", "--grid.steps", "2", "--conditioning.width", "8"),
    "targeted": ("--method", "targeted", "--target-rates", "total=3", "2=1"),
}
"""Options that versions of long ago have, too."""


def begun(version: Path, words: list[str]) -> subprocess.Popen[str]:
    """A command by a checkout of the package."""
    environment = os.environ | {"PYTHONPATH": str(version / "src"), "OMP_NUM_THREADS": "1"}
    code = "import sys; from ratescape.cli.commands import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *words],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def told(older: Path, method: str, epochs: str, share: float, folder: Path) -> str:
    """One case: what became of it.

    Args:
        share: of the time that the older version needs, after which it is killed; above 1 it ends.
    """
    images = Cases(folder / "cases").images
    settings = [epochs if SETTINGS[i - 1] == "--training.epochs" else word for i, word in enumerate(SETTINGS)]
    common = ["map", *METHODS[method], "--data.name", str(images), *settings]
    whole, out = folder / "whole", folder / "out"
    begin = time.monotonic()
    first = begun(older, [*common, "--out", str(whole)])
    _, err = first.communicate()
    seconds = time.monotonic() - begin
    if first.returncode != 0:
        return f"the older version does not know the command: {err.splitlines()[-1][:150]}"
    killed = begun(older, [*common, "--out", str(out)])
    time.sleep(share * seconds)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    done = len(list(out.glob("runs/*/done"))) + len(list(out.glob("networks/*/weights.safetensors")))
    left = len(list(out.rglob("*.safetensors"))) - done
    there = f"{done} done, {left} more files of tensors"
    again = begun(HERE, [*common, "--out", str(out)])
    _, err = again.communicate()
    if again.returncode != 0:
        lines = [line for line in err.splitlines() if not line.startswith("caution")]
        right = again.returncode in (1, 2) and len(lines) == 1 and lines[0].startswith("ratescape: ")
        return f"{there}: {'refused' if right else 'WRONG'}: {err[-300:]!r}"
    mine, other = (pd.read_csv(path / "landscape.csv") for path in (out, whole))
    shared = [name for name in other.select_dtypes("number") if name in mine]
    alike = len(mine) == len(other) and np.allclose(mine[shared], other[shared], rtol=1e-3, equal_nan=True)
    off = [name for name in shared if not np.allclose(mine[name], other[name], rtol=1e-3, equal_nan=True)]
    return f"{there}: {'right' if alike else 'OTHER NUMBERS'}, {len(shared)} columns in common, others: {off}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("older", type=Path, help="checkout of an older version")
    parser.add_argument("--kills", type=int, default=3, help="of each method")
    parser.add_argument("--epochs", default="200", help="so many that a kill lands in training")
    parser.add_argument("--seed", type=int, default=0)
    options, wrong = parser.parse_args(), 0
    chance = random.Random(options.seed)
    for method in METHODS:
        for number in range(options.kills):
            with tempfile.TemporaryDirectory() as folder:
                found = told(options.older, method, options.epochs, chance.uniform(0.4, 1.05), Path(folder))
            print(f"{method} {number}: {found}", flush=True)
            wrong += "WRONG" in found or "OTHER" in found
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
