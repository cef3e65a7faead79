"""ES modules joined into one classic script, which browsers run from disk too (they load no module from there).

The modules keep to a small part of the language, checked here: named exports in front of their declarations, named
imports without ``as`` at the top, by relative paths, no cycles, and no name at the top level of two modules.
"""

import posixpath
import re
from collections.abc import Callable

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"(\.{1,2}/[\w./-]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|const|let|class)\b)", re.MULTILINE)
_LEFT_OVER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_DECLARED = re.compile(
    r"^(export )?(?:(?:async )?function\*? (\w+)|class (\w+)|(?:const|let) (?:(\w+)|[\[{]([^=]*)[\]}])(?: =|;))",
    re.MULTILINE,
)


class JoinError(ValueError):
    """Modules that cannot be joined; the message names the file and says why."""


def join_modules(entry: str, read: Callable[[str], str]) -> str:
    """The script of a module and of all that it imports, each once and before what imports it.

    Args:
        entry: path of the module that runs last; imports are relative to the file that has them.
        read: gives the text of a file by its path, written as that of the entry.

    Raises:
        JoinError: a module goes beyond what can be joined, or imports what is not exported.

    Example::

        join_modules("main.js", lambda name: (folder / name).read_text())
    """
    joined: dict[str, str] = {}
    _visit(entry, read, (), joined)
    owners: dict[str, str] = {}
    for file, text in joined.items():
        for name in _declared(text):
            if owners.setdefault(name, file) != file:
                raise JoinError(f"{file} and {owners[name]} both declare {name} at their top level")
    parts = [f"// ---- {file}\n\n{_EXPORT.sub('', _IMPORT.sub('', text)).strip()}\n" for file, text in joined.items()]
    return '"use strict";\n\n' + "\n".join(parts)


def _visit(file: str, read: Callable[[str], str], above: tuple[str, ...], joined: dict[str, str]) -> None:
    """Add a module to those joined, after all that it imports."""
    if file in joined:
        return
    if file in above:
        raise JoinError(f"{' imports '.join([*above, file])}: a cycle")
    text = read(file)
    left_over = _LEFT_OVER.search(_EXPORT.sub("", _IMPORT.sub("", text)))
    if left_over is not None:
        raise JoinError(f"{file} has a statement that cannot be joined: {left_over[0]}")
    for names, address in _IMPORT.findall(text):
        source = posixpath.normpath(posixpath.join(posixpath.dirname(file), address))
        _visit(source, read, (*above, file), joined)
        exported = _declared(joined[source], exported=True)
        for name in filter(None, map(str.strip, names.split(","))):
            if name not in exported:
                raise JoinError(f"{file} imports {name}, which {source} does not export")
    joined[file] = text


def _declared(text: str, exported: bool = False) -> set[str]:
    """Names declared at the top level of a module, those without indentation: all, or the exported ones."""
    found: set[str] = set()
    for export, function, kind, one, several in _DECLARED.findall(text):
        if export or not exported:
            found.update(filter(None, [function, kind, one, *re.findall(r"\w+", several)]))
    return found
