"""What `ratescape --help` prints: read off the commands' source, since to import them takes several times as long."""

import ast
from pathlib import Path

COMMANDS = Path(__file__).parent / "commands"


def overview() -> str:
    """Every command with the first line of its docstring.

    Example::

        print(overview())
    """
    lines = ["usage: ratescape COMMAND [OPTIONS]", ""]
    lines += [f"  {name:14} {summary}" for name, summary in summaries().items()]
    lines += [
        "",
        "map and train also take --config with a YAML file or the name of a preset; options override its values.",
        "`ratescape COMMAND --help` shows every option and its default.",
        "`ratescape --print-completion bash` (or zsh, fish) prints what completes words at a prompt.",
    ]
    return "\n".join(lines)


def summaries() -> dict[str, str]:
    """The first line of each command's docstring, by the command's name, in their order."""
    table = _tree(COMMANDS / "__init__.py")
    files = {
        alias.name: f"{node.module.rpartition('.')[2]}.py"
        for node in table.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    found: dict[str, str] = {}
    for node in table.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict):
            for name, kind in zip(node.value.keys, node.value.values, strict=True):
                assert isinstance(name, ast.Constant) and isinstance(kind, ast.Name)
                found[str(name.value)] = _summary(COMMANDS / files[kind.id], kind.id)
    return found


def _summary(path: Path, name: str) -> str:
    for node in _tree(path).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    raise AssertionError(f"{path} has no class {name}")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
