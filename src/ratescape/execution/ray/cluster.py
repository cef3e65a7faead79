"""Join a Ray cluster, or start one on this machine alone for as long as a sweep takes."""

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratescape.errors import ResourceError
from ratescape.specs.execution import ExecutionSpec

if TYPE_CHECKING:
    from ratescape.execution.ray.engine import RayEngine


@contextlib.contextmanager
def joined(execution: ExecutionSpec) -> Iterator["RayEngine"]:
    """The cluster that ``execution`` names, until the end of this block; one started here ends there, too.

    Raises:
        ResourceError: Ray is not installed, no cluster answers, or none of its machines has the device.
    """
    address = execution.address or _own()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None:
        # Ray's own word for a cluster that nobody else reaches: it listens on 127.0.0.1 and nowhere else.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray  # after the settings above, which are read on import

        from ratescape.execution.ray.engine import RayEngine
    except ModuleNotFoundError as error:
        raise ResourceError(
            f'execution.engine ray needs the package {error.name}, which is missing: pip install "ratescape[ray]"'
        ) from error
    if ray.is_initialized():  # by the caller's program, which also ends it
        yield RayEngine(execution)
        return
    # Ray tells of machines that died on stdout, which belongs to our results.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            _connect(address, execution.workers)
            yield RayEngine(execution)
        finally:
            ray.shutdown()


def _own() -> str | None:
    """Address of the cluster that this machine belongs to by RAY_ADDRESS or `ray start`, looked for as Ray does."""
    temporary = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    noted = Path(temporary) / "ray" / "ray_current_cluster"
    with contextlib.suppress(OSError, ValueError):
        if "RAY_ADDRESS" not in os.environ and noted.exists():
            _call(noted.read_text().strip())  # the note of one that was killed stays behind
            return noted.read_text().strip()
    return os.environ.get("RAY_ADDRESS") or None


def _call(address: str) -> None:
    """See whether anybody answers at ``[ray://]HOST:PORT``: Ray itself would try for minutes.

    Raises:
        OSError: nobody does.
        ValueError: it is no address.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("not of the form HOST:PORT or ray://HOST:PORT")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=10):
        pass


def _connect(address: str | None, workers: int | None) -> None:
    """Join the cluster, or start one on this machine alone for None."""
    import ray
    from ray.exceptions import RayError

    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address is None:
            ray.init("local", num_cpus=workers, include_dashboard=False, **quiet)
            return
        if address != "auto":
            _call(address)
        ray.init(address, **quiet)
    except (OSError, ValueError, RuntimeError, RayError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if address is None:
            raise ResourceError(f"cannot start Ray on this machine ({reason}): try execution.engine workers") from error
        raise ResourceError(
            f"cannot join the Ray cluster at {address} ({reason}): check execution.address, and that the cluster is up "
            "(`ray status` on its machines)"
        ) from error
