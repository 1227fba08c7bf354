"""How long-running stages tell how far they are."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told by long-running stages how far they are."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` steps of `stage` are finished."""
        ...


def silent(stage: str, done: int, total: int) -> None:
    """A progress that nobody watches."""
