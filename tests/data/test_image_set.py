"""The fingerprint: equal content, equal digits, however it came or is split."""

from pathlib import Path

import numpy as np
from helpers.toy_files import numbered

from ratescape.data.catalog import load_data


def test_fingerprint_tells_content_alone(tmp_path: Path) -> None:
    images, labels = numbered(20), np.arange(20) % 3
    data = load_data(images, labels)
    assert len(data.fingerprint) == 12
    assert int(data.fingerprint, 16) >= 0
    np.savez(tmp_path / "a.npz", images=images[..., None], labels=labels)
    for same in (
        load_data(images / 255, labels, validation=0.5, limit=3, split_seed=4, binary=True),
        load_data(tmp_path / "a.npz"),
    ):
        assert same.fingerprint == data.fingerprint
    changed = images.copy()
    changed[3, 0, 0] += 1
    others = [load_data(changed, labels), load_data(images), load_data(images, labels[::-1]), load_data(images[:-1])]
    others.append(load_data(images.reshape(20, 1, 4), labels))
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 6


def test_fingerprint_without_targets_stays() -> None:
    """These stand in the records of landscapes that are finished."""
    assert load_data(numbered(20)).fingerprint == "16e38fd890c5"
    assert load_data(numbered(20), np.arange(20) % 3).fingerprint == "35cabceb7dbb"


def test_fingerprint_tells_targets() -> None:
    images, targets = numbered(20), np.arange(20)
    one = load_data(images, targets=targets).fingerprint
    assert load_data(images, targets=targets.astype(float)[:, None], validation=0.5).fingerprint == one
    others = [load_data(images, targets), load_data(images), load_data(images, targets, targets)]
    others += [load_data(images, targets=other) for other in (targets[::-1], targets.reshape(20, 1).repeat(2, 1))]
    assert len({one, *(other.fingerprint for other in others)}) == 6
