"""Scripts that complete command lines: every command and option, sourced where the shell is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest
from helpers.commands import Run

from ratescape.cli.commands import COMMANDS, parse
from ratescape.cli.overview import overview, summaries
from ratescape.cli.words import options


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ratescape.cli.completion import SHELLS, completion

    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        (folder / shell).write_text(completion([shell], COMMANDS) + "\n")
    return folder


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    line = " ".join(f"'{word}'" for word in ("ratescape", *words))
    code = (
        f'source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _ratescape; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-ec", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_bash_completes_commands_options_and_choices(scripts: Path) -> None:
    script = scripts / "bash"
    assert completed(script, "re") == ["report", "recommend", "restore"]
    assert set(COMMANDS) <= set(completed(script, ""))
    assert completed(script, "map", "--training.e") == ["--training.epochs", "--training.ema"]
    assert completed(script, "map", "--execution.log", "t") == ["tensorboard", "trackio"]
    assert completed(script, "map", "--method", "cond") == ["conditioned"]
    assert completed(script, "recommend", "digits", "--for", "rec") == ["reconstruction"]
    assert completed(script, "report", "") == []  # files, by bash itself
    assert completed(script, "--print-completion", "") == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_the_script(scripts: Path, shell: str) -> None:
    text = (scripts / shell).read_text()
    assert all(command in text for command in COMMANDS)
    if shutil.which(shell) is not None:
        subprocess.run([shell, "-n", str(scripts / shell)], check=True)


@pytest.mark.parametrize("name", ["map", "recommend", "ls"])
def test_every_option_is_completed(scripts: Path, name: str) -> None:
    found = set(completed(scripts / "bash", name, "--"))
    named = {f"--{option}" for option, _ in options(COMMANDS[name])} - {"--landscape", "--folder"}  # positional
    assert named <= found


def test_the_command_prints_it(run: Run) -> None:
    outcome = run("--print-completion", "fish")
    assert outcome.status == 0 and "complete -c ratescape" in outcome.out
    assert run("--print-completion", "tcsh").status == 2
    assert "bash, zsh, fish" in run("--print-completion").err


def test_the_overview_is_read_off_the_source(run: Run) -> None:
    docs = {name: (command.__doc__ or "").splitlines()[0] for name, command in COMMANDS.items()}
    assert summaries() == docs and run("--help").out == overview() + "\n"
    with pytest.raises(SystemExit):
        parse(["--help"])
