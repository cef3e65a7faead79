"""Landscapes of networks that a factory of the user's builds: all that networks of a family get."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.commands import Run, refused
from helpers.own_modules import NET, Write
from helpers.own_modules import forgotten as forgotten
from helpers.own_modules import written as written
from helpers.own_networks import three
from helpers.rows import rows
from helpers.sweeps import HERE, LEAN, break_off, small_sweep, swept, wait_for

import ratescape as rs
from ratescape.cli import commands
from ratescape.data.catalog import ImageData
from ratescape.errors import RecordError, SpecError
from ratescape.execution import work
from ratescape.execution.engines import adapted
from ratescape.execution.sweep import run_sweep
from ratescape.execution.timing import Timing
from ratescape.landscape import Landscape, map_spec
from ratescape.records.folders import SweepFolder
from ratescape.records.table import read_table
from ratescape.specs import factories
from ratescape.specs.conditioning import ConditioningSpec
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.model import ModelSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

TOKENS = ModelSpec(factory="attention:tokens", options={"width": 6, "sizes": [2, 1]})
THREE = ModelSpec(factory="helpers.own_networks:three")
ONE_EPOCH = TrainingSpec(epochs=1, batch=32)
TWO_GROUPS = (0, 1, 1)

pytestmark = pytest.mark.usefixtures("forgotten")


def spec_of(model: ModelSpec, data: ImageData, method: str = "dedicated", **fields: Any) -> SweepSpec:
    if model == THREE:
        fields = {"groups": TWO_GROUPS} | fields
    if method == "conditioned":
        how = ConditioningSpec(width=8, fine=0, restarts=0, refine_recommended=0)
        fields = {"conditioning": how} | fields
    return small_sweep(data, method, **{"model": model, "training": ONE_EPOCH} | fields)


@pytest.mark.parametrize("model", [TOKENS, THREE], ids=["attention", "convolutional"])
def test_models_are_taken_from_one_network_resumed_solved_and_reported(
    model: ModelSpec, data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(model, data, "conditioned", training=dataclasses.replace(ONE_EPOCH, epochs=2))
    whole = swept(spec, data, tmp_path / "whole")
    steps = break_off(monkeypatch, step=3)
    often = dataclasses.replace(HERE, checkpoint_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        swept(spec, data, tmp_path / "cut", often)
    assert list((tmp_path / "cut").glob("networks/*/checkpoint.safetensors"))
    again = swept(spec, data, tmp_path / "cut", often)
    assert again.table.read_bytes() == whole.table.read_bytes()
    assert len(steps) == 1 + 2 * -(-len(data.train.pixels) // 32)  # none was taken twice but the one that died
    assert list(read_table(whole).rows["status"]) == ["ok"] * 4
    landscape = Landscape(whole.path)
    layers = landscape.network().latent_shapes
    solved = landscape.at_rates("total=2", images=50)
    assert len(solved.answer.betas) == len(layers)
    assert str(spec.model.factory) in landscape.report().read_text(encoding="utf-8")
    assert f"{spec.model.factory}, {len(layers)} layers" in landscape._repr_html_()


def test_refining_goes_on_from_the_network(data: ImageData, tmp_path: Path) -> None:
    spec = spec_of(TOKENS, data, "conditioned")
    folder = swept(spec, data, tmp_path / "out")
    landscape = Landscape(folder.path)
    refined = landscape.refine((1.0, 2.0), 1, data_folder=None)
    assert rs.load(refined.path).spec == spec.model and refined.done


@pytest.mark.parametrize("model", [TOKENS, THREE], ids=["attention", "convolutional"])
def test_a_pack_equals_its_members_alone(model: ModelSpec, data: ImageData, tmp_path: Path) -> None:
    spec = spec_of(model, data, training=dataclasses.replace(ONE_EPOCH, precision="float64"))
    tables = [
        read_table(swept(spec, data, tmp_path / str(pack), dataclasses.replace(HERE, pack=pack))).rows
        for pack in (1, 4)
    ]
    for column in ("rate", "distortion", "rate_1", "rate_2", "test_psnr"):
        np.testing.assert_allclose(tables[0][column], tables[1][column], rtol=1e-5)
    means = [[rs.load(folder).state_dict() for folder in sorted((tmp_path / pack / "runs").iterdir())] for pack in "14"]
    for one, other in zip(*means, strict=True):
        torch.testing.assert_close(one, other)
    if model == THREE:
        assert any(float(state["encoder.mean"].abs().sum()) > 0 for state in means[0])  # the buffer has travelled


def test_rates_are_controlled(data: ImageData, tmp_path: Path) -> None:
    spec = small_sweep(data, "targeted", model=THREE, training=ONE_EPOCH, target_rates=("3=1,2+1=2",))
    folder = swept(spec, data, tmp_path / "out")
    (answer,) = Landscape(folder.path).answers()
    assert [outcome.layers for outcome in answer.outcomes] == [(3,), (2, 1)] and len(set(answer.betas)) == 2


def test_what_vmap_cannot_do_is_trained_in_packs_of_one_and_said(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members: list[int] = []
    train = work.train

    def watched(*given: Any, **named: Any) -> Any:
        members.append(given[4])
        return train(*given, **named)

    monkeypatch.setattr(work, "train", watched)
    monkeypatch.setattr(Timing, "speeds", lambda *given: None)
    model = ModelSpec(factory="helpers.own_networks:branching")
    spec = small_sweep(data, model=model, training=ONE_EPOCH, groups=(0, 0, 0), grid=BetaGrid(steps=2))
    told: list[str] = []
    map_spec(spec, data, dataclasses.replace(HERE, pack=4), tmp_path / "out", announce=lambda o: told.append(str(o)))
    assert members == [1, 1]
    (said,) = told
    assert len(re.findall(r"^packs     models train one by one: torch\.func\.vmap fails", said, re.MULTILINE)) == 1
    members.clear()
    run_sweep(spec, data, SweepFolder(tmp_path / "out"), dataclasses.replace(HERE, pack=4))  # the plan is as it was
    assert members == []


def test_one_network_for_all_betas_is_refused_where_betas_cannot_act(data: ImageData) -> None:
    with pytest.raises(SpecError, match=r"nn\.MultiheadAttention does so\).*add --method dedicated$"):
        small_sweep(data, "conditioned", model=ModelSpec(factory="helpers.own_networks:attending"))
    tied = ModelSpec(factory="helpers.own_networks:bottom_up")
    with pytest.raises(SpecError, match=r"sweep needs one beta for all layers.*--groups 0 0 0"):
        small_sweep(data, model=tied)
    assert small_sweep(data, model=tied, groups=(0, 0, 0)).grouping() == (0, 0, 0)


def test_in_python_a_function_or_a_registered_name_serves(images: np.ndarray, tmp_path: Path) -> None:
    quick: dict[str, Any] = {"training": {"epochs": 1, "batch": 64}, "evaluation": LEAN, "execution": HERE}
    model = rs.train(images, model=rs.ModelSpec(factory=three), betas=(1, 2, 3), out=tmp_path / "one", **quick)
    assert model.spec.factory == "helpers.own_networks:three" and model.spec.layers == 3
    with pytest.raises(SpecError, match="give one positive number for each of the 3 layers"):
        rs.train(images, model={"factory": three}, betas=(1, 2), out=tmp_path / "two", **quick)
    rs.register("mine", lambda shape, likelihood, width: three(shape, likelihood, width))
    named = {"factory": "mine", "options": {"width": 2}}
    elsewhere: dict[str, Any] = quick | {"execution": {"engine": "workers"}}
    with pytest.raises(SpecError, match=r"'mine', which this process alone knows: set execution\.engine to in-process"):
        rs.map_landscape(images, model=named, out=tmp_path / "three", **elsewhere)
    assert not (tmp_path / "three").exists()
    for engine in ("workers", "ray", "auto"):
        with pytest.raises(SpecError, match="this process alone knows"):
            adapted(ExecutionSpec(engine=engine, device="cpu"), ModelSpec(factory="mine"), rs.load_data(images))
    assert rs.train(images, model=named, out=tmp_path / "three", **quick).spec.factory == "mine"


def test_a_changed_source_is_a_new_model_and_resuming_says_so(written: Write, data: ImageData, tmp_path: Path) -> None:
    model = ModelSpec(factory=written())
    spec = spec_of(model, data, grid=BetaGrid(1.0, 1.0, 1))
    folder = swept(spec, data, tmp_path / "out")
    before = folder.table.read_bytes()
    written(NET + "# a change\n")
    changed = spec_of(model, data, grid=BetaGrid(1.0, 1.0, 1))
    assert changed.model.source != spec.model.source
    assert not {folder.run(run).path for run in spec.runs()} & {folder.run(run).path for run in changed.runs()}
    line = (
        r"out: the source of its model\.factory has changed since .*choose another folder with --out to train them anew"
    )
    for engine in ("in-process", "workers"):
        with pytest.raises(RecordError, match=line):
            run_sweep(changed, data, folder, ExecutionSpec(engine=engine))
    assert folder.table.read_bytes() == before
    swept(changed, data, tmp_path / "new")


def test_a_landscape_imports_nothing_without_permission(
    written: Write, data: ImageData, tmp_path: Path, run: Run
) -> None:
    name = written()
    folder = swept(spec_of(ModelSpec(factory=name), data, "conditioned", groups=TWO_GROUPS), data, tmp_path / "out")

    def forget() -> None:
        factories._known.clear()
        factories._allowed.clear()
        sys.modules.pop("own_net", None)

    forget()
    landscape, out = Landscape(folder.path), tmp_path / "model.safetensors"
    images, archive = tmp_path / "images.npy", tmp_path / "a.rsc"
    np.save(images, data.test.pixels[:6])
    best = landscape.best("psnr")
    assert landscape.report().exists()
    asks: list[Callable[[], object]] = [
        landscape.network,
        best.load,
        lambda: landscape.refine((1, 1, 1), 1),
        lambda: landscape.between("psnr", 20),
    ]
    for ask in asks:
        with pytest.raises(SpecError, match=rf"built by the factory {name}, and ratescape imports no code"):
            ask()
    words: list[list[str | Path]] = [
        ["recommend", folder.path, "--out", out],
        ["solve", folder.path, "--rates", "total=3"],
        ["evaluate", next((folder.path / "runs").iterdir())],
        ["compress", folder.path, images, "--betas", "1", "--force", "--out", archive],
    ]
    for one in words:
        outcome = run(*one)
        assert outcome.status == 1 and f"--allow-factory {name}" in outcome.err and outcome.err.count("\n") == 1
        assert "own_net" not in sys.modules
    for one in words:
        forget()
        assert run(*one, "--allow-factory", name).status == 0
    forget()
    assert run("decompress", archive, "--allow-factory", name, "--out", tmp_path / "again").status == 0
    forget()
    assert rs.load(out, factory=three).spec.factory == name
    assert Landscape(folder.path, factory=three).network().latent_shapes[0] == (3,)
    forget()
    assert Landscape(folder.path, allow=[name]).best("psnr").load().layers
    plain = swept(small_sweep(data, training=ONE_EPOCH), data, tmp_path / "plain")
    with pytest.raises(SpecError, match="the networks are of a family: leave it out"):
        Landscape(plain.path, factory=three)


def test_workers_import_the_factory_and_a_killed_sweep_is_taken_up(
    images_file: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command line, whose modules lie in the current folder."""
    (tmp_path / "mine.py").write_text((Path(__file__).parents[2] / "examples" / "attention.py").read_text())
    monkeypatch.chdir(tmp_path)
    words: list[str | Path] = ["map", "--data.name", images_file, "--model.factory", "mine:tokens"]
    words += ["--model.options", '{"width": 6, "sizes": [2, 1]}', "--method", "conditioned", "--grid.steps", "2"]
    words += [
        "--training.epochs",
        "8",
        "--training.batch",
        "16",
        "--conditioning.fine",
        "0",
        "--conditioning.restarts",
        "0",
    ]
    words += ["--conditioning.width", "8", "--conditioning.refine-recommended", "0", "--evaluation.samples", "0"]
    words += ["--evaluation.probes", "none", "--evaluation.no-information", "--quiet"]
    execution = ["--execution.engine", "workers", "--execution.workers", "1", "--execution.checkpoint-seconds", "0"]
    process = start(*words, *execution, "--out", "out")
    folder = SweepFolder(tmp_path / "out")
    try:
        wait_for(lambda: any(folder.path.glob("networks/*/checkpoint.safetensors")) or process.poll() is not None)
        assert process.poll() is None, process.communicate()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert commands.main([*map(str, words), *execution, "--out", "out"]) == 0
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert commands.main([*map(str, words), "--execution.engine", "in-process", "--out", "whole"]) == 0
    finally:
        torch.set_num_threads(threads)
    assert folder.table.read_bytes() == (tmp_path / "whole" / "landscape.csv").read_bytes()


def test_a_config_file_alone_allows_nothing(images_file: Path, tmp_path: Path, written: Write, run: Run) -> None:
    name = written()
    config = tmp_path / "config.yaml"
    config.write_text(f"model: {{factory: '{name}', options: {{width: 2}}}}\nallow_factory: ['{name}']\n")
    refused(run("map", "--config", config), "unknown key allow_factory")
    config.write_text(f"model: {{factory: '{name}', options: {{width: 2}}}}\ntraining: {{epochs: 1}}\n")
    for command in ("map", "train"):
        refused(run(command, "--config", config), f"config file wants the factory {name}", f"--allow-factory {name}")
    assert "own_net" not in sys.modules
    quick = ["--data.name", images_file, "--execution.engine", "in-process", "--quiet", "--evaluation.samples", "0"]
    quick += ["--evaluation.probes", "none", "--evaluation.no-information", "--out", tmp_path / "model"]
    assert run("train", "--config", config, "--allow-factory", name, *quick).status == 0
    assert run("train", "--config", config, "--model.factory", name, *quick).status == 0  # as typed; done already


# ratescape check-network


def test_checks_are_printed_as_a_table_and_exit_with_what_they_say(run: Run) -> None:
    outcome = run("check-network", "attention:tokens", "--shape", "3", "16", "24", "--options", '{"width": 6}')
    rows = [line.split() for line in outcome.out.splitlines()]
    assert (outcome.status, outcome.err, {row[1] for row in rows}) == (0, "", {"ok"})
    names = ["weights", "shapes", "finite", "gradients", "repeated", "items", "buffers", "packs", "betas"]
    assert [row[0] for row in rows] == names
    outcome = run(
        "check-network", "helpers.own_networks:normed", "--shape", "1", "16", "16", "--likelihood", "bernoulli"
    )
    assert outcome.status == 1 and outcome.err.startswith(
        "ratescape: helpers.own_networks:normed fails the check of items"
    )
    assert re.search(r"^items +failed +.*batch norm.*nn\.GroupNorm", outcome.out, re.MULTILINE)
    noted = run("check-network", "helpers.own_networks:branching", "--shape", "1", "16", "16")
    assert noted.status == 0 and re.search(r"^packs +note +models train one by one", noted.out, re.MULTILINE)


def test_networks_of_rows_are_checked_by_one_number(run: Run) -> None:
    outcome = run("check-network", "helpers.own_networks:columns", "--shape", "12")
    assert (outcome.status, outcome.err) == (0, "")
    assert {line.split()[1] for line in outcome.out.splitlines()} == {"ok"} and "z2 [2], z1 [3]" in outcome.out


QUICK = {"width": 8, "fine": 3, "restarts": 0, "refine_recommended": 0}


@pytest.mark.parametrize("method", [{"kind": "dedicated"}, {"kind": "conditioned", "conditioning": QUICK}])
def test_a_factory_of_rows_is_mapped(method: dict[str, Any], tmp_path: Path) -> None:
    landscape = rs.map_landscape(
        rows(),
        method={"grid": {"steps": 2}} | method,
        model={"factory": "helpers.own_networks:columns"},
        training={"epochs": 2},
        evaluation={"samples": 0, "information": False, "probes": "none"},
        execution={"engine": "in-process"},
        out=tmp_path / "out",
    )
    assert len(landscape.table) == 4 and landscape.table["r2"].notna().all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere_at_all:net", "--shape", "1", "16", "16"], "nowhere_at_all cannot be imported"),
        (["helpers.own_networks:failing", "--shape", "1", "16", "16"], "RuntimeError: no such width"),
        (
            ["helpers.own_networks:three", "--shape", "1", "16", "16", "--options", "{"],
            "model.options is '{', which is no",
        ),
        (["helpers.own_networks:three", "--shape", "1", "0", "16"], "shape is (1, 0, 16)"),
        (["helpers/own_networks.py", "--shape", "1", "16", "16"], "must be package.module:function"),
        (["helpers.own_networks:three"], "--shape"),
        (["helpers.own_networks:three", "--shape", "16", "16"], "shape is (16, 16): it must be channels, height and"),
        (
            ["helpers.own_networks:columns", "--shape", "12", "--likelihood", "gaussian"],
            "likelihood is 'gaussian': it must be left out for rows",
        ),
        (
            ["helpers.own_networks:three", "--shape", "1", "16", "16", "--likelihood", "by-column"],
            "likelihood is 'by-column': it must be another for images",
        ),
    ],
)
def test_what_cannot_be_checked_is_told_in_one_line(words: list[str], said: str, run: Run) -> None:
    refused(run("check-network", *words), said)


def test_map_refuses_what_fails_a_check_before_a_folder_is_made(images_file: Path, tmp_path: Path, run: Run) -> None:
    words = ["map", "--data.name", images_file, "--out", tmp_path / "out", "--model.factory"]
    refused(run(*words, "helpers.own_networks:normed"), "fails the check of items", "use nn.GroupNorm")
    refused(run(*words, "helpers.own_networks:three", "--model.options", "[3]"), "must be a JSON object")
    refused(run(*words, "helpers.own_networks:three", "--model.channels", "3"), "model.channels", "model.options")
    assert not (tmp_path / "out").exists()
