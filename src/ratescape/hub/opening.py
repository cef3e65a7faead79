"""What a repository of the hub, or a folder of the same form, holds: a model or a landscape, opened."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pooch

from ratescape import checkpoint
from ratescape.errors import HubError
from ratescape.hub import remote
from ratescape.hub.files import WEIGHTS, kind_of, made_whole, whole
from ratescape.model.hierarchy import HVAE
from ratescape.records.ownership import is_ours, refuse_foreign
from ratescape.specs.factories import Factory, allow_factories

if TYPE_CHECKING:
    import ratescape


def from_hub(
    name: str | Path,
    *,
    out: str | Path | None = None,
    revision: str | None = None,
    token: str | None = None,
    device: str = "cpu",
    factory: Factory | None = None,
    allow: Sequence[str] = (),
) -> "HVAE | ratescape.Landscape":
    """Open a model or a landscape of a repository of the Hugging Face hub.

    Nothing of a repository is run: weights are safetensors, all else is text and pictures, and files of other names
    are left alone. Offline (HF_HUB_OFFLINE=1), what was downloaded before is opened.

    Args:
        name: ``OWNER/NAME``; or the folder that ``save_pretrained`` wrote: a Path, or text that begins with ``.`` or
            ``/``.
        out: folder for a landscape, which is copied there, so that it can be refined and drawn; new or empty. Default:
            one in the user's cache; a landscape of a local folder needs it.
        revision: a branch, tag or commit; default: the newest.
        token: for private repositories; default: that of ``hf auth login`` or of HF_TOKEN.
        device: of a model.
        factory: as of :func:`ratescape.load`, like ``allow``: no code is imported unless they say so.

    Returns:
        A model (:class:`ratescape.HVAE`) or a :class:`ratescape.Landscape`, as the repository says.

    Raises:
        HubError: no such repository, no right to read it, no connection, or files that are not read.
        ResourceError: the extra ``hub`` is not installed.
        CheckpointError: damaged weights.

    Example::

        model = rs.from_hub("me/digits")
        landscape = rs.from_hub("me/digits-landscape", out="digits")
    """
    import ratescape

    folder, inside = _folder(name, revision, token)
    kind = kind_of(folder, inside or folder)
    names = whole(folder, kind, inside)
    if kind == "model":
        if WEIGHTS not in names:
            raise HubError(f"{name} has no {WEIGHTS}: download it again")
        allow_factories(allow)
        return checkpoint.load_model(folder / WEIGHTS, device, factory)[0]
    target = _own_place(folder, inside) if out is None else Path(out)
    if target.exists() and out is not None and (is_ours(target) or any(target.iterdir())):
        raise HubError(f"{target} is not empty: choose another folder with --out (in Python out)")
    if not is_ours(target):
        refuse_foreign(target)
        made_whole(folder, names, target, kind)
    return ratescape.Landscape(target, factory=factory, allow=allow)


def pull(name: str | Path, out: Path, *, revision: str | None = None, token: str | None = None) -> str:
    """Bring what a repository holds into a new or empty folder; returns its kind, ``model`` or ``landscape``.

    Raises:
        HubError or ResourceError: as :func:`from_hub`.
        RecordError: the folder holds other files, or cannot be written.

    Example::

        pull("me/digits", Path("digits"))  # "model": digits/model.safetensors
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise HubError(f"{out} is not empty: choose another folder with --out")
    folder, inside = _folder(name, revision, token)
    kind = kind_of(folder, inside or folder)
    made_whole(folder, whole(folder, kind, inside), out, kind)
    return kind


def _folder(name: str | Path, revision: str | None, token: str | None) -> tuple[Path, Path | None]:
    """The folder of a name, and the folder that links of the library's cache may point into; None without links."""
    if isinstance(name, Path) or name.startswith((".", "/", "~")):
        folder = Path(name).expanduser()
        if not folder.is_dir():
            raise HubError(f"there is no folder {folder}: check the path, or name a repository as OWNER/NAME")
        return folder, None
    folder = remote.download(name, revision, token)
    return folder, folder.parent.parent  # snapshots/COMMIT links to blobs/


def _own_place(folder: Path, inside: Path | None) -> Path:
    """Where a landscape is opened if nobody says where: in the user's cache, once for each commit."""
    if inside is None:
        raise HubError(f'{folder} is a landscape, which is copied to be opened: say where to, as out="digits"')
    return Path(pooch.os_cache("ratescape")) / "hub" / f"{inside.name}-{folder.name[:12]}"
