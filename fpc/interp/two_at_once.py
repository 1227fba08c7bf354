"""Doing two things at once: the same to many items, two different ones, or one on the side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

ItemT = TypeVar("ItemT")
OtherT = TypeVar("OtherT")
ResultT = TypeVar("ResultT")

_AT_ONCE = 2


def two_at_once(function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
    """`function(item)` for every item, in order, by two threads.

    Worth it where the function leaves the interpreter, as runtimes and numpy do: two runs on half
    of the cores each take less time than one after the other on all of them. At most two results
    exist at a time. What `items` and `function` raise is raised here, in turn.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        pending: deque[Future[ResultT]] = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) == _AT_ONCE:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def both(first: Callable[[], ResultT], second: Callable[[], OtherT]) -> tuple[ResultT, OtherT]:
    """What two functions return, called at once; what they raise is raised here."""
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(second)
        return first(), other.result()


def begun(function: Callable[[], ResultT]) -> Future[ResultT]:
    """What `function` will have returned: another thread has begun to call it."""
    pool = ThreadPoolExecutor(1)
    result = pool.submit(function)
    pool.shutdown(wait=False)
    return result
