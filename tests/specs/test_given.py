"""Betas and other values as callers give them."""

import pytest

from ratescape.errors import SpecError
from ratescape.specs.given import as_betas


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (2, (2.0, 2.0, 2.0)),
        ((0.1, 5), (0.1, 0.1, 5.0)),
        ((1, 2, 3), (1.0, 2.0, 3.0)),
    ],
)
def test_betas_are_given_by_layer_by_group_or_once(given: object, meant: tuple[float, ...]) -> None:
    assert as_betas(given, 3, (0, 0, 1)) == meant


def test_another_number_of_betas_names_both() -> None:
    with pytest.raises(
        SpecError, match=r"each of the 3 layers, top first, one for each of the 2 groups, or one number"
    ):
        as_betas((1, 2, 3, 4), 3, (0, 0, 1))
    with pytest.raises(SpecError, match=r"each of the 3 layers, top first, or one number"):
        as_betas((1, 2), 3)
    with pytest.raises(SpecError, match="for each of the 3 layers"):
        as_betas([2], 3)  # a list has a number for each, and one may have been forgotten
