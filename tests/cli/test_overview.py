"""`ratescape --help` is read off the source, and says what the commands say themselves."""

import subprocess
import sys

from helpers.commands import Run

from ratescape.cli.commands import COMMANDS
from ratescape.cli.overview import overview, read_summaries


def test_what_is_read_is_what_the_commands_say(run: Run) -> None:
    read = read_summaries()
    assert list(read) == list(COMMANDS)
    assert read == {name: (command.__doc__ or "").splitlines()[0] for name, command in COMMANDS.items()}
    assert run("--help").out == overview(read) + "\n"


def test_help_waits_for_no_library() -> None:
    code = (
        "import sys; from ratescape.cli.entry import main; sys.argv = ['ratescape', '--help']; status = main()\n"
        "assert status == 0 and not {'tyro', 'numpy', 'torch', 'ratescape.cli.commands'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "\n  map " in result.stdout, result.stderr
