"""A first hour in Python: dictionaries, tensors and lists go in, progress is seen, what comes out shows itself."""

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.sweeps import LEAN, MODEL, Recorder
from PIL import Image
from torch import nn
from torch.utils.data import TensorDataset

import ratescape as rs
from ratescape.execution.progress import Epoch, Phase, Progress, display
from ratescape.landscape import Landscape
from ratescape.specs.codec import to_dict
from ratescape.specs.given import as_method

SMALL: dict[str, Any] = {
    "model": to_dict(MODEL),
    "training": {"epochs": 2, "batch": 32},
    "evaluation": {"samples": 0, "information": False, "probes": "none"},
    "execution": {"engine": "in-process"},
}
"""Specs as dictionaries."""


@pytest.fixture(scope="module", autouse=True)
def undrawn() -> Any:
    """No report: figures are tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Landscape, "report", lambda self: self.folder.report)
        yield


@pytest.fixture(scope="module")
def seen() -> list[Any]:
    return []


@pytest.fixture(scope="module")
def landscape(images: np.ndarray, tmp_path_factory: pytest.TempPathFactory, seen: list[Any]) -> Landscape:
    out = tmp_path_factory.mktemp("mapped") / "<b>mine"
    method = {"kind": "conditioned", "conditioning": {"width": 8, "fine": 0, "refine_recommended": 0}}
    return rs.map_landscape(
        torch.tensor(images),
        ["dark", "light"] * 48,
        method=method,
        grid={"steps": 2},
        progress=seen.append,
        out=out,
        **SMALL,
    )


def refused(call: Callable[[], Any]) -> str:
    """What an error says, in one line that is short enough to be read."""
    with pytest.raises(rs.RatescapeError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text and len(text) < 300
    return text


# Going in


def test_dictionaries_and_objects_are_the_same(landscape: Landscape, images: np.ndarray) -> None:
    spec = landscape.folder.spec()
    assert spec.method == rs.Conditioned(
        rs.BetaGrid(steps=2),
        conditioning=rs.ConditioningSpec(
            width=8, annealing="staggered", descent=0.6, restarts=1, fine=0, refine_recommended=0
        ),
    )
    assert spec.evaluation == LEAN and (spec.training.epochs, spec.model.channels) == (2, 4)
    assert len(landscape.table) == 4 and landscape.folder.provenance()["fingerprint"] == (
        rs.load_data(images, np.array(["dark", "light"] * 48)).fingerprint
    )


def test_one_model_takes_them_too(images: np.ndarray, tmp_path: Path) -> None:
    pictures = [Image.fromarray(image) for image in images]
    seen, epochs = Recorder(), []
    model = rs.train(pictures, betas=0.5, seed=3, out=tmp_path / "one", observer=seen, progress=epochs.append, **SMALL)
    data = TensorDataset(torch.tensor(images))
    again = rs.train(data, betas=torch.tensor([0.5, 0.5]), seed=3, out=tmp_path / "one", **SMALL)
    for one, other in zip(model.encode(pictures), again.encode(images), strict=True):
        torch.testing.assert_close(one, other)
    header = json.loads((tmp_path / "one" / "evaluation.jsonl").read_text().splitlines()[0])
    assert header["betas"] == [0.5, 0.5]
    assert [one.epoch for one in seen.epochs] == [1, 2] == [one.epoch for one in epochs if isinstance(one, Epoch)]
    assert seen.pictures and seen.steps


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"training": {"epoch": 3}}, r"unknown key training.epoch; did you mean training.epochs\?"),
        ({"training": {"epochs": "3"}}, "training.epochs is '3': it must be a whole number"),
        ({"training": {"epochs": 0}}, "training.epochs is 0: it must be positive"),
        ({"training": 3}, r"training is 3: give TrainingSpec\(...\) or a dictionary of its fields: epochs"),
        ({"model": rs.TrainingSpec()}, r"model is a TrainingSpec: give ModelSpec\(...\)"),
        ({"model": {"family": "vae"}}, "family"),
        ({"evaluation": {"probe": "none"}}, "did you mean evaluation.probes"),
        ({"execution": {"worker": 2}}, "did you mean execution.workers"),
        ({"observer": print}, "observer is a builtin_function_or_method without progress, epoch, picture"),
        ({"progress": "yes"}, "progress is 'yes': give True for a bar, or a function"),
        ({"out": 3}, "out is 3: give a path"),
    ],
)
def test_what_is_no_spec_is_refused_in_one_line(fields: dict[str, Any], message: str, images: np.ndarray) -> None:
    for call in (rs.map_landscape, rs.train):
        assert re.search(message, refused(lambda call=call: call(images, **fields)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"method": "conditionned"}, "method is 'conditionned': it must be one of dedicated, conditioned, targeted"),
        ({"method": 3}, r"method is 3: give Conditioned\(...\)"),
        ({"method": {"grids": {}}}, r"unknown key method.grids; did you mean method.grid\?"),
        ({"method": {"grid": {"step": 3}}}, r"unknown key method.grid.step; did you mean method.grid.steps\?"),
        ({"method": "dedicated", "grid": {"step": 3}}, r"unknown key grid.step; did you mean grid.steps\?"),
        ({"method": {"kind": "dedicated", "conditioning": {}}}, "method.conditioning goes with method conditioned"),
        ({"method": "targeted", "grid": {"steps": 3}}, "method.grid goes with method dedicated or conditioned"),
        ({"method": {"grid": {"steps": 3}}, "grid": {"steps": 3}}, "grid is given beside a method that has one"),
        ({"method": {"grid": {"steps": 3}, "groups": 3}}, "method.groups is 3: it must be a list"),
        ({"method": {"target_rates": 3}}, "method.target_rates is 3: give a list of requests"),
        ({"seeds": "0"}, "seeds is '0': give a list of whole numbers"),
    ],
)
def test_what_is_no_method_is_refused_in_one_line(fields: dict[str, Any], message: str, images: np.ndarray) -> None:
    assert re.search(message, refused(lambda: rs.map_landscape(images, **fields)))


def test_requests_of_rates_are_taken_in_every_form() -> None:
    network, training = rs.ModelSpec(), rs.TrainingSpec()
    several = rs.Targeted(target_rates=({2: 20, 1: 40}, "total=60"))
    for given in (
        {"target_rates": [{2: 20, 1: 40}, "total=60"]},
        {"kind": "targeted", "target_rates": ({2: np.int64(20), 1: 40}, "total=60")},
    ):
        assert as_method(given, None, network, training) == several
    for one in ({2: 20, 1: 40}, "2=20,1=40"):
        assert as_method({"target_rates": one}, None, network, training) == rs.Targeted(target_rates=("2=20,1=40",))
        assert rs.Targeted(target_rates=one) == rs.Targeted(target_rates=("2=20,1=40",))  # pyright: ignore[reportArgumentType]


def test_betas_that_are_none_are_refused(images: np.ndarray, landscape: Landscape) -> None:
    for call in (
        lambda: rs.train(images, betas="0.5,2"),
        lambda: rs.train(images, betas=[0.5]),
        lambda: landscape.network().at([1, 2, 3]),
        lambda: landscape.refine("1", 2),
        lambda: landscape.measure([[1, 2, 3]]),
    ):
        assert "one positive number for each of the 2 layers, top first" in refused(call)
    assert "points is 3: give a list of betas" in refused(lambda: landscape.measure(3))


def test_a_path_or_a_model_that_is_none_is_refused(landscape: Landscape, tmp_path: Path) -> None:
    model = landscape.network().at(1.0)
    assert "model is a Linear: give a model that ratescape" in refused(lambda: rs.save(nn.Linear(2, 2), "x"))  # pyright: ignore[reportArgumentType]
    assert "conditioned on betas: save its model at some" in refused(lambda: rs.save(landscape.network(), "x"))  # pyright: ignore[reportArgumentType]
    wrong: Any = 3
    for call in (rs.load, rs.Landscape, rs.evaluate, lambda path: rs.save(model, path)):
        assert "path is 3: give a path" in refused(lambda call=call: call(wrong))
    rs.save(model, str(tmp_path / "mine.safetensors"))
    assert repr(rs.load(tmp_path / "mine.safetensors")) == repr(model)


def test_a_landscape_takes_betas_in_every_form(landscape: Landscape) -> None:
    points = [(0.5, 0.5), (0.3, 2.5)]
    expected = landscape.measure(points)
    for form in (np.array(points), torch.tensor(points, dtype=torch.float64), [0.5, [0.3, 2.5]]):
        assert landscape.measure(form).equals(expected)


# Progress


def test_a_function_sees_every_epoch_and_how_far_it_is(seen: list[Any], landscape: Landscape) -> None:
    assert [one.epoch for one in seen if isinstance(one, Epoch)] == [1, 2]
    last = [one for one in seen if isinstance(one, Progress)][-1]
    assert (last.models, last.steps) == (last.total_models, last.total) == (4, last.total)


def test_refining_and_measuring_show_how_far_they_are(landscape: Landscape, tmp_path: Path) -> None:
    seen: list[Any] = []
    best = landscape.best("reconstruction").refine(1, progress=seen.append)
    assert [one.epoch for one in seen if isinstance(one, Epoch)] == [1] and best.refined is not None
    again: list[Any] = []
    landscape.refine(0.7, 1, progress=again.append, execution={"device": "cpu"})
    assert [one.betas for one in again if isinstance(one, Epoch)] == [pytest.approx((0.7, 0.7))]
    measured: list[Any] = []
    lines = rs.evaluate(landscape.folder.path / "runs" / best.choice.run, progress=measured.append)
    steps = [one for one in measured if isinstance(one, Progress)]
    assert len(lines) == 2 and [one.steps for one in steps] == list(range(1, steps[-1].total + 1))
    assert {one.name for one in measured if isinstance(one, Phase)} == {"measuring"}


def test_progress_is_lines_where_there_is_no_terminal(
    images: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rs.train(images, out=tmp_path / "one", progress=True, **SMALL)
    printed = capsys.readouterr()
    phases = [line.partition(" (")[0] for line in printed.err.splitlines()]
    assert "training" in phases and "measuring" in phases and printed.out == ""


def test_progress_is_a_bar_at_a_terminal(images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    rs.train(images, out=tmp_path / "one", progress=True, **SMALL)
    assert "network   ghvae" in terminal.getvalue()  # the plan
    assert "━" in terminal.getvalue()


@pytest.mark.parametrize(("widgets", "drawn"), [(None, False), ("there", True)])
def test_a_notebook_has_a_bar_where_it_can_draw_one(
    monkeypatch: pytest.MonkeyPatch, widgets: str | None, drawn: bool
) -> None:
    """Rich draws nothing in a notebook without ipywidgets, and warns: lines are written there."""

    class Notebook:
        is_jupyter = True

    asked: list[str] = []
    monkeypatch.setattr(display.importlib.util, "find_spec", lambda name: asked.append(name) or widgets)
    console: Any = Notebook()
    assert display.draws(console, io.StringIO()) is drawn and asked == ["ipywidgets"]


# Coming out


def test_what_comes_out_shows_itself(landscape: Landscape) -> None:
    path = str(landscape.folder.path)
    assert repr(landscape) == f"Landscape({path!r}: 4 models of {landscape.folder.spec().data.name}, conditioned)"
    best = landscape.best("reconstruction")
    betas = ", ".join(f"{beta:.4g}" for beta in best.betas)
    assert repr(best).startswith("Best(reconstruction: PSNR") and f"betas ({betas})" in repr(best)
    rates = landscape.measure([0.7])[["rate_2", "rate_1"]].to_numpy()[0]
    solved = landscape.at_rates({2: float(rates[0]), 1: float(rates[1])}, tolerance=0.2)
    assert repr(solved).startswith("Solved(2=") and "reached" in repr(solved)
    between = landscape.between("reconstruction", tries=1)
    assert repr(between).startswith("Between(betas (")
    refined = landscape.best("reconstruction").refine(1).refined
    assert repr(refined).startswith("Refined(betas (") and "1 epochs" not in repr(refined)
    for one in (landscape, best, solved, between, refined):
        assert "\n" not in repr(one) and len(repr(one)) < 250 + len(path)
    for one in (landscape, best, solved, between):
        page = one._repr_html_()  # pyright: ignore[reportOptionalMemberAccess]
        assert page.count("<table>") == page.count("</table>") == 1 and len(page) < 100_000
        assert "<b>mine" not in page  # the folder's name is escaped


def test_a_notebook_shows_pictures_that_are_there(landscape: Landscape) -> None:
    best = landscape.best("reconstruction")
    assert best._repr_html_().count("src='data:image/png;base64,") == 2
    assert "&lt;b&gt;mine" in best._repr_html_() and "&lt;b&gt;mine" in landscape._repr_html_()
