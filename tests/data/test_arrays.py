"""Labels and targets are checked, coded and kept with their images; what does not fit together is refused."""

import numpy as np
import numpy.typing as npt
import pytest
from helpers.toy_files import random_images

from ratescape.data.formats.arrays import Arrays, from_arrays
from ratescape.errors import DataError


def test_labels_are_coded_jointly_over_train_and_test() -> None:
    images = from_arrays(
        "x",
        Arrays(random_images(3, 4, 4), np.array(["dog", "ant", "dog"])),
        Arrays(random_images(2, 4, 4), np.array(["cat", "ant"])),
    )
    assert images.classes == ("ant", "cat", "dog")
    assert images.train.labels is not None
    assert images.train.labels.tolist() == [2, 0, 2]
    assert images.train.labels.dtype == np.int64
    assert images.test is not None
    assert images.test.labels is not None
    assert images.test.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(2, np.int64), r"3 images but labels of shape \(2,\)"),
        (np.zeros((3, 2), np.int64), r"labels of shape \(3, 2\)"),
        (np.zeros(3), "labels of x are of type float64"),
        (np.full(3, None), "labels of x are of type object"),
    ],
)
def test_unusable_labels_are_refused(labels: npt.NDArray[np.generic], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays("x", Arrays(random_images(3, 4, 4), labels))


def test_train_and_test_must_fit_together() -> None:
    train, test = random_images(3, 4, 4), random_images(2, 4, 4)
    with pytest.raises(DataError, match=r"\(1, 4, 4\) but test images of \(1, 5, 4\)"):
        from_arrays("x", Arrays(train), Arrays(random_images(3, 5, 4)))
    for labels, test_labels in ((np.arange(3), None), (None, np.arange(2))):
        with pytest.raises(DataError, match="labels for only one of train and test"):
            from_arrays("x", Arrays(train, labels), Arrays(test, test_labels))
    with pytest.raises(DataError, match=r"x \(test\) has 2 images but labels of shape \(3,\)"):
        from_arrays("x", Arrays(train, np.arange(3)), Arrays(test, np.arange(3)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint8])
@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 2)])
def test_targets_become_rows_of_floats(dtype: type, shape: tuple[int, ...]) -> None:
    given_targets = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    images = from_arrays("x", Arrays(random_images(3, 4, 4), targets=given_targets))
    targets = images.train.targets
    assert targets is not None and targets.dtype == np.float64
    assert targets.tolist() == given_targets.reshape(3, -1).tolist()
    assert not np.shares_memory(targets, given_targets)
    assert (images.train.labels, images.classes) == (None, None)
    assert from_arrays("x", Arrays(random_images(3, 4, 4))).train.targets is None


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.zeros(2), r"x has 3 images but targets of shape \(2,\): give one number"),
        (np.zeros((2, 3)), r"targets of shape \(2, 3\)"),
        (np.zeros((3, 0)), r"targets of shape \(3, 0\)"),
        (np.zeros((3, 1, 1)), r"targets of shape \(3, 1, 1\)"),
        (np.array(1.0), r"targets of shape \(\)"),
        (np.array([[1, np.nan], [np.inf, 2], [3, 4]]), "x has 2 targets that are NaN or infinite: remove"),
        (np.array(["a", "b", "c"]), "targets of x are of type <U1: give numbers, and classes as labels"),
        (np.full(3, None), "targets of x are of type object"),
        (np.zeros(3, complex), "targets of x are of type complex128"),
    ],
)
def test_unusable_targets_are_refused(targets: npt.NDArray[np.generic], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays("x", Arrays(random_images(3, 4, 4), targets=targets))


def test_targets_of_train_and_test_must_fit_together() -> None:
    train, test = random_images(3, 4, 4), random_images(2, 4, 4)
    for targets, test_targets in ((np.zeros(3), None), (None, np.zeros(2))):
        with pytest.raises(DataError, match="x has targets for only one of train and test: give both or neither"):
            from_arrays("x", Arrays(train, targets=targets), Arrays(test, targets=test_targets))
    with pytest.raises(DataError, match="2 targets for each training image but 1 for each test image: make them alike"):
        from_arrays("x", Arrays(train, targets=np.zeros((3, 2))), Arrays(test, targets=np.zeros(2)))
    with pytest.raises(DataError, match=r"x \(test\) has 2 images but targets of shape \(3,\)"):
        from_arrays("x", Arrays(train, targets=np.zeros(3)), Arrays(test, targets=np.zeros(3)))
