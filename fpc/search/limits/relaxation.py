"""Upper bounds on what networks within limits can score, by Lagrangian relaxation.

Where overspending is not forbidden but priced, at so many points of score a unit, every stage
chooses for itself, and the best network is found stage by stage. Its priced score bounds that of
every network within the limits (Everett 1963). Prices that make the bound least are found by
cutting planes (Kelley 1960): each network met on the way bounds the bound from below as a linear
function of the prices, whatever the limits, so that cuts serve all limits of one space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from fpc.search.costs.tables import Matrix
from fpc.search.front import Front, union
from fpc.search.limits.paths import Network, Options, Paths

_STEPS = 40
_CLOSE = 1e-5
"""A bound this near to the least, as a share of the scores' range, is as good."""
_STEEPEST = 100.0
"""Highest price of all that is allowed of a resource, in ranges of the score."""


@dataclass(frozen=True, eq=False)
class Bound:
    """No network within the limits scores more than `value`.

    One that spends `other` of the first resource, where the limit was `limit`, scores no more than
    `value + prices[0] * (other - limit)`. `rest[s]` [channels] is the highest priced score from
    stage s on.
    """

    value: float
    prices: Matrix
    rest: tuple[Matrix, ...]

    def shortfall(self, stage: int, arriving: int, options: Options) -> Matrix:
        """By how much each option lowers the priced score that can be reached, [options]."""
        reached = options.score - options.spent @ self.prices
        return self.rest[stage][arriving] - (reached + self.rest[stage + 1][options.leaves])


@dataclass(eq=False)
class Relaxation:
    """The networks of `paths`, and what was learnt of them."""

    paths: Paths
    met: list[Network] = field(default_factory=list[Network])

    @cached_property
    def span(self) -> float:
        """The range of scores, roughly."""
        scores = [options.score for stage in self.paths.stages for options in stage]
        return sum(float(np.ptp(score)) for score in scores if len(score)) or 1.0

    def within(self, limits: Matrix) -> Front:
        """The front of the networks met so far within `limits`."""
        points = [network.point for network in self.met if (network.spent <= limits).all()]
        return union([Front.empty(len(self.paths.stages)), *points])

    def bound(self, limits: Matrix) -> Bound:
        """The least bound for `limits`, [resources]."""
        prices = self._prices(limits)[0] if self.met else 0.0 * limits
        best = self._priced(prices, limits)
        for _ in range(_STEPS):
            prices, least = self._prices(limits)
            if best.value - least <= _CLOSE * self.span:
                break
            found = self._priced(prices, limits)
            best = min(best, found, key=lambda bound: bound.value)
        return best

    def _priced(self, prices: Matrix, limits: Matrix) -> Bound:
        """The bound at `prices`; the network that reaches it becomes a cut."""
        rest = [-(self.paths.head @ prices)]
        chosen: list[list[int]] = []
        for stage in reversed(self.paths.stages):
            reached = [
                options.score - options.spent @ prices + rest[-1][options.leaves]
                for options in stage
            ]
            chosen.append([int(each.argmax()) if len(each) else -1 for each in reached])
            rest.append(np.array([each.max(initial=-np.inf) for each in reached]))
        rest.reverse()
        self.met.append(self._network(chosen[::-1]))
        value = float(rest[0][0] - self.paths.stem @ prices + limits @ prices)
        return Bound(value, prices, tuple(rest))

    def _network(self, chosen: Sequence[Sequence[int]]) -> Network:
        """The network that takes the option `chosen[s][a]` of stage s where it arrives as a."""
        place, picks = 0, np.empty(len(chosen), np.intp)
        for number, (stage, options) in enumerate(zip(self.paths.stages, chosen, strict=True)):
            option = options[place]
            picks[number] = stage[place].members[option]
            place = int(stage[place].leaves[option])
        return self.paths.network(picks)

    def _prices(self, limits: Matrix) -> tuple[Matrix, float]:
        """Prices where the cuts known so far bound least, and that value: a linear program."""
        from scipy.optimize import linprog  # pyright: ignore[reportUnknownVariableType]

        over = np.array([network.spent for network in self.met]) / limits - 1.0
        found: Any = linprog(
            c=[1.0, *np.zeros(len(limits))],
            A_ub=-np.column_stack([np.ones(len(over)), over]),
            b_ub=[-network.score for network in self.met],
            bounds=[(None, None), *[(0.0, _STEEPEST * self.span)] * len(limits)],
            method="highs",
        )
        return found.x[1:] / limits, float(found.fun)
