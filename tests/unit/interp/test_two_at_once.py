"""Results come in order, few of them exist at a time, and so come the errors of making them."""

import threading
from collections.abc import Iterator

import pytest

from fpc.interp.two_at_once import two_at_once


def test_results_keep_the_order_of_their_items():
    assert list(two_at_once(lambda number: -number, range(50))) == [-n for n in range(50)]
    assert list(two_at_once(str, ())) == []


def test_two_items_are_worked_on_at_once():
    both = threading.Barrier(2)
    assert len(list(two_at_once(lambda _: both.wait(timeout=30), range(4)))) == 4


def test_few_results_exist_at_a_time():
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(8):
            taken.append(number)
            yield number

    for position, result in enumerate(two_at_once(str, items())):
        assert result == str(position)
        assert len(taken) <= position + 2


def test_errors_come_after_what_was_made():
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken sample")

    walked = two_at_once(str, items())
    assert next(walked) == "1"
    with pytest.raises(ValueError, match="broken sample"):
        next(walked)

    failing = two_at_once(lambda number: 1 // (2 - number), [1, 2, 3])
    assert next(failing) == 1
    with pytest.raises(ZeroDivisionError):
        next(failing)
