"""Pieces of work on one core each."""

import threading

import pytest
import torch

from ratescape.compute.cores import each_on_a_core

CPU = torch.device("cpu")


@pytest.fixture
def two_threads() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_two_pieces_at_a_time_with_one_thread_each_in_their_order() -> None:
    both = threading.Barrier(2, timeout=20)  # broken unless two pieces are at work together

    def work(piece: int) -> tuple[int, int]:
        both.wait()
        return piece, torch.get_num_threads()

    assert each_on_a_core(work, range(4), CPU) == [(0, 1), (1, 1), (2, 1), (3, 1)]
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_an_error_of_a_piece_is_the_callers_and_threads_are_as_before() -> None:
    with pytest.raises(ZeroDivisionError):
        each_on_a_core(lambda piece: 1 // piece, [1, 0, 2], CPU)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_one_piece_has_all_threads() -> None:
    assert each_on_a_core(lambda _: torch.get_num_threads(), [0], CPU) == [2]
    assert each_on_a_core(lambda _: torch.get_num_threads(), [], CPU) == []
