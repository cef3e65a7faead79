"""What goes to the hub comes back alike; what a repository holds besides is neither read nor run."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.commands import Run
from helpers.hub import hub as hub  # a fixture
from helpers.small_networks import plain
from helpers.sweeps import copied

import ratescape as rs
from ratescape import checkpoint
from ratescape.errors import HubError, RecordError, ResourceError, SpecError
from ratescape.hub import facts, files, soundness
from ratescape.hub.card import Card
from ratescape.model.latents import PosteriorSample


def grey(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16), dtype=np.uint8)


def front(card: Path) -> dict[str, object]:
    """The front matter of a card."""
    return yaml.safe_load(card.read_text().split("---\n")[1])


def test_the_card_says_what_was_measured_and_what_is_unknown(tmp_path: Path) -> None:
    model, images = plain(), grey(40)
    told = {"held_out": images, "betas": (0.5, 2), "licence": "Ask me first", "data": "Noise\n# not a heading"}
    text = (model.save_pretrained(tmp_path / "told", **told) / "README.md").read_text()
    head = front(tmp_path / "told" / "README.md")
    assert (head["license"], head["license_name"]) == ("other", "ask-me-first") and "ratescape" in head["tags"]  # type: ignore[operator]
    assert "Measured on 40 held-out items" in text and "Noise # not a heading" in text
    (top, lower) = re.findall(r"^\| z_\d \| [\d×]+ \| (\S+) \| (\S+) \| (\S+) \|$", text, re.MULTILINE)
    assert (top[0], lower[0]) == ("0.5", "2")
    rates = np.array([float(top[1]), float(lower[1])])
    np.testing.assert_allclose([float(top[2]), float(lower[2])], rates / np.log(2), rtol=2e-3)
    pixels, generator = model.inputs(images), torch.Generator().manual_seed(9)
    own = [model(PosteriorSample(model.noise(40, generator)), pixels).rates.detach() for _ in range(20)]
    np.testing.assert_allclose(rates, torch.cat(own).mean(0), rtol=0.1)
    plain_text = (model.save_pretrained(tmp_path / "untold") / "README.md").read_text()
    assert "Measured" not in plain_text and "How far it was trained is not known" in plain_text
    assert "Trained on: unknown" in plain_text
    assert front(tmp_path / "untold" / "README.md")["license"] == "unknown"


def test_a_card_cannot_be_broken_out_of() -> None:
    text = Card("model", "A\n---", "line", licence="mit\nlicense: gpl", data="x | y").text("me/x")
    assert yaml.safe_load(text.split("---\n")[1])["license_name"] == "mit-license-gpl"


def test_a_landscape_of_a_folder_is_copied_to_where_one_says(landscape: rs.Landscape, tmp_path: Path) -> None:
    folder = landscape.save_pretrained(tmp_path / "folder")
    with pytest.raises(HubError, match=r"say where to, as out="):
        rs.from_hub(folder)
    again = rs.from_hub(folder, out=tmp_path / "again")
    assert isinstance(again, rs.Landscape) and again.table.equals(landscape.table)
    documented = (Path(__file__).parents[2] / "docs" / "hub.md").read_text()
    assert 'rs.from_hub("./folder", out=' in documented


def test_a_card_warns_of_what_is_wrong(landscape: rs.Landscape, tmp_path: Path) -> None:
    """One epoch of a few images: far from trained; a layer without an active unit; and no winner of a use."""
    text = (landscape.save_pretrained(tmp_path / "all") / "README.md").read_text()
    uses, limits = text.split("## Uses")[1].split("## Data")[0], text.split("## Limits")[1]
    assert "far from trained" in limits and "active units of z_1" in text and landscape.warnings
    assert all(line in limits for line in landscape.warnings)
    without = soundness.without_winner(landscape.records)
    for use, why in without.items():
        assert f"For {use}:" not in uses and why in limits
    assert soundness.collapsed({"beta_2": 9.0, "beta_1": 1.0, "rate_2": 0.01, "rate_1": 8.0, "active_1": 3}) == [
        "z₂ has collapsed (less than 0.1 nats): it says next to nothing on an item"
    ]


def test_a_use_without_a_winner_is_no_use_of_a_model(landscape: rs.Landscape, tmp_path: Path) -> None:
    """All layers of all models made silent: none is good for representations."""
    copy = copied(landscape.folder, tmp_path / "silent")
    for run in copy.spec().runs():
        path = copy.run(run).evaluation
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            line["metrics"] |= {"rates": [0.0, 0.0], "rate": 0.0, "active": [0, 0], "information": [1.0, 1.0]}
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    lines, without = soundness.of_run(copy.run(copy.spec().runs()[0]), {"rates": [0.0, 0.0], "active": [0, 0]}, (1, 1))
    assert [line.partition(" (")[0] for line in lines[-2:]] == ["z₂ has collapsed", "z₁ has collapsed"]
    assert without["representation"].startswith("Not for representation: ")
    assert not any("model.encode" in line for line in facts.model_uses(True, without))
    assert any("model.encode" in line for line in facts.model_uses(True))


def test_links_out_of_a_repository_are_refused(tmp_path: Path) -> None:
    folder = plain().save_pretrained(tmp_path / "model")
    (tmp_path / "secret.png").write_bytes(b"mine")
    (folder / "samples.png").unlink()
    (folder / "samples.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(HubError, match=r"samples.png is a link"):
        rs.from_hub(folder)
    cache = tmp_path / "cache" / "snapshots"
    cache.mkdir(parents=True)
    folder.rename(cache / "commit")
    with pytest.raises(HubError, match="no file inside"):
        files.listed(cache / "commit", "model", tmp_path / "cache")


def test_a_landscape_in_part_is_not_opened(landscape: rs.Landscape, tmp_path: Path, run: Run) -> None:
    """What an upload in several commits leaves behind if it breaks off, or a download of an old library."""
    folder = landscape.save_pretrained(tmp_path / "folder")
    shutil.rmtree(next((folder / "runs").iterdir()))
    with pytest.raises(HubError, match=r"folder lacks 'runs/\w+/\S+ and \d more of its \d+ files: download it again"):
        rs.from_hub(folder, out=tmp_path / "again")
    about = folder / files.ABOUT
    assert "of its" in run("pull", folder, "--out", tmp_path / "again").err and not (tmp_path / "again").exists()
    about.write_text(json.dumps(json.loads(about.read_text()) | {"files": 3}))
    with pytest.raises(HubError, match=r"ratescape.json is damaged"):
        rs.from_hub(folder, out=tmp_path / "again")


def test_a_path_out_of_a_repository_is_no_file_of_it() -> None:
    for path in ("../spec.yaml", "runs/../../x.png", "runs/0123456789ab/../done", "/etc/passwd", "figures/../a.png/b"):
        assert files.KINDS["landscape"].fullmatch(path) is None and files.KINDS["model"].fullmatch(path) is None


def test_a_factory_is_not_imported_unless_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil.py").write_text("raise SystemExit('run')")
    folder = plain().save_pretrained(tmp_path / "model")
    tensors, header = checkpoint.load(folder / files.WEIGHTS)
    header["model"] = {"factory": "evil:build", "latents": [3, 2], "source": "0" * 12}
    checkpoint.save(folder / files.WEIGHTS, tensors, header)
    with pytest.raises(SpecError, match="evil:build"):
        rs.from_hub(folder)


@pytest.mark.parametrize("text", ["{}", "[1]", '{"kind": "code", "format": 1}', '{"kind": "model", "format": 999}'])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    folder = plain().save_pretrained(tmp_path / "model")
    (folder / "ratescape.json").write_text(text)
    with pytest.raises(HubError, match=r"damaged|does not read"):
        rs.from_hub(folder)
    (folder / "ratescape.json").unlink()
    with pytest.raises(HubError, match="holds no model"):
        rs.from_hub(folder)


def test_what_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "photo.png").write_bytes(b"mine")
    with pytest.raises(RecordError, match="other files"):
        plain().save_pretrained(tmp_path / "own")
    plain().save_pretrained(tmp_path / "model", licence="mit")
    plain().save_pretrained(tmp_path / "model")
    assert front(tmp_path / "model" / "README.md")["license"] == "unknown"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "own"]


def test_a_bad_name_and_a_missing_extra_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HubError, match="no name of a repository"):
        rs.from_hub("a/b/c")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ResourceError, match=r"ratescape\[hub\]"):
        rs.from_hub("me/digits")


def test_commands_write_and_read_folders(landscape: rs.Landscape, tmp_path: Path, run: Run) -> None:
    run_folder = landscape.best("nelbo").folder
    assert run_folder is not None
    pushed = run("push", run_folder.path, "--out", tmp_path / "card", "--licence", "mit")
    assert pushed.status == 0, pushed.err
    text = (tmp_path / "card" / "README.md").read_text()
    record = json.loads(run_folder.evaluation.read_text().splitlines()[-1])
    assert record["split"] == "test" and f"{record['metrics']['rate']:.4g} nats" in text
    assert "test items of its data" in text and "| active units |" in text
    limits = text.split("## Limits")[1]
    assert "far from trained" in limits
    pulled = run("pull", tmp_path / "card", "--out", tmp_path / "back")
    assert pulled.status == 0 and "model.safetensors" in pulled.out
    assert rs.load(tmp_path / "back" / "model.safetensors").latent_shapes == [(3,), (2, 2, 2)]
    assert run("push", run_folder.path).status == 1
    assert run("pull", tmp_path / "nothing", "--out", tmp_path / "x").status == 1
