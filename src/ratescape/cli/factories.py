"""Networks of the user's own at a terminal: which factories may be imported, and from where."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from tyro.conf import arg

from ratescape.errors import SpecError

AllowFactory: TypeAlias = Annotated[tuple[str, ...], arg(metavar="MODULE:FUNCTION ...")]


def importable(names: Sequence[str | None]) -> list[str]:
    """The names that are given; if there are any, their modules are looked for in the current folder, too, but last.

    Example::

        importable(["nets:mixer"])
    """
    given = [name for name in names if name is not None]
    here = str(Path.cwd())
    if given and here not in sys.path:
        sys.path.append(here)
    return given


def refuse_factory_of_file(command: Any, default: Any, words: Sequence[str]) -> None:
    """Refuse a factory that a config file names and nobody typed: a file alone imports nothing.

    Args:
        command: what the command line asks for.
        default: what its config file asks for.
        words: the command line without its config file.

    Raises:
        SpecError: names the factory, and how it is allowed.
    """
    name = default.options.model.factory
    typed = any(word.partition("=")[0].replace("_", "-") == "--model.factory" for word in words)
    if name is not None and command.options.model.factory == name and not typed and name not in command.allow_factory:
        raise SpecError(
            f"the config file wants the factory {name}, whose code would be imported: if you trust it, add "
            f"--allow-factory {name}"
        )
