"""The commands by name, and the entry point. Each command is a class in its own file; its fields are the options."""

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ratescape.cli import parsing
from ratescape.cli.commands.bench_files import BenchFiles
from ratescape.cli.commands.check_network import CheckNetwork
from ratescape.cli.commands.compare import Compare
from ratescape.cli.commands.compress import Compress
from ratescape.cli.commands.data import Data
from ratescape.cli.commands.decompress import Decompress
from ratescape.cli.commands.evaluate import Evaluate
from ratescape.cli.commands.explore import Explore
from ratescape.cli.commands.export import Export
from ratescape.cli.commands.info import Info
from ratescape.cli.commands.ls import Ls
from ratescape.cli.commands.map import Map
from ratescape.cli.commands.pull import Pull
from ratescape.cli.commands.push import Push
from ratescape.cli.commands.recommend import Recommend
from ratescape.cli.commands.report import Report
from ratescape.cli.commands.restore import Restore
from ratescape.cli.commands.score import Score
from ratescape.cli.commands.solve import Solve
from ratescape.cli.commands.status import Status
from ratescape.cli.commands.train import Train
from ratescape.cli.config import UsageError
from ratescape.cli.output import complain
from ratescape.errors import RatescapeError, memory_shortage
from ratescape.records.files import failed

Command: TypeAlias = (
    Map
    | Train
    | Evaluate
    | Report
    | Compare
    | Recommend
    | Solve
    | Explore
    | Score
    | Compress
    | Decompress
    | Info
    | BenchFiles
    | Restore
    | Export
    | Push
    | Pull
    | Status
    | Ls
    | Data
    | CheckNetwork
)

COMMANDS: dict[str, type[Command]] = {
    "map": Map,
    "train": Train,
    "evaluate": Evaluate,
    "report": Report,
    "compare": Compare,
    "recommend": Recommend,
    "solve": Solve,
    "explore": Explore,
    "score": Score,
    "compress": Compress,
    "decompress": Decompress,
    "info": Info,
    "bench-files": BenchFiles,
    "restore": Restore,
    "export": Export,
    "push": Push,
    "pull": Pull,
    "status": Status,
    "ls": Ls,
    "data": Data,
    "check-network": CheckNetwork,
}


def parse(words: list[str]) -> Command:
    """The command that a command line asks for; raises as :func:`ratescape.cli.parsing.parse`."""
    return parsing.parse(words, COMMANDS)


def main(arguments: Sequence[str] | None = None, is_interrupted: Callable[[], bool] = lambda: False) -> int:
    """Run one command; returns the exit status: 0, 1 for an error, 2 for a wrong command line.

    Args:
        arguments: the words of the command; default: those of this process.
        is_interrupted: whether the process was asked to end. An error is then what a library made of that, such as
            "this file is damaged", and is not told.

    Raises:
        KeyboardInterrupt: an error came, and the process was asked to end.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be text

    def refused(error: Exception, told: Exception, status: int = 1) -> int:
        if is_interrupted():
            raise KeyboardInterrupt from error
        complain(str(told))
        return status

    try:
        parse(list(sys.argv[1:] if arguments is None else arguments)).run()
        sys.stdout.flush()
    except RatescapeError as error:
        return refused(error, error, 2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever reads the output has left
    except OSError as error:  # where nobody knew better what to say of it
        return refused(error, failed(error))
    except (MemoryError, RuntimeError) as error:
        shortage = memory_shortage(error)
        if shortage is None:
            raise
        return refused(error, shortage)
    return 0
