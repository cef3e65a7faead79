"""Worker processes: each takes one piece of work after the other, and ends with the process that started it.

A terminal's Ctrl-C does not reach them. When work breaks off, they are asked to end, so that trainings write their
checkpoints, and killed a few seconds later.
"""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from ratescape.compute.waiting import wait_briefly
from ratescape.errors import ResourceError

PATIENCE = 10.0
"""Seconds that trainings are given to take the step they are at and write their checkpoints."""

LOOK = 0.2
"""Seconds between two looks at whether the process that started a worker is still there."""


@dataclasses.dataclass(frozen=True)
class Call:
    """A function of a module, and its arguments, all of which can be pickled."""

    function: Callable[..., None]
    arguments: tuple[Any, ...]


class Worker:
    """A process that carries out one call at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.link = Connection(ours.detach())
        code = f"import sys; sys.path[:] = {sys.path!r}; from ratescape.execution.workers import serve; "
        code += f"serve({theirs.fileno()}, {os.getpid()})"
        flags = [f"-W{option}" for option in sys.warnoptions]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        wait_briefly(environment)  # a landscape's only network has several threads all the same
        self.process = subprocess.Popen(
            [sys.executable, *flags, "-c", code],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=environment,
        )
        theirs.close()

    def begin(self, call: Call) -> None:
        """Have it carry out a call; raises :class:`ResourceError` if it was killed."""
        try:
            self.link.send(call)
        except OSError as error:
            raise self._died() from error

    def finish(self) -> None:
        """Take in the end of its call; raises what the call raised, or :class:`ResourceError` if it was killed."""
        try:
            failure = self.link.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if failure is not None:
            raise failure

    def _died(self) -> ResourceError:
        """The error for a process that ended in the midst of a call; says how it ended, and guesses no cause."""
        self.link.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        return ResourceError(
            f"a worker process {how_it_ended(self.process.returncode)}: run the same command again; what is finished "
            "is kept"
        )


def how_it_ended(status: int | None) -> str:
    """The end of a process that was to live on, in words, as its exit status tells it.

    Example::

        how_it_ended(-15)  # "was ended by SIGTERM"
    """
    if status is None:
        return "does not answer any more"
    if status >= 0:
        return f"ended by itself, with status {status}"
    known = {one.value: one.name for one in signal.Signals}
    told = f"was ended by {known.get(-status, f'signal {-status}')}"
    if status != -signal.SIGKILL:
        return told
    return f"{told}, as a system does where memory runs out (fewer execution.workers need less), or somebody did"


class Pool:
    """Worker processes, started as they are needed.

    Args:
        count: most of them.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.workers: list[Worker] = []
        self.busy: list[Worker] = []

    @property
    def has_room(self) -> bool:
        """Whether another call can begin now."""
        return len(self.busy) < self.count

    def begin(self, call: Call) -> Worker:
        """Begin a call, for which there must be room; returns the worker that carries it out."""
        idle = [worker for worker in self.workers if worker not in self.busy]
        if not idle:
            with _spared_of_interrupts():
                idle = [Worker()]
            self.workers += idle
        idle[0].begin(call)
        self.busy.append(idle[0])
        return idle[0]

    def ended(self) -> list[Worker]:
        """Wait until calls have ended; the workers that carried them out, which must :meth:`Worker.finish`."""
        ready = wait([worker.link for worker in self.busy])
        done = [worker for worker in self.busy if worker.link in ready]
        self.busy = [worker for worker in self.busy if worker not in done]
        return done

    def ask_to_end(self) -> None:
        """Have trainings write their checkpoints, and wait some seconds for it."""
        for worker in self.workers:
            worker.process.terminate()
        end = time.monotonic() + PATIENCE
        for worker in self.workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, end - time.monotonic()))

    def kill(self) -> None:
        """End all; what they were to write is written, or can be made again."""
        for worker in self.workers:
            worker.process.kill()
            worker.link.close()
            worker.process.wait()


@contextlib.contextmanager
def worker_processes(count: int) -> Iterator[Pool]:
    """Processes that outlive neither this block nor this process.

    Example::

        with worker_processes(2) as pool:
            pool.begin(Call(print, ("from a worker",)))
            for worker in pool.ended():
                worker.finish()
    """
    pool = Pool(count)
    try:
        yield pool
    except BaseException:
        pool.ask_to_end()
        raise
    finally:
        pool.kill()


@contextlib.contextmanager
def _spared_of_interrupts() -> Iterator[None]:
    """Processes started in this block never see the Ctrl-C that a terminal sends to all; their parent ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# In a worker process


def serve(descriptor: int, parent: int) -> None:
    """Carry out calls until the process that started this one closes the link, or ends however.

    Asked to end, the process does so at once, but for a training, which writes its checkpoint first.
    """
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with Connection(descriptor) as link:
        while True:
            try:
                call: Call = link.recv()
            except (EOFError, OSError):
                return
            failure = _failure(call)
            try:
                link.send(failure)
            except Exception:  # the error is not ours, and cannot be sent as it is
                link.send(RuntimeError(f"{type(failure).__name__}: {failure}"))


def _end_with(parent: int) -> None:
    """End soon after the parent; else the workers of a killed sweep would go on training unseen."""
    while os.getppid() == parent:
        time.sleep(LOOK)
    os._exit(1)


def _failure(call: Call) -> Exception | None:
    """What a call raised, with where it did."""
    try:
        call.function(*call.arguments)
    except Exception as error:
        error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
        return error
    return None
