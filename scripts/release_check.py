"""Whether the wheel works: built, checked, installed in empty environments with the lowest and the newest dependencies.

    python scripts/release_check.py --dist dist --report release.json

Every Python of 3.11, 3.12 and 3.13 that is on this machine is tried. An interpreter for which the package index has no
CPU build of torch is tried without torch: every module compiles, and the commands that need no torch run. What was and
was not tried is in the report and is printed. Beside the wheel it leaves a list of
all that it brings (CycloneDX). Needs the extra `release`.
"""

import argparse
import dataclasses
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
TINY = (
    "--data.name mnist-5k --data.limit 400 --grid.steps 2 --training.epochs 1 --conditioning.fine 2 "
    "--conditioning.restarts 0 --conditioning.refine-recommended 0 --evaluation.samples 0 --evaluation.probes none "
    "--evaluation.no-information --execution.engine in-process --quiet"
)
"""The demo's command at a size that takes seconds."""

STEPS = (
    f"map {TINY} --out digits",
    "ls",
    "recommend digits --for reconstruction",
    "report digits",
    "evaluate digits",
)
EXTRAS = ("explore", "files", "hub", "onnx", "tables", "tensorboard")
"""What is installed when all else has run, and used by `extras_check.py`."""

WITHOUT_TORCH = ("--help", "map --help", "data list", "ls")


class CheckFailed(Exception):
    """One line: which step failed, and what it printed last."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """One environment to be made."""

    python: str
    """Its command or path."""
    resolution: str
    """lowest or newest."""
    torch: bool


def lowest(requirements: Sequence[str], torch: str | None = None) -> list[str]:
    """A constraint for each requirement: the lowest version that it allows.

    Args:
        requirements: as in pyproject.toml; each has a lower bound.
        torch: a version to be taken for torch in any case, where its lowest is no CPU build.

    Raises:
        CheckFailed: a requirement without a lower bound.

    Example::

        lowest(["numpy>=2.0", "constriction>=0.5,<0.6"])  # ["numpy==2.0", "constriction==0.5"]
    """
    pins: list[str] = []
    for text in requirements:
        requirement = Requirement(text)
        if torch is not None and requirement.name == "torch":
            pins.append(f"torch=={torch}")
            continue
        bounds = [one.version for one in requirement.specifier if one.operator in (">=", "==", "~=")]
        if not bounds:
            raise CheckFailed(f"{text} has no lower bound: give it one in pyproject.toml")
        pins.append(f"{requirement.name}=={bounds[0]}")
    return pins


def requirements_of(extras: Sequence[str] = ()) -> list[str]:
    """The requirements of pyproject.toml, and those of some extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]


def ran(words: Sequence[str | Path], cwd: Path | None = None, **options: Any) -> str:
    """What a command prints; raises :class:`CheckFailed` with its last lines where it fails."""
    result = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, **options)
    if result.returncode != 0:
        last = "\n".join((result.stdout + result.stderr).strip().splitlines()[-12:])
        raise CheckFailed(f"{' '.join(map(str, words))} failed ({result.returncode}):\n{last}")
    return result.stdout


def built(dist: Path) -> Path:
    """Build wheel and sdist into an empty folder, and check their metadata; returns the wheel."""
    shutil.rmtree(dist, ignore_errors=True)
    ran([sys.executable, "-m", "build", "--outdir", dist, ROOT])
    ran([sys.executable, "-m", "twine", "check", "--strict", *sorted(dist.iterdir())])
    (wheel,) = dist.glob("*.whl")
    missing = missing_files(wheel)
    if missing:
        raise CheckFailed(f"{wheel.name} lacks {', '.join(missing)}")
    return wheel


def missing_files(wheel: Path) -> list[str]:
    """Files of src/ that are not in the wheel."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    there = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
    return sorted(name for name in there if "__pycache__" not in name and name not in inside)


def trials(pythons: Sequence[str], with_torch: Sequence[str]) -> list[Trial]:
    """Lowest and newest for every Python that has a build of torch; else one without torch."""
    found: list[Trial] = []
    for python in pythons:
        if python in with_torch:
            found += [Trial(python, resolution, True) for resolution in ("lowest", "newest")]
        else:
            found.append(Trial(python, "newest", False))
    return found


def tried(trial: Trial, wheel: Path, torch: str | None) -> dict[str, Any]:
    """Install the wheel into an empty environment, and run it from an empty folder; returns what was measured."""
    with tempfile.TemporaryDirectory(prefix="release-") as place:
        folder = Path(place)
        ran([trial.python, "-m", "venv", folder / "env"])
        python = folder / "env" / "bin" / "python"
        begun = time.perf_counter()
        install(trial, python, wheel, torch, folder)
        facts: dict[str, Any] = {"install_seconds": round(time.perf_counter() - begun, 1)}
        facts["megabytes"] = round(size_of(folder / "env") / 1e6)
        facts["packages"] = json.loads(ran([python, "-m", "pip", "list", "--format", "json"]))
        if trial.torch and trial.resolution == "newest":
            write_sbom(python, wheel)
        work = folder / "work"
        work.mkdir()
        command = folder / "env" / "bin" / "ratescape"
        for words in STEPS if trial.torch else WITHOUT_TORCH:
            ran([command, *words.replace("evaluate digits", evaluated(work)).split()], work)
        if trial.torch and not (work / "digits" / "report.html").stat().st_size:
            raise CheckFailed("map wrote no report.html")
        facts |= times(python, command, work, trial.torch)
        if trial.torch:
            install(trial, python, wheel, torch, folder, EXTRAS)
            told = ran([python, ROOT / "scripts" / "extras_check.py", "digits"], work).split()  # exporters talk, too
            facts["extras"] = [name for name in told if name in EXTRAS]
        return facts


def evaluated(work: Path) -> str:
    """A command that measures the first model of the landscape again."""
    runs = sorted((work / "digits" / "runs").glob("*")) if (work / "digits").exists() else []
    return f"evaluate {runs[0]}" if runs else "evaluate digits"


def install(
    trial: Trial, python: Path, wheel: Path, torch: str | None, folder: Path, extras: Sequence[str] = ("demo",)
) -> None:
    """The wheel with some of its extras; without torch, everything else that it needs."""
    wanted = requirements_of(extras)
    pins = [f"torch=={torch}"] if torch and trial.torch else []
    if trial.resolution == "lowest":
        pins = lowest(wanted, torch)
    (folder / "constraints.txt").write_text("\n".join(pins) + "\n", encoding="utf-8")
    pip = [python, "-m", "pip", "install", "--quiet", "--constraint", folder / "constraints.txt"]
    if trial.torch:
        ran([*pip, f"{wheel}[{','.join(extras)}]"])
        ran([python, "-m", "pip", "check"])
        return
    ran([*pip, *(one for one in wanted if Requirement(one).name != "torch")])
    ran([*pip, "--no-deps", wheel])
    site = ran([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    ran([python, "-W", "error", "-m", "compileall", "-q", "-f", Path(site) / "ratescape"])


def write_sbom(python: Path, wheel: Path) -> None:
    """The list of all that the environment holds, in the form of CycloneDX, beside the wheel: WHEEL.cdx.json."""
    out = wheel.with_suffix(".cdx.json")
    ran([sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--output-file", out, python])


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def times(python: Path, command: Path, work: Path, torch: bool) -> dict[str, float]:
    """Processor seconds that imports and help take, the fewest of five, once everything was read from disk.

    Not the time on the clock, which says how busy the machine is: these are all one thread's.
    """

    def fastest(words: list[str | Path]) -> float:
        seconds: list[float] = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            ran(words, work)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return round(min(seconds), 2)

    found = {
        "python_seconds": fastest([python, "-c", "pass"]),
        "import_seconds": fastest([python, "-c", "import ratescape"]),
        "help_seconds": fastest([command, "--help"]),
    }
    if torch:
        found["torch_seconds"] = fastest([python, "-c", "import torch"])
        everything = "import ratescape; [getattr(ratescape, name) for name in ratescape.__all__]"
        found["all_names_seconds"] = fastest([python, "-c", everything])
    return found


def interpreter(asked: str) -> str | None:
    """Command or path of an interpreter that is asked for by its version, such as 3.12, or its path; None if absent."""
    installed = Path.home() / ".pyenv" / "versions"
    named = [f"python{asked}", *map(str, sorted(installed.glob(f"{asked}*/bin/python{asked}")))]
    for command in named if re.fullmatch(r"3\.\d+", asked) else [asked]:
        try:
            if (told := version_of(command)) == asked or ("/" in asked and told):
                return command
        except (CheckFailed, OSError):
            continue
    return None


def version_of(python: str) -> str:
    """Such as 3.12; raises :class:`CheckFailed` or OSError where it does not run."""
    return ran([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()


def has_cpu_torch(python: str, torch: str | None) -> bool:
    """Whether this Python's pip finds a build of torch for the CPU: what it resolves to brings no CUDA libraries."""
    with tempfile.TemporaryDirectory() as place:
        ran([python, "-m", "venv", place])
        wanted = f"torch=={torch}" if torch else "torch"
        words = [f"{place}/bin/python", "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-", wanted]
        try:
            report = ran(words)
        except CheckFailed:
            return False
    return not re.search(r'"name": "(nvidia|cuda)-', report)


def main() -> int:
    """Build and try everything; exit status 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="folder of wheel and sdist; emptied first")
    parser.add_argument("--report", type=Path, help="JSON file of what was tried and measured")
    parser.add_argument("--torch", help="version of torch to be taken everywhere, such as that of a CPU build")
    parser.add_argument("--python", nargs="+", default=PYTHONS, help="versions to try")
    options = parser.parse_args()
    report: list[dict[str, Any]] = []
    try:
        wheel = built(options.dist)
        print(f"built and checked: {wheel.name} ({wheel.stat().st_size / 1e6:.2f} MB)", flush=True)
        found = {asked: interpreter(asked) for asked in options.python}
        here = [python for python in found.values() if python is not None]
        for absent in (asked for asked, python in found.items() if python is None):
            print(f"not tried: Python {absent} is not on this machine", flush=True)
        with_torch = [python for python in here if has_cpu_torch(python, options.torch)]
        for trial in trials(here, with_torch):
            title = f"Python {version_of(trial.python)}, {trial.resolution} dependencies" + (
                "" if trial.torch else ", no torch"
            )
            facts = tried(trial, wheel, options.torch)
            report.append(dataclasses.asdict(trial) | {"python": version_of(trial.python)} | facts)
            shown = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "packages")
            print(f"works: {title}: {shown}", flush=True)
            if options.report:
                options.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    except CheckFailed as error:
        print(f"release check: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
