"""Tables of rows: DataFrames, .csv and .parquet files, arrays; what they may not hold is said in one line."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.commands import SHORT, Run, refused
from helpers.rows import FAR, frame

from ratescape.data.batches import Images
from ratescape.data.catalog import load_data
from ratescape.data.listing import describe
from ratescape.data.prepared import read_prepared, write_prepared
from ratescape.errors import DataError


def csv(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


GOOD = "a,b,kind\n" + "".join(f"{i % 5},{i * 0.5},{'xy'[i % 2]}\n" for i in range(40))


def test_a_csv_is_its_data_frame(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    frame().to_csv(path, index=False)
    read = load_data(path, target="kind", split_seed=3)  # the number to regress on is a column like others here
    given = load_data(frame(), target="kind", split_seed=3)
    assert read.columns == given.columns and read.columns is not None
    assert read.columns.names == ("far", "small", "above", "constant", "amount")
    assert read.columns.boolean == (False, False, True, False, False)
    assert read.classes == ("cold", "warm") and read.shape == (5,)
    for one, other in zip((read.train, read.test), (given.train, given.test), strict=True):
        np.testing.assert_allclose(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize(
    ("target", "labelled"), [("kind", True), ("constant", True), ("above", True), ("amount", False)]
)
def test_texts_and_whole_numbers_are_classes_and_other_numbers_are_regressed_on(target: str, labelled: bool) -> None:
    whole = frame().drop(columns=[] if target == "kind" else ["kind"])
    data = load_data(whole, target=target)
    assert (data.train.labels is not None, data.train.targets is None) == (labelled, labelled)
    assert data.columns is not None and target not in data.columns.names
    if not labelled:
        together = np.concatenate([split.targets for split in (data.train, *data.held_out.values())])  # type: ignore[arg-type]
        assert sorted(together[:, 0]) == sorted(frame()["amount"])


def test_columns_are_standardised_by_the_training_rows_in_double_precision() -> None:
    data = load_data(frame().drop(columns="amount"), target="kind")
    train = Images.of(data, data.train.pixels).pixels.double()
    assert data.standards is not None and list(data.standards.constant) == [False, False, False, True]
    torch.testing.assert_close(train[:, :2].mean(0), torch.zeros(2).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(train[:, :2].std(0, correction=0), torch.ones(2).double(), atol=1e-6, rtol=0)
    assert set(train[:, 2].tolist()) == {0.0, 1.0} and set(train[:, 3].tolist()) == {0.0}
    own = data.test.pixels[:, 0]
    expected = (own - data.train.pixels[:, 0].mean()) / data.train.pixels[:, 0].std()
    np.testing.assert_allclose(Images.of(data, data.test.pixels).pixels[:, 0], expected, rtol=1e-5, atol=1e-6)
    assert own.min() > FAR - 10


def test_prepared_rows_are_the_same_rows(tmp_path: Path) -> None:
    data = load_data(frame(), target="kind")
    write_prepared(data, tmp_path / "data")
    again = read_prepared(tmp_path / "data")
    assert again.columns == data.columns and again.fingerprint == data.fingerprint
    for one, other in zip(vars(again.standards).values(), vars(data.standards).values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["array", "tensor", "list", "npy", "npz"])
def test_arrays_of_two_axes_are_rows(kind: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(20) % 2)
    given: dict[str, Any] = {"array": x, "tensor": torch.from_numpy(x), "list": x.tolist()}
    data = load_data(given.get(kind, tmp_path / f"x.{kind}"))
    assert data.shape == (3,) and data.columns is not None and data.columns.names == ("x0", "x1", "x2")
    assert load_data(x > 0).columns.boolean == (True,) * 3  # type: ignore[union-attr]


def test_parquet_needs_its_extra_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r'pip install "ratescape\[tables\]"'):
        load_data(tmp_path / "rows.parquet")


def test_parquet_is_its_data_frame(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame().to_parquet(tmp_path / "rows.parquet")
    read, given = load_data(tmp_path / "rows.parquet", target="kind"), load_data(frame(), target="kind")
    assert read.fingerprint == given.fingerprint


def test_what_a_table_holds_is_listed(tmp_path: Path) -> None:
    text = str(describe(csv(tmp_path, "a,b\n" + "1,true\n2,false\n" * 10)))
    assert "columns" in text and "2, of which 1 booleans" in text and "rows of your own" in text


BAD = {
    "text": ("a,town\n1,Ulm\n2,Bonn\n", "columns that are neither numbers nor booleans (town"),
    "missing values": ("a,b\n1,2\n,3\n,\n", "missing values (a: 2, b: 1)"),
    "a line too long": ("a,b\n1,2\n3,4,5\n", "3 values in line 3 but 2 column names"),
    "a line too short": ("a,b\n1,2\n3\n", "1 values in line 3 but 2 column names"),
    "empty": ("", "has no rows"),
    "names alone": ("a,b\n", "has no rows"),
    "another encoding": ("größe,b\n1,2\n".encode("latin-1"), "is not UTF-8 text"),
    "no names": ("1,2\n3,4\n", "numbers in its first line"),
    "a name twice": ("a,a\n1,2\n3,4\n", "more than one column named a"),
    "one row": ("a,b\n1,2\n", "has 1 rows to split into 3 parts"),
    "constant columns": ("a,b\n" + "1,2\n" * 20, "training rows that are all alike"),
    "infinite": ("a,b\n1,2\ninf,3\n2,2\n", "infinite values (a: 1)"),
    "too large": ("a,b\n" + "1e200,2\n-1e200,3\n" * 9, "too large to be squared (a)"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_csv_is_refused_in_one_line(run: Run, case: str, tmp_path: Path) -> None:
    text, part = BAD[case]
    path = csv(tmp_path, text)
    outcome = run("train", "--data.name", path, *SHORT, "--out", tmp_path / "out")
    refused(outcome, "rows.csv", part)
    assert not (tmp_path / "out").exists()


def test_a_bad_target_is_refused_in_one_line(run: Run, tmp_path: Path) -> None:
    path = csv(tmp_path, GOOD)
    outcome = run("train", "--data.name", path, "--data.target", "kinds", *SHORT, "--out", tmp_path / "out")
    refused(outcome, "no column 'kinds' to be the target", "did you mean 'kind'", "a, b, kind")
    np.save(tmp_path / "x.npy", np.eye(20))
    for name in (str(tmp_path / "x.npy"), "mnist-5k"):
        outcome = run("train", "--data.name", name, "--data.target", "kind", *SHORT, "--out", tmp_path / "out")
        refused(outcome, "data.target is 'kind'", "leave it out")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            frame().assign(when=pd.Timestamp(2020, 1, 1))[["far", "when"]],
            "neither numbers nor booleans (when: datetime64",
        ),
        (frame().assign(far=np.nan)[["far", "small"]], "missing values (far: 240)"),
        (pd.DataFrame({"a": pd.array([True, None] * 9, dtype="boolean"), "b": range(18)}), "missing values (a: 9)"),
        (frame()[[]], "has no rows"),
        (np.array([["a", "b"]] * 9), "rows of numbers or booleans"),
        (np.full((9, 2), np.nan), "missing values (x0: 9, x1: 9)"),
    ],
    ids=["dates", "gaps", "booleans with gaps", "no columns", "texts", "NaN"],
)
def test_bad_rows_are_refused(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        load_data(given)


def test_rows_cannot_be_thresholded_nor_be_given_two_targets() -> None:
    with pytest.raises(DataError, match=re.escape("data.binary is true, but")):
        load_data(np.eye(9), binary=True)
    with pytest.raises(DataError, match=re.escape("beside data.target")):
        load_data(frame(), np.arange(240) % 2, target="kind")
