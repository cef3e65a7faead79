"""Run tutorials as a reader would, each from an empty folder, by an environment that holds what they ask for alone.

    python -m venv env && env/bin/pip install "dist/ratescape-VERSION-py3-none-any.whl[files]" mlxtend
    python scripts/tutorials.py env/bin/python

The site runs them as notebooks, where all of the project's extras are installed. Cells that only show a picture on the
page are left out.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"
CELL = re.compile(r"^```\{code-cell\}\n((?::[^\n]*\n)*)(.*?)^```$", re.MULTILINE | re.DOTALL)


def program(page: str) -> str:
    r"""The cells of a page as one Python program.

    Example::

        program("```{code-cell}\n%%bash\nls\n```\n")  # imports subprocess, and has it run bash on "ls"
    """
    parts = ["import subprocess"]
    for tags, code in CELL.findall(page):
        magic, _, rest = code.partition("\n")
        if "remove-input" in tags:
            continue
        if magic == "%%bash":
            parts.append(f"subprocess.run(['bash', '-euc', {rest!r}], check=True)")
        elif magic.startswith("%%writefile "):
            parts.append(f"open({magic.split()[1]!r}, 'w', encoding='utf-8').write({rest!r})")
        else:
            parts.append(code)
    return "\n".join(parts)


def ran(python: Path, page: Path) -> tuple[float, str]:
    """Seconds that a page takes from an empty folder, and the last lines of what it prints if it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RATESCAPE_DATA")}
    path = f"{python.parent.absolute()}{os.pathsep}{os.environ['PATH']}"
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tutorial-") as folder:
        script = Path(folder) / "tutorial.py"
        script.write_text(program(page.read_text(encoding="utf-8")), encoding="utf-8")
        done = subprocess.run(
            [python.absolute(), script],
            cwd=folder,
            env={**kept, "PATH": path, "MPLBACKEND": "agg"},
            capture_output=True,
            text=True,
        )
    last = "" if done.returncode == 0 else "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
    return time.perf_counter() - begun, last


def main(words: Sequence[str] | None = None) -> int:
    """Run all pages that have cells, or those that are named; the exit status is 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", type=Path, help="the interpreter of the environment")
    parser.add_argument("pages", nargs="*", help="such as first; default: all that have cells")
    given = parser.parse_args(words)
    pages = [page for page in sorted(TUTORIALS.glob("*.md")) if CELL.search(page.read_text(encoding="utf-8"))]
    failed = False
    for page in [page for page in pages if not given.pages or page.stem in given.pages]:
        seconds, last = ran(given.python, page)
        print(f"{page.stem:14} {'failed' if last else 'works'} {seconds:5.0f} s", flush=True)
        if last:
            failed = True
            print(last, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
