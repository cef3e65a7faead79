"""What calibrated codecs measured, in a line beside each, for who looks at models without opening them."""

import dataclasses
import json
import math
from pathlib import Path

from ratescape.records.files import unusable, write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.specs.checks import from_json

ENDING = ".json"


@dataclasses.dataclass(frozen=True)
class CodecRecord:
    """What one codec measured.

    Example::

        record = CodecRecord((), "2=20,1=40", 0, (28.9, 57.6))
        record.bytes_per_image  # 10.8
    """

    betas: tuple[float, ...]
    """At which a conditioned network was taken, top layer first; empty for an ordinary model."""
    request: str
    """Rates asked for, as typed; empty for the model's own."""
    effort: int
    """Passes of the search for better symbols."""
    lengths: tuple[float, ...]
    """Mean code lengths of the layers, top first, bits per image."""

    @property
    def bytes_per_image(self) -> float:
        """Mean size of all layers, without the overhead of an archive."""
        return sum(self.lengths) / 8

    @property
    def text(self) -> str:
        """Such as ``10.8 bytes an image (codec calibrated for 2=20,1=40)``."""
        what = f" for {self.request}" if self.request else ""
        search = f", effort {self.effort}" if self.effort else ""
        return f"{self.bytes_per_image:.1f} bytes an image (codec calibrated{what}{search})"


def write_codec_record(codec: Path, record: CodecRecord) -> None:
    """Write what a codec measured beside its file.

    Raises:
        RecordError: the file cannot be written.
    """
    write_atomically(codec.with_suffix(ENDING), json.dumps(dataclasses.asdict(record)))


def read_codec_records(folder: Path) -> list[CodecRecord]:
    """Of all codecs that are kept beside a model, in a fixed order: the model's own rates first.

    Args:
        folder: of the model or network.

    Raises:
        RecordError: one is damaged.
    """
    paths = sorted((folder / "codecs").glob(f"*{ENDING}"))
    return sorted((_read(path) for path in paths if path.with_suffix(".codec").exists()), key=_order)


def _order(record: CodecRecord) -> tuple[bool, str, int]:
    return record.request != "", record.request, record.effort


def _read(path: Path) -> CodecRecord:
    try:
        found = from_json(path.read_text(encoding="utf-8"))
        betas, lengths = (tuple(map(float, found[name])) for name in ("betas", "lengths"))
        if not all(map(math.isfinite, (*betas, *lengths))):
            raise ValueError
        return CodecRecord(betas, str(found["request"]), int(found["effort"]), lengths)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unusable(path, error, "delete it and the codec beside it, and compress calibrates anew") from error


def codecs_of(folder: SweepFolder, betas: tuple[float, ...], own: Path | None) -> list[CodecRecord]:
    """Of the codecs of one model of a landscape: those beside it, and those of a conditioned network at its betas.

    Example::

        codecs_of(folder, (0.1, 0.3), folder.path / "runs" / "0123456789ab")

    Args:
        betas: of its layers, top first.
        own: where it is kept; None for a model between the grid points. A refined model is not the network's any more.

    Raises:
        RecordError: one is damaged.
    """
    beside = [] if own is None else read_codec_records(own)
    is_refined = own is not None and own.parent.name == "refined"
    networks = [] if is_refined else sorted((folder.path / "networks").glob("*"))
    shared = [one for path in networks for one in read_codec_records(path)]
    alike = [one for one in shared if len(one.betas) == len(betas) and all(map(math.isclose, one.betas, betas))]
    return sorted([*beside, *alike], key=_order)
