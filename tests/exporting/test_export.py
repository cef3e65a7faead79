"""What is exported gives the model's own numbers, for any number of images, without the package."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.commands import Run
from helpers.small_networks import MODELS, SHAPE, conditioned, plain

import ratescape as rs
from ratescape.errors import ResourceError, SpecError
from ratescape.exporting import formats
from ratescape.exporting.parts import Part, parts_of
from ratescape.model.registry import build, resolved_model


def grey(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16), dtype=np.uint8)


@pytest.mark.parametrize("name", MODELS)
def test_parts_are_what_the_model_does(name: str) -> None:
    model, pixels = plain(name), torch.from_numpy(grey(3)).unsqueeze(1).double() / 255
    encoder, decoder, sampler = parts_of(model)
    found = dict(zip(encoder.outputs, encoder.run([pixels]), strict=True))
    layers = len(model.latent_shapes)
    means = [found[f"mean_{layer}"] for layer in range(layers, 0, -1)]
    for own, told in zip(model.encode(pixels.float().numpy()), means, strict=True):  # the encoder thresholds, too
        torch.testing.assert_close(told, own)
    assert all((found[f"sigma_{layer}"] > 0).all() for layer in range(1, layers + 1))
    torch.testing.assert_close(decoder.run(means)[0], model.decode(means))
    noise = model.noise(4, torch.Generator().manual_seed(0))
    torch.testing.assert_close(sampler.run(noise)[0], model.sample(4, seed=0))


def test_rows_go_in_and_out_in_their_own_units() -> None:
    torch.manual_seed(0)
    model = build(resolved_model(rs.ModelSpec(family="vector"), (3,), binary=False), (3,)).double()
    encoder, decoder, _ = parts_of(model)
    rows = np.random.default_rng(0).normal(50, 9, (5, 3))
    means = encoder.run([torch.from_numpy(rows)])[:2]
    torch.testing.assert_close(means, model.encode(rows))
    torch.testing.assert_close(decoder.run(means)[0], model.decode(means))
    assert list(encoder.inputs) == ["rows"]


def test_a_program_of_torch_needs_nothing_but_torch(tmp_path: Path) -> None:
    model, path = plain("residual of 1").float(), tmp_path / "decoder.pt2"
    decoder = parts_of(model)[1]
    formats.FORMATS["torch"].write(decoder, path)
    program = torch.export.load(path)
    assert not any(type(part).__module__.startswith("ratescape") for part in program.module().modules())
    for count in (1, 7):
        z = torch.randn(count, 3)
        torch.testing.assert_close(formats.FORMATS["torch"].run(path, decoder, [z])[0], model.decode(z))


def test_onnx_gives_the_models_numbers_for_any_number_of_images(tmp_path: Path) -> None:
    model = plain("residual of 1").float()
    encoder = parts_of(model)[0]
    path = tmp_path / "encoder.onnx"
    formats.FORMATS["onnx"].write(encoder, path)
    for count in (1, 6):
        images = torch.rand(count, *SHAPE)
        for told, own in zip(formats.FORMATS["onnx"].run(path, encoder, [images]), encoder.run([images]), strict=True):
            torch.testing.assert_close(told, own, atol=1e-5, rtol=1e-5)
    (taken,) = formats.session_of(path).get_inputs()
    assert (taken.name, taken.shape) == ("images", ["batch", *SHAPE])


class Wrong(formats.Torch):
    """A format whose files give other numbers."""

    def write(self, part: Part, path: Path) -> None:
        path.write_bytes(b"wrong")

    def run(self, path: Path, part: Part, values: object) -> list[torch.Tensor]:
        return [one + 0.5 for one in part.run(list(values))]  # type: ignore[call-overload]


class Copy(Wrong):
    """A format whose files give the model's own numbers."""

    def run(self, path: Path, part: Part, values: object) -> list[torch.Tensor]:
        return part.run(list(values))  # type: ignore[call-overload]


def test_what_was_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(formats.FORMATS, "torch", Copy())
    exported = rs.export(plain(), tmp_path / "programs", "torch", images=grey(5))
    assert exported.images == 5 and exported.differences == {"encoder": 0, "decoder": 0, "sampler": 0}
    told = json.loads((tmp_path / "programs" / "export.json").read_text())
    assert told["parts"]["encoder"]["inputs"] == {"images": ["batch", *SHAPE]}
    assert list(told["parts"]["encoder"]["outputs"]) == ["mean_2", "mean_1", "sigma_2", "sigma_1"]
    assert list(told["parts"]["decoder"]["inputs"]) == ["z_2", "z_1"] and told["checked_on"] == 5
    rs.export(plain(), tmp_path / "programs", "torch")  # an earlier export is overwritten


def test_a_program_of_other_numbers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(formats.FORMATS, "torch", Wrong())
    with pytest.raises(SpecError, match="encoder differs from the model"):
        rs.export(plain().float(), tmp_path / "out", "torch")
    assert not list((tmp_path / "out").iterdir())


def test_an_exporter_whose_packages_do_not_go_together_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lacking(Copy):
        def write(self, part: Part, path: Path) -> None:
            raise ImportError("no module named onnxscript.new")

    monkeypatch.setitem(formats.FORMATS, "torch", Lacking())
    with pytest.raises(ResourceError, match=r"onnxscript.new.*pip install --upgrade"):
        rs.export(plain(), tmp_path / "out", "torch")


def test_what_cannot_be_exported_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.png").write_bytes(b"mine")
    with pytest.raises(rs.RecordError, match="holds other files"):
        rs.export(plain(), tmp_path, "torch")
    with pytest.raises(SpecError, match=r"network.at\(betas\)"):
        rs.export(conditioned(), tmp_path / "out", "torch")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="format is 'tflite'"):
        rs.export(plain(), tmp_path / "out", "tflite")  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ResourceError, match=r"ratescape\[onnx\]"):
        rs.export(plain(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_says_where_the_check_was_made(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(formats.FORMATS, "torch", Copy())
    rs.save(plain(), tmp_path / "model.safetensors")
    outcome = run("export", tmp_path / "model.safetensors", "--out", tmp_path / "out", "--format", "torch")
    assert outcome.status == 0, outcome.err
    assert "checked on samples of the model" in outcome.err and "decoder.pt2" in outcome.out
