"""Numerics under attack: sound numbers, or a plain status, or one line; never NaN in a table without a word."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.commands import TINY, Run, refused
from helpers.images import blobs

BASE = blobs(24)
LABELS = np.arange(24) % 2
SETTINGS = [*TINY, "--training.epochs", "2", "--execution.engine", "in-process", "--quiet"]

IMAGES: dict[str, tuple[np.ndarray, np.ndarray | None]] = {
    "usual": (BASE, LABELS),
    "alike": (np.repeat(BASE[:1], 24, 0), None),
    "black": (np.zeros_like(BASE), None),
    "white": (np.full_like(BASE, 255), None),
    "of one class": (BASE, np.zeros(24, np.int64)),
    "of a class each": (BASE, np.arange(24) * 400),
    "noise": (np.random.default_rng(0).integers(0, 256, BASE.shape, dtype=np.uint8), None),
    "of 300 pixels": (np.random.default_rng(0).integers(0, 256, (24, 300, 300), dtype=np.uint8), None),
}

CASES: dict[str, tuple[str, list[str]]] = {
    "betas of 1e-6": ("usual", ["--betas", "1e-6", "1e-6"]),
    "betas of 1e6": ("usual", ["--betas", "1e6", "1e6"]),
    "betas far apart": ("usual", ["--betas", "1e-6", "1e6"]),
    "images alike": ("alike", []),
    "black": ("black", []),
    "white": ("white", []),
    "black, pixels of two values": ("black", ["--data.binary"]),
    "one class": ("of one class", ["--evaluation.probes", "heldout"]),
    "as many classes as images": ("of a class each", ["--evaluation.probes", "heldout"]),
    "noise": ("noise", []),
    "exploding": ("usual", ["--training.learning-rate", "1e6"]),
    "exploding without a limit": ("usual", ["--training.learning-rate", "1e30"]),
    "bf16": ("usual", ["--training.precision", "bf16"]),
    "sigma of 1e-3": ("usual", ["--model.likelihood", "gaussian", "--model.sigma", "1e-3"]),
    "sigma of 1e-6": ("usual", ["--model.likelihood", "gaussian", "--model.sigma", "1e-6"]),
    "sigma of 1e6": ("usual", ["--model.likelihood", "gaussian", "--model.sigma", "1e6"]),
    "no steps but one": ("usual", ["--training.epochs", "1", "--training.batch", "1000"]),
}

DEEP = ("--model.family", "deep", "--model.latents", "1", "--training.epochs", "1", "--model.blocks")

LARGE: dict[str, tuple[str, list[str]]] = {
    "200 layers, deep": ("usual", [*DEEP, "1x60,2x60,4x40,8x40"]),
    "200 layers, residual": ("usual", ["--model.family", "residual", "--model.latents", *["1"] * 200]),
    "300 pixels": ("of 300 pixels", [*DEEP, "1x1,5x1,75x1"]),
}
"""What takes half a minute each."""


def written(images: str, folder: Path) -> Path:
    pixels, labels = IMAGES[images]
    path = folder / "images.npz"
    if labels is None:
        np.savez(path, images=pixels)
    else:
        np.savez(path, images=pixels, labels=labels)
    return path


def numbers(value: object) -> list[float | None]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [one for item in value for one in numbers(item)]
    return [value] if value is None or isinstance(value, float) else []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*CASES, *(pytest.param(name, marks=pytest.mark.campaign) for name in LARGE)])
def test_numbers_are_sound_or_said_not_to_be(name: str, run: Run, tmp_path: Path) -> None:
    images, options = (CASES | LARGE)[name]
    out = tmp_path / "out"
    words = ["train", "--data.name", str(written(images, tmp_path)), *SETTINGS, *options, "--out", str(out)]
    ended = run(*words)
    assert "Traceback" not in ended.err
    if ended.status != 0:
        assert ended.err.startswith("ratescape: ") and ended.err.count("\n") == 1, ended.err
        assert name not in LARGE, ended.err
        return
    history = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    diverged = history[-1]["status"] == "diverged"
    for line in (out / "evaluation.jsonl").read_text().splitlines():
        record = json.loads(line)
        for metric in ("rates", "distortion", "nelbo"):
            found = numbers(record["metrics"].get(metric))
            assert diverged or found, metric
            assert (
                all(one is None for one in found)
                if diverged
                else all(one is not None and math.isfinite(one) for one in found)
            ), (metric, found)
        assert diverged or all(rate >= -1e-3 for rate in record["metrics"]["rates"])


@pytest.mark.filterwarnings("ignore")
def test_a_training_that_could_take_no_step_left_no_model(run: Run, tmp_path: Path) -> None:
    steps = ["--betas", "1e30", "1e30", "--training.annealing", "0", "--training.max-skipped-steps", "1000"]
    ended = run(
        "train", "--data.name", str(written("usual", tmp_path)), *SETTINGS, *steps, "--out", str(tmp_path / "out")
    )
    assert ended.status == 0, ended
    last = json.loads((tmp_path / "out" / "training.jsonl").read_text().splitlines()[-1])
    assert last["skipped"] == last["steps"] > 0 and last["status"] == "diverged"
    assert json.loads((tmp_path / "out" / "evaluation.jsonl").read_text().splitlines()[0])["metrics"]["nelbo"] is None


@pytest.mark.filterwarnings("ignore")
def test_a_table_says_which_models_diverged(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--method", "dedicated", "--grid.steps", "2", "--grid.layout", "scattered", "--grid.points", "2"]
    exploding = ["--training.learning-rate", "1e30"]
    images = str(written("usual", tmp_path))
    ended = run("map", "--data.name", images, *SETTINGS, *words, *exploding, "--out", str(out))
    refused(ended, "all 2 trainings diverged")
    table = pd.read_csv(out / "landscape.csv")
    assert table["distortion"].isna().all() and (table["status"] == "diverged").all()
