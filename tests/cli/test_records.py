"""Measurements of a model as a table for a person, and as JSON lines for a program."""

import json
from typing import Any

import pytest

from ratescape.cli.records import as_table, print_records
from ratescape.records.lines import with_error

RECORDS: list[dict[str, Any]] = [
    {
        "split": split,
        "images": images,
        "betas": [0.1, 10.0],
        "metrics": {"rates": [1.5, 20.25], "psnr": 17.25, "accuracy_rbf": [0.772, None], "flag": None, "note": note},
        "errors": {"psnr": 0.0417, "accuracy_rbf": [0.014, None]} if split == "test" else {},
        "absent": {"information": "no labels", "clustering_nmi": "no labels"},
    }
    for split, images, note in (("validation", 360, None), ("test", 1000, "seen from above"))
]


def test_records_are_json_lines_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    print_records([record | {"parts": {"psnr": [1.0, 2.0]}} for record in RECORDS])
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == RECORDS


def test_a_person_gets_a_table_and_json_only_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    print_records(RECORDS)
    assert capsys.readouterr().out.splitlines() == [
        "betas 0.1, 10 (top layer first)",
        "                            validation  test",
        "images                      360         1,000",
        "rate on z₂ (nats)           1.5         1.5",
        "rate on z₁ (nats)           20.25       20.25",
        "PSNR (dB)                   17.25       17.250 ± 0.042",
        "RBF SVM accuracy on μ₂ (%)  77.2        77.2 ± 1.4",
        "RBF SVM accuracy on μ₁ (%)  –           –",
        "note                        –           seen from above",
        "not measured: information, clustering_nmi (no labels)",
    ]
    print_records(RECORDS, as_json=True)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == RECORDS


def test_extrapolated_betas_and_a_model_without_numbers_say_so() -> None:
    record = {"split": "test", "images": 0, "betas": [50.0], "extrapolated": True, "absent": {}}
    lines = as_table([record | {"metrics": {"psnr": None, "rates": [None], "of_mine": 3}}])
    assert lines[0] == "betas 50 (top layer first), outside the network's box: extrapolated"
    assert [line.split("  ")[0] for line in lines[3:]] == ["PSNR (dB)", "rate on z₁ (nats)", "of_mine"]
    assert [line.split()[-1] for line in lines[3:]] == ["–", "–", "3"]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (17.2512, 0.0417, "17.251 ± 0.042"),
        (1234.5, 31.0, "1234 ± 31"),
        (77.2, 1.4, "77.2 ± 1.4"),
        (0.5, None, "0.5"),
        (0.5, 0.0, "0.5"),
    ],
)
def test_two_digits_of_an_error_say_how_many_digits_a_number_is_worth(
    value: float, error: float | None, text: str
) -> None:
    assert with_error(value, error) == text
