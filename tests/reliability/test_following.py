"""What is planned for processes that live on from case to case."""

import json
from pathlib import Path

import pytest

from reliability.faults import Operation, Plan
from reliability.following import Followed


def test_the_first_process_to_come_has_what_is_planned_and_a_later_case_another(tmp_path: Path) -> None:
    root, told = tmp_path / "root", tmp_path / "told"
    root.mkdir()
    told.mkdir()
    first, other = Followed(root, told), Followed(root, told)

    def write(by: Followed, path: Path = root / "file") -> None:
        by.step("write", path, lambda: by.note(Operation("write", "file")))

    (told / "plan").write_text(json.dumps([1, *Plan(2, "EIO", kind="write")]))
    write(first, tmp_path / "elsewhere")  # which is no operation
    write(first)
    for _ in range(3):
        write(other)
    with pytest.raises(OSError, match="Input/output"):
        write(first)
    write(first)
    assert (told / "1.happened").exists() and not (told / "2.happened").exists()
    (told / "plan").write_text(json.dumps([2, *Plan()]))
    for _ in range(3):
        write(first)
    for one in (first, other):
        assert one.trace is not None and one.kinds is not None
        one.trace.close()
        one.kinds.close()
    assert not (told / "2.claimed").exists()
    assert len(next(told.glob("2.*.trace")).read_text().splitlines()) == 3
