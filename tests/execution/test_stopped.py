"""What the sign of life says of a map that was broken off, and of one that was taken up again."""

from pathlib import Path

import pytest
from helpers.sweeps import HERE, break_off, small_sweep

from ratescape.data.catalog import ImageData
from ratescape.landscape import Landscape, map_spec
from ratescape.records.heartbeat import read_heartbeat
from ratescape.records.states import contents_of, status_of


def test_a_map_broken_off_says_where_and_is_done_once_only_figures_were_left(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Landscape) -> None:
        raise KeyboardInterrupt

    def stopped_in() -> str:
        beat = read_heartbeat(tmp_path)
        assert beat is not None and beat.state == "stopped" and contents_of(tmp_path).state == "stopped"
        return beat.phase

    spec = small_sweep(data)
    with monkeypatch.context() as patch:
        break_off(patch, 8)
        with pytest.raises(KeyboardInterrupt):
            map_spec(spec, data, HERE, tmp_path)
    assert stopped_in() == "training" and "(training" in status_of(tmp_path)[1]
    with monkeypatch.context() as patch:
        patch.setattr(Landscape, "report", interrupted)
        with pytest.raises(KeyboardInterrupt):
            map_spec(spec, data, HERE, tmp_path)
    assert stopped_in() == "figures" and "(figures)" in status_of(tmp_path)[1]
    map_spec(spec, data, HERE, tmp_path)  # nothing is left but the figures
    assert contents_of(tmp_path).state == "done" and status_of(tmp_path)[1].startswith("done: the last call took")
    before = read_heartbeat(tmp_path)
    map_spec(spec, data, HERE, tmp_path)  # nothing is left at all
    assert read_heartbeat(tmp_path) == before
