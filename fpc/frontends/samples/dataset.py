"""Samples held in arrays, with or without labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fpc.ir.constant import Array

Load = Callable[[int], tuple[Array, ...]]


@dataclass(frozen=True)
class LabelledSamples:
    """Samples loaded one at a time, and the class of each where it is known.

    `load(i)` gives the inputs of sample `indices[i]`, so that only one sample need be in memory.
    """

    load: Load
    indices: tuple[int, ...]
    labels: tuple[int, ...] | None
    origin: str

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> tuple[Array, ...]:
        return self.load(self.indices[position])

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        return map(self.load, self.indices)

    def subset(self, positions: Sequence[int]) -> LabelledSamples:
        """The samples at `positions`, labels with them."""
        return LabelledSamples(
            self.load,
            tuple(self.indices[p] for p in positions),
            None if self.labels is None else tuple(self.labels[p] for p in positions),
            self.origin,
        )
