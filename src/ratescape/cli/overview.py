"""What `ratescape --help` prints, read off the source of the commands: to import them all takes longer than to read."""

import ast
from collections.abc import Mapping
from pathlib import Path

COMMANDS = Path(__file__).parent / "commands"


def overview(summaries: Mapping[str, str]) -> str:
    """The overview of all commands.

    Args:
        summaries: the first line on each command, by name.
    """
    lines = ["usage: ratescape COMMAND [OPTIONS]", ""]
    lines += [f"  {name:14} {summary}" for name, summary in summaries.items()]
    lines += [
        "",
        "map and train also take --config with a YAML file or the name of a preset; options override its values.",
        "`ratescape COMMAND --help` shows every option and its default.",
    ]
    return "\n".join(lines)


def read_summaries() -> dict[str, str]:
    """The first line of every command's docstring, by name, in the order of the commands; nothing is imported."""
    tree = _tree(COMMANDS / "__init__.py")
    files = {
        alias.name: COMMANDS / f"{node.module.rpartition('.')[2]}.py"
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "COMMANDS":
            assert isinstance(node.value, ast.Dict)
            listed = zip(node.value.keys, node.value.values, strict=True)
            return {
                key.value: _summary(files[value.id], value.id)
                for key, value in listed
                if isinstance(key, ast.Constant) and isinstance(key.value, str) and isinstance(value, ast.Name)
            }
    raise AssertionError("the commands are listed in COMMANDS")


def _summary(path: Path, name: str) -> str:
    """The first line of a class's docstring."""
    for node in _tree(path).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
