"""What codecs measured: whose it is, how it reads, and damage."""

import json
from pathlib import Path

import pytest
from helpers.sweep_on_disk import sweep

from ratescape.errors import RecordError
from ratescape.landscape import Landscape
from ratescape.records.codecs import CodecRecord, codecs_of, read_codec_records, write_codec_record
from ratescape.records.table import read_table
from ratescape.report.page import page_data


def kept(folder: Path, name: str, record: CodecRecord) -> CodecRecord:
    """A record beside a codec's file, as compress leaves both."""
    path = folder / "codecs" / f"{name}.codec"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a codec")
    write_codec_record(path, record)
    return record


def test_measured_bytes_stand_beside_the_model_and_where_models_are_chosen(tmp_path: Path) -> None:
    folder = sweep(tmp_path)
    landscape = Landscape(folder.path)
    best = landscape.best("reconstruction")
    assert best.files == [] and best.folder is not None and "no codec was calibrated" in best._repr_html_()
    asked = kept(best.folder.path, "b", CodecRecord((), "2=20,1=40", 40, (28.0, 58.4)))
    own = kept(best.folder.path, "a", CodecRecord((), "", 0, (20.0, 60.0)))
    shared = kept(folder.path / "networks" / ("0" * 12), "c", CodecRecord(best.betas, "total=9", 0, (1.0, 3.0)))
    kept(folder.path / "networks" / ("0" * 12), "d", CodecRecord((7.0, 7.0), "", 0, (1.0, 1.0)))
    assert best.files == [own, asked, shared]
    assert own.text == "10.0 bytes an image (codec calibrated)"
    assert asked.text == "10.8 bytes an image (codec calibrated for 2=20,1=40, effort 40)"
    assert own.text in best._repr_html_()
    shown = {run["run"]: run["files"] for run in page_data(folder, read_table(folder))["runs"]}
    assert shown.pop(best.folder.path.name) == [own.text, asked.text, shared.text]
    assert not any(shown.values())
    refined = folder.path / "refined" / ("1" * 12)
    assert codecs_of(folder, best.betas, refined) == []  # refined, it is not the network's model any more
    assert codecs_of(folder, best.betas, None) == [shared]


@pytest.mark.parametrize(
    "content", ["{", "[]", json.dumps({"betas": [], "request": "", "effort": 0, "lengths": [None]})]
)
def test_a_damaged_record_is_named_and_one_without_its_codec_is_none(tmp_path: Path, content: str) -> None:
    kept(tmp_path, "a", CodecRecord((), "", 0, (1.0,)))
    (tmp_path / "codecs" / "a.json").write_text(content)
    with pytest.raises(RecordError, match=r"a\.json is damaged: delete it and the codec beside it"):
        read_codec_records(tmp_path)
    (tmp_path / "codecs" / "a.codec").unlink()
    assert read_codec_records(tmp_path) == []
