"""Sweeps on clusters of Ray: machines and drivers that die, memory that runs out, packages that are missing."""

import contextlib
import dataclasses
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from helpers import own_networks
from helpers.clusters import SMALL, asked, serial
from helpers.own_modules import Write
from helpers.own_modules import forgotten as forgotten
from helpers.own_modules import written as written
from helpers.rows import frame
from helpers.sweeps import Recorder, Watcher, assert_all_was_seen, small_sweep

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (by default Ray's tasks wait for all else on the machine)
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # clusters listen on 127.0.0.1 alone; read when Ray is imported
ray = pytest.importorskip("ray", reason='Ray is not installed: pip install "ratescape[ray]"')

from ray.cluster_utils import Cluster  # noqa: E402
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError  # noqa: E402

from ratescape.cli import commands  # noqa: E402
from ratescape.data.catalog import ImageData  # noqa: E402
from ratescape.errors import RecordError, ResourceError, SpecError  # noqa: E402
from ratescape.execution.progress import Progress  # noqa: E402
from ratescape.execution.ray import failures, tasks  # noqa: E402
from ratescape.execution.ray.store import Store  # noqa: E402
from ratescape.execution.sweep import run_sweep  # noqa: E402
from ratescape.records.folders import SweepFolder  # noqa: E402
from ratescape.specs.conditioning import ConditioningSpec  # noqa: E402
from ratescape.specs.evaluation import EvaluationSpec  # noqa: E402
from ratescape.specs.execution import ExecutionSpec  # noqa: E402
from ratescape.specs.model import ModelSpec  # noqa: E402

# Ray leaves files and sockets open when it starts clusters and when they end.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

SMALL_NETWORK = ConditioningSpec(width=8, fine=0, restarts=0, refine_recommended=0)

TRAINING_LOOP = """
import importlib.abc, importlib.util, os, sys, time
class Changed(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "ratescape.training.loop":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            train = module.train
            def changed(recipe, model, images, betas, members, *rest, **how):
                {before}
                return train(recipe, model, images, betas, members, *rest, **how)
            module.train = changed
        spec.loader.exec_module = exec_module
        return spec
sys.meta_path.insert(0, Changed())
"""
"""What a machine begins each Python with, so that something happens before each training."""

SCARCE = TRAINING_LOOP.format(
    before="""
                with open(os.environ["TRAININGS"], "a") as file:
                    file.write(f"{members}")
                if members > int(open(os.environ["MEMBERS_THAT_FIT"]).read()):
                    raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
"""
)
"""The same, so that memory runs out in large packs."""

SLOW = TRAINING_LOOP.format(
    before="""
                draw = betas.draw
                betas.draw = lambda step, images: time.sleep(0.05) or draw(step, images)
"""
)
"""The same, so that a training of 60 steps takes three seconds at least: long enough to be seen on any machine."""

BARE = """
import sys
class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "ratescape":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Bare())
"""
"""The same, so that this package is not installed there."""


class Machines:
    """A cluster whose first machine works at nothing itself."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})

    @contextlib.contextmanager
    def added(self, begin: str = "", **environment: str) -> Iterator[Any]:
        """One more machine, with something that its processes begin with."""
        place = Path(tempfile.mkdtemp(dir=self.place))
        (place / "sitecustomize.py").write_text(begin)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(place), prepend=os.pathsep)
            patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
            patch.setenv("MACHINE", str(place))
            for name, value in environment.items():
                patch.setenv(name, value)
            machine = self.cluster.add_node(num_cpus=1)
        machine.place = place
        try:
            yield machine
        finally:
            if machine in self.cluster.worker_nodes:
                self.cluster.remove_node(machine, allow_graceful=False)


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    place = Path(tempfile.mkdtemp(prefix="ray-"))  # sockets lie in it, whose names have to be short
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(place))
        patch.setenv("TMPDIR", str(place))
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        machines = Machines(place)
        yield machines
        machines.cluster.shutdown()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def expected(images_file: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return serial(*asked(images_file), tmp_path_factory.mktemp("serial"))


def on(machines: Machines, **fields: Any) -> ExecutionSpec:
    return ExecutionSpec(engine="ray", address=machines.cluster.address, **fields)


def test_a_machine_killed_in_mid_sweep_costs_its_packs_alone(
    machines: Machines, images_file: Path, expected: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, killed, told = SweepFolder(tmp_path / "sweep"), [], list[Progress]()
    with machines.added(SLOW), machines.added(SLOW) as second:

        def kill(progress: Progress) -> None:
            told.append(progress)
            if not killed and any("pack_task" in name for name in names_of(second)):
                killed.append(progress)
                machines.cluster.remove_node(second, allow_graceful=False)

        run_sweep(*asked(images_file), folder, on(machines), Watcher(kill))
    assert folder.table.read_bytes() == expected
    assert killed and killed[0].models < 4
    steps = 4 * 20 * 3  # models, epochs, batches
    assert told[-1] == Progress(steps=steps, total=steps, models=4, total_models=4)
    assert any(progress.steps % 60 > 0 for progress in told)  # seen in the midst of a training
    assert folder.provenance()["sessions"][0]["device"] == "Ray cluster of 3 machine(s), 2 CPU(s)"
    assert capsys.readouterr().out == ""


def names_of(machine: Any) -> list[str]:
    """Titles of the processes at work on a machine."""
    found: list[str] = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.environ().get("MACHINE") == str(machine.place):
                found.append(" ".join(process.cmdline()))
    return found


@pytest.mark.campaign
def test_a_table_of_rows_is_taken_up(machines: Machines, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    frame().drop(columns="amount").to_csv(path, index=False)
    spec, data = asked(path, "--data.target", "kind")
    folder = SweepFolder(tmp_path / "sweep")
    table = serial(spec, data, folder.path)
    folder.table.unlink()
    for run in list(folder.path.glob("runs/*"))[:2]:
        shutil.rmtree(run)
    with machines.added():
        run_sweep(spec, data, folder, on(machines, pack=1))
    assert folder.table.read_bytes() == table and len(folder.provenance()["sessions"]) == 2


@pytest.mark.campaign
def test_packs_too_large_for_memory_are_halved(
    machines: Machines, images_file: Path, expected: bytes, tmp_path: Path
) -> None:
    folder, log, fitting = SweepFolder(tmp_path / "sweep"), tmp_path / "trainings", tmp_path / "fitting"
    spec, data = asked(images_file)
    with machines.added(SCARCE, TRAININGS=str(log), MEMBERS_THAT_FIT=str(fitting)):
        fitting.write_text("1")
        run_sweep(spec, data, folder, on(machines, pack=4))
        assert folder.table.read_bytes() == expected
        assert sorted(log.read_text(), reverse=True) == list("4221111")
        fitting.write_text("0")
        with pytest.raises(ResourceError, match=r"^out of memory while training 1 model.*smaller training\.batch$"):
            run_sweep(spec, data, SweepFolder(tmp_path / "none"), on(machines, pack=2))


def test_a_machine_without_the_package_is_named_with_the_remedy(
    machines: Machines, images_file: Path, tmp_path: Path
) -> None:
    with machines.added(BARE), pytest.raises(ResourceError) as caught:
        run_sweep(*asked(images_file), SweepFolder(tmp_path / "sweep"), on(machines))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("machine 127.0.0.1 of the Ray cluster lacks what ratescape needs (No module")
    assert 'pip install "ratescape[ray]' in str(caught.value)


@pytest.mark.campaign
def test_machines_import_the_factory_of_a_users_network_or_say_that_they_cannot(
    machines: Machines, data: ImageData, written: Write, tmp_path: Path
) -> None:
    text = Path(own_networks.__file__).read_text(encoding="utf-8") + "\n\nnet = three\n"
    name = written(text)
    spec = small_sweep(data, "conditioned", model=ModelSpec(factory=name), groups=(0, 0, 1), conditioning=SMALL_NETWORK)
    with machines.added() as machine:
        with pytest.raises(ResourceError) as caught:
            run_sweep(spec, data, SweepFolder(tmp_path / "none"), on(machines))
        line = f"machine 127.0.0.1 of the Ray cluster: model.factory is '{name}': own_net cannot be imported (Module"
        assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
        (machine.place / "own_net.py").write_text(text)
        folder = SweepFolder(tmp_path / "sweep")
        run_sweep(spec, data, folder, on(machines))
    assert folder.table.read_bytes() == serial(spec, data, tmp_path / "serial")


def test_networks_judge_and_models_travel_and_are_fetched_from_the_store(
    machines: Machines, images_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caches are each machine's own."""
    spec, data = asked(images_file, "--method", "conditioned", "--conditioning.fine", "0", "--training.epochs", "3")
    evaluation = dataclasses.replace(spec.evaluation, samples=20, judge_epochs=1)
    spec = dataclasses.replace(spec, evaluation=evaluation)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = tmp_path / "store"
    execution = on(machines, results=store.as_uri())
    first, again, seen = SweepFolder(tmp_path / "first"), SweepFolder(tmp_path / "again"), Recorder()
    with machines.added() as machine:
        run_sweep(spec, data, first, execution, seen)
        (judge,) = first.path.glob("judges/*.safetensors")
        (theirs,) = machine.place.glob("cache/**/judges/*.safetensors")
        assert judge.read_bytes() == theirs.read_bytes()
        run_sweep(spec, data, again, execution)
    assert first.table.read_bytes() == serial(spec, data, tmp_path / "serial")
    assert_all_was_seen(seen, spec, first)
    for folder in (first, again):
        files = {path.relative_to(folder.path) for path in folder.path.glob("*/*/*") if path.is_file()}
        assert len(files) == 4 * 7 + 2  # of four models, and their network, whose annealing is too short for a check
        for file in files:  # logs with the very seconds that trainings took, so that nothing was trained twice
            stored = store / data.fingerprint / file.parts[1] / file.name
            assert (folder.path / file).read_bytes() == stored.read_bytes()
    with pytest.raises(RecordError, match=r"execution\.results is 'nowhere://x', which cannot be used \(.*\): check"):
        Store("nowhere://x", data.fingerprint)


# Without a cluster


def test_without_the_extra_the_error_names_it(
    images_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["map", "--data.name", str(images_file), *SMALL, "--execution.engine", "ray", "--out", str(tmp_path / "x")]
    assert commands.main(words) == 1
    line = 'execution.engine ray needs the package ray, which is missing: pip install "ratescape[ray]"\n'
    assert capsys.readouterr().err == f"ratescape: {line}"


@pytest.mark.parametrize(
    ("address", "reason"), [("127.0.0.1:1", "refused"), ("ray://127.0.0.1:1", "refused"), ("here", "not of the form")]
)
def test_a_cluster_that_does_not_answer_is_named_at_once(
    images_file: Path, tmp_path: Path, address: str, reason: str
) -> None:
    spec, data = asked(images_file)
    with pytest.raises(ResourceError, match=rf"cannot join the Ray cluster at {address} \(.*{reason}.*: check"):
        run_sweep(spec, data, SweepFolder(tmp_path), ExecutionSpec(engine="ray", address=address))


def failing(halves: list[Any]) -> failures.Piece:
    return failures.Piece("7 model(s)", lambda: None, lambda _: None, lambda: halves)


def test_what_is_tried_again_and_what_is_not() -> None:
    """Ray's own words for what tasks end with."""
    part = failing([])
    assert failures.instead(failing([part]), OutOfMemoryError("killed")) == [part]
    with pytest.raises(ResourceError, match=r"^7 model\(s\) at once did not fit into the memory of a machine"):
        failures.instead(part, OutOfMemoryError("killed"))
    for _ in range(failures.TRIES - 1):
        assert failures.instead(part, NodeDiedError("gone")) == [part]
    with pytest.raises(ResourceError, match=r"^machines or their processes died 4 times while working at 7 model\(s\)"):
        failures.instead(part, NodeDiedError("gone"))
    with pytest.raises(SpecError, match=r"^a wrong spec$"):
        failures.instead(part, RayTaskError("pack_task", "", SpecError("a wrong spec")))
    with pytest.raises(RayTaskError, match="ZeroDivisionError"):  # a defect of ours keeps its traceback
        failures.instead(part, RayTaskError("pack_task", "ZeroDivisionError", ZeroDivisionError()))


def test_a_task_that_cannot_be_halved_outlives_machines_and_no_error_of_its_own() -> None:
    ends: list[Any] = [NodeDiedError("gone"), NodeDiedError("gone"), 7]

    def run() -> int:
        end = ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    assert failures.persistently("the size of packs", run) == 7 and ends == []
    ends += [NodeDiedError("gone")] * failures.TRIES
    with pytest.raises(ResourceError, match=r"^machines or their processes died 4 times while working at the size of"):
        failures.persistently("the size of packs", run)
    ends[:] = [RayTaskError("size_task", "", SpecError("a wrong spec"))]
    with pytest.raises(SpecError, match=r"^a wrong spec$"):
        failures.persistently("the size of packs", run)


def test_another_ratescape_on_a_machine_is_refused() -> None:
    order = tasks.Order(EvaluationSpec(), ExecutionSpec(), None, version="0.0.0")
    with pytest.raises(ResourceError, match=r"has ratescape .* and this one 0\.0\.0: install the same on all"):
        order.begin()
