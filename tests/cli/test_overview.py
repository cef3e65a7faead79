"""`ratescape --help` waits for no library."""

import subprocess
import sys


def test_help_waits_for_no_library() -> None:
    code = (
        "import sys; from ratescape.cli.entry import main; sys.argv = ['ratescape', '--help']; status = main()\n"
        "assert status == 0 and not {'tyro', 'numpy', 'torch', 'ratescape.cli.commands'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "\n  map " in result.stdout, result.stderr
