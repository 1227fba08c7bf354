"""What a kernel's cost depends on: families of analytic features.

A feature is an amount of work of one sort, in millions; a coefficient is its price in milliseconds
a million, that is nanoseconds apiece. Every family comes with a *roofline*: the prices relative to
one another on a machine of that kind. A fit leans on it where measurements do not decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fpc.costmodel.kernels import Work

Matrix = NDArray[np.float64]
Amounts = Mapping[str, float]

_MILLION = 1e6


@dataclass(frozen=True, eq=False)
class FeatureFamily:
    """The features of one kind of machine.

    `amounts` gives a kernel's non-zero features; `roofline` names all features, in the order of
    the columns, with their relative prices. `simulated` says that amounts are executed instructions
    of code for the machine: a price then holds for kinds of kernels that nobody measured, as a
    simulation.
    """

    name: str
    roofline: Mapping[str, float]
    amounts: Callable[[Work], Amounts]
    simulated: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The features in the order of the columns."""
        return tuple(self.roofline)

    @property
    def prior(self) -> Matrix:
        """The roofline in the order of the columns."""
        return np.array(list(self.roofline.values()))

    def of_kernels(self, works: Iterable[Work]) -> Matrix:
        """[kernels, features]: what each kernel amounts to."""
        return np.array([_row(self, work) for work in works]).reshape(-1, len(self.roofline))

    def of_network(self, works: Iterable[Work]) -> Matrix:
        """[features]: the sum over a network's kernels."""
        return self.of_kernels(works).sum(axis=0)


@cache
def _row(family: FeatureFamily, work: Work) -> tuple[float, ...]:
    amounts = family.amounts(work)
    return tuple(amounts.get(name, 0.0) / _MILLION for name in family.roofline)


def tiled(count: int, tile: int) -> int:
    """`count` rounded up to whole tiles."""
    return -(-count // tile) * tile
