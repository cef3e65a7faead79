"""Groups of layers that share a beta, by layer and by resolution."""

import pytest
from helpers.commands import Run, refused

from ratescape.errors import SpecError
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.groups import Groups, resolved_groups
from ratescape.specs.methods import Conditioned, Dedicated
from ratescape.specs.model import ModelSpec
from ratescape.specs.sweep import SweepSpec

DEEP = ModelSpec(family="deep", blocks="1x1,4x1,7x2,14x2")


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (("1-4,7", "14"), (0, 0, 0, 0, 1, 1)),
        (("1", "4-7", "14"), (0, 1, 1, 1, 2, 2)),
        (("1-14",), (0,) * 6),
        ((1, 4, 7, 14), (0, 1, 2, 2, 3, 3)),
        (("14", "1-7"), (0, 0, 0, 0, 1, 1)),  # groups are numbered from the top, in whichever order they are named
        ((0, 0, 1, 1, 2, 2), (0, 0, 1, 1, 2, 2)),
        (("0", "0", "0", "0", "0", "1"), (0, 0, 0, 0, 0, 1)),
        (None, (0, 0, 1, 1, 2, 2)),
    ],
)
def test_groups_of_a_deep_network(groups: Groups | None, expected: tuple[int, ...]) -> None:
    assert resolved_groups(groups, DEEP) == expected


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (("1-4", "14"), "resolution 7 is in no group"),
        (("1-7", "7-14"), "resolution 7 is named twice"),
        (("1-5", "14"), "'1-5' is no resolution of this network, nor a range of them; it has 1, 4, 7, 14"),
        (("top", "14"), "'top' is no resolution"),
        (("7-4", "1", "14"), "'7-4' is no resolution"),
        ((0, 1), "'0' is no resolution"),
    ],
)
def test_groups_that_do_not_fit_are_told_in_one_line(groups: Groups, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        resolved_groups(groups, DEEP)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_resolutions_need_blocks_and_a_deep_network() -> None:
    with pytest.raises(SpecError, match=r"model\.blocks"):
        resolved_groups(("1-4", "14"), ModelSpec(family="deep"))
    with pytest.raises(SpecError, match=r"one group for each of the 2 layers"):
        resolved_groups(("1-4", "14"), ModelSpec())


@pytest.mark.parametrize("method", [Dedicated, Conditioned])
def test_they_survive_files(method: type[Dedicated] | type[Conditioned]) -> None:
    spec = SweepSpec(model=DEEP, method=method(groups=("1-4,7", "14")))
    assert from_dict(SweepSpec, to_dict(spec)) == spec
    assert {run.betas for run in spec.runs()} >= {(0.1,) * 4 + (10.0,) * 2}


def test_a_command_line_takes_them_and_refuses_others(run: Run) -> None:
    deep = ("--model.family", "deep", "--model.blocks", "1x1,14x2")
    refused(run("map", *deep, "--groups", "1", "7"), "groups is", "it has 1, 14")
    refused(run("map", *deep, "--groups", "1"), "resolution 14 is in no group")
    refused(run("map", "--model.family", "deep", "--model.blocks", "1x1;4x2"), "model.blocks is '1x1;4x2'", "1x1,4x2")
    refused(run("map", "--model.family", "deep", "--model.blocks", "1x1,7by2"), "'7by2' cannot be read")
    refused(run("map", "--model.family", "deep", "--model.blocks", "1x1,14x2,7x2"), "7 comes after 14")
    refused(run("map", "--model.family", "deep", "--model.blocks", "1x1,7x00"), "'7x00' cannot be read")
