"""What it takes to run a graph: the protocols that calibration, verification and search share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeAlias

from fpc.ir.constant import Array
from fpc.ir.graph import Graph

Runner: TypeAlias = Callable[[Sequence[Array]], tuple[Array, ...]]
"""Computes a graph's outputs from its inputs, both in graph order and with the graph's shapes."""

RunnerFactory: TypeAlias = Callable[[Graph], Runner]
"""Prepares a graph for running many times."""


class Samples(Protocol):
    """Example inputs that can be walked through any number of times.

    Each sample holds one float32 array for every graph input, in the graph's order and shapes.
    """

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def __getitem__(self, position: int, /) -> tuple[Array, ...]:
        """One of them, without making the others; `IndexError` beyond the last."""
        ...

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        """The samples, always in the same order."""
        ...
