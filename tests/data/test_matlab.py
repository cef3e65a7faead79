"""MATLAB files: what SciPy writes is read alike; what is damaged is refused, also where SciPy's reader crashes."""

import io
import random
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import scipy.io

from ratescape.data.formats.matlab import read_matlab

ARRAYS: dict[str, Any] = {
    "X": np.random.default_rng(0).integers(0, 256, (5, 4, 3, 7), np.uint8),
    "y": np.arange(7, dtype=np.uint8)[:, None],
    "a_long_name_for_numbers": np.linspace(0, 1, 6).reshape(2, 3),
    "small": np.array([[-3]], np.int16),
    "text": "no numbers",
    "complex": np.array([[1 + 2j]]),
}


def written(compressed: bool) -> bytes:
    out = io.BytesIO()
    scipy.io.savemat(out, ARRAYS, do_compression=compressed)
    return out.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes(compressed: bool) -> None:
    found = read_matlab(written(compressed), tuple(ARRAYS))
    assert found.keys() == {"X", "y", "a_long_name_for_numbers", "small"}
    for name, array in found.items():
        assert np.array_equal(array, ARRAYS[name]) and array.dtype == ARRAYS[name].dtype
    assert read_matlab(written(compressed), ("y",)).keys() == {"y"}


@pytest.mark.parametrize("compressed", [False, True])
def test_damage_is_refused_or_does_nothing(compressed: bool) -> None:
    whole, chance = written(compressed), random.Random(0)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        place = chance.randrange(len(data))
        data[place:place] = chance.randbytes(chance.randint(1, 30))  # as crashed SciPy 1.17: lengths read out of noise
        try:
            read_matlab(bytes(data), ("X", "y"))
        except (ValueError, struct.error, zlib.error):
            refused += 1
    assert refused > 200
    with pytest.raises(ValueError, match="header"):
        read_matlab(b"MATLAB 7.3 MAT-file", ("X",))
