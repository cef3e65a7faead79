"""What is known of data sets, as text for a person."""

from dataclasses import dataclass
from pathlib import Path

from ratescape.data.formats import Columns, read_path
from ratescape.data.locating import existing_path, locate, name_of
from ratescape.data.sources import SOURCES


@dataclass(frozen=True)
class Description:
    """What is known of a set of images or vectors; as text: one fact a line."""

    name: str
    title: str
    shape: tuple[int, ...]
    """(C, H, W); (D,) of vectors."""
    sizes: tuple[int, int]
    """Images for training and testing; no test images: a part is held out."""
    classes: tuple[str, ...] | None
    path: Path | None
    """Where it lies on this machine; None if it must be fetched."""
    binary: bool = False
    """Whether pixels are thresholded at 0.5 by default."""
    licence: str = ""
    citation: str = ""
    origin: str = ""
    """Where the set comes from."""
    targets: int = 0
    """Numbers to regress on for each image."""
    columns: Columns | None = None
    """Of vectors."""

    def __str__(self) -> str:
        train, test = self.sizes
        facts = {
            "what": self.title,
            **self._items,
            "splits": f"{train:,} training, {test:,} test" if test else f"{train:,}, of which a part is held out",
            "classes": "none" if self.classes is None else f"{len(self.classes)}: {', '.join(self.classes)}",
            "targets": f"{self.targets} for each {'image' if self.columns is None else 'row'}" if self.targets else "",
            "licence": self.licence,
            "cite": self.citation,
            "from": self.origin,
            "here": f"yes, in {self.path}" if self.path else f"no; get it with: ratescape data fetch {self.name}",
        }
        return "\n".join([self.name, *(f"  {fact:8} {text}" for fact, text in facts.items() if text)])

    @property
    def _items(self) -> dict[str, str]:
        if self.columns is not None:
            return {"columns": f"{len(self.columns.names)}, of which {sum(self.columns.boolean)} booleans"}
        channels, height, width = self.shape
        kind = "colour" if channels == 3 else "grey"
        return {"images": f"{width}x{height} {kind}" + (", thresholded at 0.5 by default" if self.binary else "")}


def listing(folder: Path | None = None) -> list[Description]:
    """All sets known by name; ``path`` says which of them this machine has.

    Args:
        folder: looked in first.

    Example::

        here = [description.name for description in listing() if description.path]
    """
    return [_describe_known(name, folder) for name in SOURCES]


def describe(source: str | Path, folder: Path | None = None, target: str | None = None) -> Description:
    """What is known of a set by name, without reading it; or of the images at a path, which are read.

    Args:
        folder: looked in first for a known set.
        target: the column of a table that holds classes or numbers to regress on.

    Raises:
        DataError: the name is unknown, or what is at the path cannot be used.

    Example::

        print(describe("svhn"))
    """
    name = name_of(source)
    return _describe_known(name, folder) if name in SOURCES else _describe_path(name, target)


def _describe_known(name: str, folder: Path | None) -> Description:
    source, files = SOURCES[name], locate(name, folder)
    return Description(
        name=name,
        title=source.title,
        shape=source.shape,
        sizes=source.sizes,
        classes=source.classes,
        path=None if files is None else files[0].parent,
        binary=source.binary,
        licence=source.licence,
        citation=source.citation,
        origin=" or ".join(source.mirrors) or source.install,
    )


def _describe_path(name: str, target: str | None) -> Description:
    path = existing_path(name)
    images = read_path(path, target)
    count, *shape = images.train.pixels.shape
    return Description(
        name=name,
        title=f"{'images' if images.columns is None else 'rows'} of your own",
        shape=tuple(shape),
        sizes=(count, 0 if images.test is None else len(images.test.pixels)),
        classes=images.classes,
        path=path,
        targets=0 if images.train.targets is None else images.train.targets.shape[1],
        columns=images.columns,
    )
