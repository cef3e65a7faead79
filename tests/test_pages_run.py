"""Every command of README and docs is run, at a size that takes seconds, or is listed as one that needs more."""

import shutil
from pathlib import Path

import pytest
from helpers.commands import Run
from helpers.hub import HubServer
from helpers.hub import hub as hub  # a fixture
from helpers.pages import ONLY_PARSED, PAGES, SMALL, command_lines, page_images, small, why_only_parsed


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Landscapes, a model and images by the names that the pages have for them."""
    from ratescape.cli.commands import main

    folder = tmp_path_factory.mktemp("world")
    page_images(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small_map = (
            "map --data.name mnist-5k --data.limit 400 --training.epochs 6 --training.batch 32 --model.channels 8 "
            "--training.learning-rate 0.01 --grid.steps 2 --evaluation.samples 50 --evaluation.judge-epochs 1 "
            "--evaluation.probe-kinds knn --evaluation.no-information --evaluation.outliers self-made "
            "--evaluation.restoration half --conditioning.fine 2 --conditioning.refine-recommended 0 "
            "--execution.engine in-process --quiet --out digits"
        )
        assert main(small_map.split()) == 0
        one = f"train --data.name mnist-5k {SMALL} --betas 0.5 2 --model.channels 4 --quiet --out one-model"
        assert main(one.split()) == 0
        words = "compress digits photos --betas 1 1 --quiet --out photos.rsc"
        assert main(words.split()) == 0
    for name in ("fashion", "fashion-again", "A", "B", "FOLDER", "shapes", "conditioned", "svhn", "wine"):
        shutil.copytree(folder / "digits", folder / name)
    return folder


LINES = dict.fromkeys(line for page in PAGES for line in command_lines(page) if why_only_parsed(line) is None)


@pytest.mark.campaign
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the hub's library says so of itself
@pytest.mark.parametrize(("number", "line"), list(enumerate(LINES)), ids=list(LINES))
def test_a_command_of_the_pages_runs(
    number: int, line: str, world: Path, run: Run, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world)
    monkeypatch.syspath_prepend(str(world))
    words, out = small(line, number, world)
    outcome = run(*words)
    assert outcome.status == 0, f"{' '.join(words)}: {outcome.err}"
    assert out is None or out.exists()


def test_what_is_only_parsed_is_asked_for_by_some_page() -> None:
    lines = [line for page in PAGES for line in command_lines(page)]
    assert all(any(text in line for line in lines) for text in ONLY_PARSED)
