"""Models that get the rates asked for by training: typed, in Python, resumed, in packs, of any family."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers.commands import TINY
from helpers.sweeps import HERE, LEAN, break_off, copied, small_sweep, swept

from ratescape.cli import commands
from ratescape.data.catalog import ImageData
from ratescape.landscape import Landscape, map_landscape
from ratescape.models import evaluate
from ratescape.records.files import read_json_lines
from ratescape.records.folders import SweepFolder
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.methods import Targeted
from ratescape.specs.model import ModelSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

REQUESTS = ("2=0.8,1=1.5", "total=3")


def asked(data: ImageData, **fields: Any) -> SweepSpec:
    usual: dict[str, Any] = {"method": "targeted", "target_rates": REQUESTS}
    return small_sweep(data, **usual | fields)


@pytest.fixture(scope="module")
def finished(data: ImageData, tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return swept(asked(data), data, tmp_path_factory.mktemp("finished"))


def test_the_table_tells_what_was_asked_and_what_came_of_it(finished: SweepFolder) -> None:
    landscape = Landscape(finished.path)
    rows = landscape.table
    assert list(rows["request"]) == ["2=0.8,1=1.5", "2+1=3"]
    assert rows["beta_2"][1] == rows["beta_1"][1] != 1
    for (_, row), answer in zip(rows.iterrows(), landscape.answers(), strict=True):
        assert answer.run == row["run"] and answer.betas == (row["beta_2"], row["beta_1"])
        assert answer.rates == (row["rate_2"], row["rate_1"])
        assert row["rate_error"] == max((one.error or 0 for one in answer.outcomes), key=abs)
        assert row["loss"] == pytest.approx(
            row["distortion"] + row["beta_2"] * row["rate_2"] + row["beta_1"] * row["rate_1"]
        )
        history = read_json_lines(finished.path / "runs" / str(row["run"]) / "training.jsonl")
        assert tuple(history[-1]["betas"]) == answer.betas
    assert landscape.best("reconstruction").betas in [answer.betas for answer in landscape.answers()]


def test_a_pack_of_different_requests_is_as_good_as_single_runs(
    data: ImageData, tmp_path: Path, finished: SweepFolder
) -> None:
    precise = TrainingSpec(epochs=3, batch=32, precision="float64")
    alone = swept(asked(data, training=precise), data, tmp_path / "alone", ExecutionSpec(engine="in-process", pack=1))
    pack = swept(asked(data, training=precise), data, tmp_path / "pack", ExecutionSpec(engine="in-process", pack=2))
    one, other = (Landscape(folder.path).table.select_dtypes("number") for folder in (alone, pack))
    np.testing.assert_allclose(one, other, rtol=1e-7)


def test_interrupted_it_ends_as_if_it_had_not_been(
    data: ImageData, tmp_path: Path, finished: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_off(monkeypatch, step=14)
    often = ExecutionSpec(engine="in-process", checkpoint_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        swept(asked(data), data, tmp_path / "cut", often)
    assert list((tmp_path / "cut" / "packs").glob("*.safetensors"))
    folder = swept(asked(data), data, tmp_path / "cut", often)
    assert folder.table.read_bytes() == finished.table.read_bytes()
    assert [a.to_dict() for a in Landscape(folder.path).answers()] == [
        a.to_dict() for a in Landscape(finished.path).answers()
    ]


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        (ModelSpec(family="residual", channels=4, latents=(3,)), "1=2"),
        (ModelSpec(family="residual", channels=4, latents=(3, 2, 2)), "3=1,2=0.5,1=0.5"),
        (ModelSpec(family="residual", channels=4, latents=(3, 2, 2, 1, 1)), "5=1,4+3=1,2=0.5"),
        (ModelSpec(family="lvae", channels=4, latents=(3, 2)), "2=1,1=1"),
        (ModelSpec(family="bottom-up", channels=4, latents=(3, 2)), "total=2"),
    ],
    ids=["L=1", "L=3", "L=5", "lvae", "bottom-up"],
)
def test_any_family_and_number_of_layers(data: ImageData, tmp_path: Path, model: ModelSpec, request_: str) -> None:
    folder = swept(asked(data, model=model, target_rates=(request_,)), data, tmp_path / "sweep")
    landscape = Landscape(folder.path)
    (answer,) = landscape.answers()
    assert all(rate is not None and math.isfinite(rate) for rate in answer.rates)
    assert all(beta > 0 for beta in answer.betas) and len(answer.betas) == model.layers
    moved = {layer for one in answer.outcomes for layer in one.layers}
    assert all((beta != 1) == (model.layers - place in moved) for place, beta in enumerate(answer.betas))
    page = landscape.report().read_text(encoding="utf-8")
    assert json.dumps(answer.request) in page and (folder.path / "figures" / "control.png").exists()


def test_new_settings_of_evaluation_keep_the_models(finished: SweepFolder, data: ImageData, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path / "copy")
    swept(asked(data, evaluation=dataclasses.replace(LEAN, draws=2)), data, folder.path)
    one, other = Landscape(finished.path).answers(), Landscape(folder.path).answers()
    assert [answer.betas for answer in one] == [answer.betas for answer in other]
    assert one[0].rates == pytest.approx(other[0].rates, rel=0.1) and one[0].distortion != other[0].distortion


def test_a_diverged_training_is_said_to_have_missed(data: ImageData, tmp_path: Path) -> None:
    wild = TrainingSpec(epochs=2, batch=32, learning_rate=1e30, max_skipped_steps=1)
    landscape = Landscape(swept(asked(data, training=wild), data, tmp_path / "wild").path)
    assert (landscape.table["status"] == "diverged").all()
    for answer in landscape.answers():
        assert not answer.reached and answer.rates == (None, None)


def test_on_the_command_line_and_in_a_config(
    images_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [*TINY, "--data.name", str(images_file), "--training.epochs", "2", "--execution.engine", "in-process"]
    out = tmp_path / "asked"
    ask = ["train", *small, "--target-rates", "2=0.8,1=1.5", "--out", str(out)]
    assert commands.main(ask) == 0
    said = capsys.readouterr().out
    assert "2=0.8,1=1.5: betas (" in said and "layer 2: " in said and said.splitlines()[-1] == str(out)
    (run,) = (out / "runs").iterdir()
    assert SweepFolder(out).spec().runs()[0].target is not None
    assert evaluate(run, LEAN)[0]["metrics"]["loss"] == pytest.approx(Landscape(out).table["loss"][0])
    assert commands.main([*ask, "--strict"]) in (0, 1)
    missed = not Landscape(out).answers()[0].reached
    assert missed == ("not every rate was reached" in capsys.readouterr().err)

    config = tmp_path / "asked.yaml"
    config.write_text(yaml.safe_dump({"target_rates": ["2=0.8,1=1.5"], "control": {"tail": 0.2}}))
    assert commands.main(["train", "--config", str(config), *small, "--quiet", "--out", str(tmp_path / "config")]) == 0
    target = SweepFolder(tmp_path / "config").spec().runs()[0].target
    assert target is not None and target.control.tail == 0.2
    again = tmp_path / "again.yaml"
    again.write_text((out / "spec.yaml").read_text())
    assert commands.main(["map", "--config", str(again), "--quiet", "--out", str(out)]) == 0
    capsys.readouterr()

    for words, message in (
        (["--target-rates", "2=0.8", "--betas", "1", "2"], "with target_rates, betas are found by training"),
        (["--target-rates", "3=1"], "there is no layer 3"),
        (["--target-rates", "2=-1"], "rates must be above 0"),
        (["--strict"], "strict goes with target_rates"),
    ):
        assert commands.main(["train", *small, *words, "--out", str(tmp_path / "none")]) == 1
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1 and not (tmp_path / "none").exists()


def test_in_python(images_file: Path, tmp_path: Path) -> None:
    requests: Any = ({2: 0.8, 1: 1.5}, "total=3")
    landscape = map_landscape(
        images_file,
        model=ModelSpec(channels=4, latents=(3, 2)),
        training=TrainingSpec(epochs=2, batch=32),
        method=Targeted(target_rates=requests),
        evaluation=LEAN,
        execution=HERE,
        out=tmp_path / "asked",
    )
    assert [answer.request for answer in landscape.answers()] == ["2=0.8,1=1.5", "2+1=3"]
