"""The cores of this machine: many small pieces of work, each on one of them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def each_on_a_core(work: Callable[[Piece], Result], pieces: Sequence[Piece], device: torch.device) -> list[Result]:
    """Results of the pieces, in their order; on a CPU as many at a time as PyTorch has threads in this process.

    For pieces whose operations are so small that PyTorch gains little from threads inside each: there two cores do
    twice the work of one this way. On a GPU, which does one thing after another, they follow each other.

    Example::

        each_on_a_core(lambda betas: measure(network.at(betas)), points, torch.device("cpu"))

    Args:
        work: must not depend on what another piece is doing.
    """
    count = torch.get_num_threads()
    if device.type != "cpu" or min(count, len(pieces)) == 1:
        return [work(piece) for piece in pieces]
    # The setting of a thread is that of later threads, too: it is taken back.
    with threads(count), ThreadPoolExecutor(count, "core", torch.set_num_threads, (1,)) as pool:
        return list(pool.map(work, pieces))


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Have PyTorch compute with so many threads, and afterwards with as many as before.

    Example::

        with threads(2):
            train(...)
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
