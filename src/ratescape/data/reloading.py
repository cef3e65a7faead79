"""The images that results on disk belong to, loaded again."""

from pathlib import Path

from ratescape.data.catalog import ImageData, load_data
from ratescape.data.prepared import read_prepared
from ratescape.errors import SpecError
from ratescape.records.folders import ResultsFolder
from ratescape.specs.data import DataSpec


def reload_data(
    source: DataSpec, folder: ResultsFolder, fingerprint: str | None, data_folder: str | Path | None = None
) -> ImageData:
    """The images that results were made with.

    Args:
        source: what they were loaded from.
        folder: the results; images that were given as an array are kept in it.
        fingerprint: of those images.
        data_folder: where to look first for the files of a known data set, and for a path that has moved.

    Raises:
        DataError: the images are gone or damaged.
        SpecError: other images now have that name.
    """
    kept = folder.path / "data"
    kept_array = source.name.startswith("array:") and kept.exists()
    data = read_prepared(kept) if kept_array else load_data(source, folder=data_folder)
    if data.fingerprint != fingerprint:
        raise SpecError(
            f"{source.name} now holds other {data.what} than {folder.path} was trained on: restore them, or say by "
            "--data-folder (in Python data_folder) where they are"
        )
    return data
