"""What becomes of work whose task failed: what is begun again, what is halved, what a user is told."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayError,
    RaySystemError,
    RayTaskError,
    WorkerCrashedError,
)

from ratescape.errors import MemoryShortage, RatescapeError, ResourceError
from ratescape.version import __version__

TRIES = 4
"""Times that a task is begun before machines that die under it are taken for its own fault."""

LOST = (NodeDiedError, WorkerCrashedError, LocalRayletDiedError, ObjectLostError)
"""A machine or process died, and took the task or what it needed along."""


@dataclasses.dataclass(eq=False)
class Piece:
    """Work for one task."""

    what: str
    begin: Callable[[], Any]
    """Starts the task; returns the reference to its result."""
    finish: Callable[[Any], None]
    """Takes the result in."""
    halves: Callable[[], list["Piece"]] = list
    """The same work in smaller pieces; none if there are no smaller ones."""
    memory: int = 0
    """Bytes of a machine's memory that the task needs."""
    lost: int = 0
    """Times that a machine died under it."""


def instead(piece: Piece, error: RayError) -> list[Piece]:
    """What to begin in place of a piece that failed; raises where that is to no avail."""
    cause = _cause(error)
    if _out_of_memory(cause):
        return smaller(piece, cause)
    if not isinstance(cause, LOST):
        raise plain_error(error) from error
    piece.lost += 1
    if piece.lost < TRIES:
        return [piece]
    raise ResourceError(
        f"machines or their processes died {TRIES} times while working at {piece.what}: look at Ray's log of "
        "them (where memory ran out, larger ones help), and run the same command again; what is finished is kept"
    ) from error


def persistently(what: str, run: Callable[[], Any]) -> Any:
    """The result of a task that has nothing to be halved: begun again where a machine dies under it."""
    piece = Piece(what, run, finish=lambda _: None)
    while True:
        try:
            return run()
        except RayError as error:
            instead(piece, error)


def smaller(piece: Piece, cause: BaseException | None) -> list[Piece]:
    """The halves of a piece too large for memory; raises where there are none."""
    halves = piece.halves()
    if halves:
        return halves
    if isinstance(cause, RatescapeError):
        raise cause
    raise ResourceError(
        f"{piece.what} at once did not fit into the memory of a machine of the cluster: choose another folder with "
        "--out and a smaller training.batch, or larger machines"
    ) from cause


def _cause(error: RayError) -> BaseException:
    """What a task itself ended with."""
    return error.cause if isinstance(error, RayTaskError) else error


def _out_of_memory(cause: BaseException) -> bool:
    """Whether memory ran out: by our own words, by torch's, or by Ray's, which kills tasks before the system does."""
    torchs = isinstance(cause, RuntimeError) and "out of memory" in str(cause)
    return torchs or isinstance(cause, MemoryShortage | MemoryError | OutOfMemoryError)


def plain_error(error: RayError) -> Exception:
    """An error of Ray or of a task in one line, if the user can do something about it; else itself."""
    cause = _cause(error)
    if isinstance(cause, RatescapeError):
        return cause
    missing = cause.client_exc if isinstance(cause, RaySystemError) else cause
    if isinstance(missing, ImportError) or "failed to import on the worker" in str(cause):
        found = re.search(r"ip=([^,)]+)", str(error))
        reason = str(missing).splitlines()[0].split(" cannot be found from")[0]
        return ResourceError(
            f"machine {found[1] if found else 'unknown'} of the Ray cluster lacks what ratescape needs ({reason}): "
            f'install it in the environment that Ray runs in there: pip install "ratescape[ray]=={__version__}"'
        )
    if isinstance(error, RayTaskError):
        return error
    return ResourceError(
        f"the Ray cluster failed ({str(error).strip().splitlines()[0]}): run the same command again; what is finished "
        "is kept"
    )
