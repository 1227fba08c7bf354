"""Overlapping what produces items with what consumes them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

ItemT = TypeVar("ItemT")


def one_ahead(items: Iterator[ItemT]) -> Iterator[ItemT]:
    """The same items; each is made by another thread while the one before it is in use.

    Worth it where both sides leave the interpreter, as runtimes and numpy do. At most two items
    exist at a time. What `items` raises is raised here.
    """
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(lambda: next(items, None))
        while (item := following.result()) is not None:
            following = pool.submit(lambda: next(items, None))
            yield item
