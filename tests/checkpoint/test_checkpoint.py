import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ratescape import checkpoint
from ratescape.checkpoint import files
from ratescape.errors import CheckpointError, RatescapeError
from ratescape.model.registry import build, resolved_model
from ratescape.specs.data import DataSpec
from ratescape.specs.identity import FORMAT
from ratescape.specs.model import ModelSpec

SHAPE = (1, 16, 16)
SPEC = resolved_model(ModelSpec(channels=4, latents=(3, 2)), SHAPE, binary=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    torch.manual_seed(0)
    checkpoint.save_model(path, build(SPEC, SHAPE).state_dict(), SPEC, DataSpec(), {"image_shape": SHAPE})
    return path


def test_a_model_comes_back_as_it_was(path: Path) -> None:
    torch.manual_seed(0)
    original = build(SPEC, SHAPE)
    loaded, header = checkpoint.load_model(path)
    images = torch.rand(3, *SHAPE)
    for one, other in zip(original.encode(images), loaded.encode(images), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert header["image_shape"] == list(SHAPE) and not any(p.requires_grad for p in loaded.parameters())


@settings(max_examples=60)
@given(data=st.data())
def test_any_damage_is_found(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cut anywhere, or with any bit turned over, a file is refused: never a wrong model, never another error."""
    path = tmp_path_factory.mktemp("damage") / "x.safetensors"
    checkpoint.save(path, {"a": torch.arange(6.0), "b": torch.ones(2, 3)}, {"step": 3})
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:at])
    else:
        bit = data.draw(st.integers(0, 7))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
    try:
        tensors, header = checkpoint.load(path)
    except CheckpointError:
        return
    # White space inside the JSON header may turn into other white space; then all contents are still right.
    torch.testing.assert_close(tensors["a"], torch.arange(6.0), rtol=0, atol=0)
    torch.testing.assert_close(tensors["b"], torch.ones(2, 3), rtol=0, atol=0)
    assert header["step"] == 3


def test_foreign_missing_and_misfit_files_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoint.load(tmp_path / "nothing")
    foreign = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"a": torch.ones(1)}, foreign)
    with pytest.raises(CheckpointError, match="is not a model of ratescape"):
        checkpoint.load(foreign)
    misfit = tmp_path / "misfit.safetensors"
    checkpoint.save_model(misfit, {"a": torch.ones(1)}, SPEC, DataSpec(), {"image_shape": SHAPE})
    with pytest.raises(CheckpointError, match="no model"):
        checkpoint.load_model(misfit)


@pytest.mark.parametrize(("version", "said"), [(FORMAT - 1, "an older"), (FORMAT + 1, "a newer")])
def test_files_of_other_versions_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, said: str
) -> None:
    path = tmp_path / "other.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(files, "FORMAT", version)
        checkpoint.save(path, {"a": torch.ones(1)}, {})
    remedy = {"an older": "make it anew with this one", "a newer": "upgrade ratescape"}[said]
    line = rf"made by {said} ratescape \(format {version}, and this one reads format {FORMAT}\): {remedy}$"
    for read in (checkpoint.load, checkpoint.digest_of):
        with pytest.raises(CheckpointError, match=line):
            read(path)


def test_equal_contents_have_one_digest_and_others_another(path: Path, tmp_path: Path) -> None:
    digests: list[str] = []
    for index, (value, step) in enumerate([(1.0, 3), (1.0, 3), (2.0, 3), (1.0, 4)]):
        file = tmp_path / str(index)
        checkpoint.save(file, {"a": torch.full((2,), value)}, {"step": step})
        digests.append(checkpoint.digest_of(file))
    assert digests[0] == digests[1] and len(set(digests)) == 3
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
    whole = path.read_bytes()
    path.write_bytes(whole[:-4] + bytes(4))  # the tensors lie at the end
    assert checkpoint.digest_of(path) != digests[0]  # as written: no tensor is read
    with pytest.raises(CheckpointError, match="digest"):
        checkpoint.load(path)
    path.write_bytes(whole[: len(whole) // 2])
    for read in (checkpoint.load, checkpoint.digest_of):
        with pytest.raises(CheckpointError, match="damaged"):
            read(path)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoint.digest_of(tmp_path / "nothing")


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"a": torch.ones(1)}, path)
    with pytest.raises(CheckpointError):
        checkpoint.load(path)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"image_shape": [1, 16, 16, 1]}, "said to be of shape"),
        ({"image_shape": [1, "16", 16]}, "said to be of shape"),
        ({"image_shape": None}, "said to be of shape"),
        ({"image_shape": [1, 2**70, 16]}, "said to be of shape"),
        ({"image_shape": [1, 32, 32]}, "is not as the network"),
        ({"image_shape": [1, 2**19, 2**19]}, "is not as the network"),  # of 4 TB
        ({"channels": 10**30}, "model.channels is"),
        ({"channels": 10**6}, "is not as the network"),
        ({"latents": [3, 10**30]}, "model.latents is"),
    ],
)
def test_what_a_file_says_of_its_network_is_checked_before_memory_is_taken(
    changes: dict[str, Any], what: str, path: Path
) -> None:
    tensors, header = checkpoint.load(path)
    parts = header["model"] if {"channels", "latents"} & {*changes} else header
    parts.update(changes)
    checkpoint.save(path, tensors, header)
    with pytest.raises(RatescapeError, match=what):
        checkpoint.load_model(path)


FAMILIES = """
import itertools, sys, tempfile
from pathlib import Path
from ratescape import checkpoint
from ratescape.model.registry import conditioned, resolved_model
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import NetworkSpec

def loaded(shape, binary=False, **options):
    model = resolved_model(ModelSpec(channels=8, **options), shape, binary)
    spec = NetworkSpec(model=model, groups=tuple(range(model.layers)), rank=4, knots=5)
    checkpoint.save_network(path, conditioned(spec, shape).state_dict(), spec, {"image_shape": shape})
    checkpoint.load_network(path)

path = Path(tempfile.mkdtemp()) / "weights.safetensors"
for family, likelihood in itertools.product(("ghvae", "lvae", "residual"), ("gaussian", "logistic-mixture")):
    loaded((3, 16, 16), family=family, likelihood=likelihood)
loaded((1, 16, 16), binary=True, family="deep", blocks="1x1,4x2")
loaded((12,), family="vector")
print(sorted({"torch._dynamo", "sympy"} & {*sys.modules}))
"""


def test_files_of_all_families_are_checked_without_importing_a_compiler() -> None:
    # Ordinary arithmetic on the meta device imports torch._dynamo: three seconds for whoever opens a landscape.
    ended = subprocess.run([sys.executable, "-c", FAMILIES], capture_output=True, text=True, timeout=120)
    assert (ended.stdout, ended.returncode) == ("[]\n", 0), ended.stderr


@pytest.mark.parametrize(
    ("told", "raised"),
    [
        ("unable to open file <{}> in read-only mode: Too many open files (24)", "Too many open files.*run the same"),
        ("unable to mmap 100 bytes from file <{}>: Input/output error (5)", "Input/output error.*run the same"),
        ("unable to mmap 100 bytes from file <{}>: Cannot allocate memory (12)", "unable to mmap"),  # told as such
        ("something else (3)", "something else"),
    ],
)
def test_what_the_system_refuses_pytorch_is_no_damage(
    told: str, raised: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError(told.format(path))

    monkeypatch.setattr(files.safetensors, "safe_open", refused)
    kind = RatescapeError if "run the same" in raised else RuntimeError
    with pytest.raises(kind, match=raised) as error:
        checkpoint.load(path)
    assert str(path) in str(error.value) or "else" in told
