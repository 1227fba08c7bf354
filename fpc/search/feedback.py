"""Measured feedback: which networks near the budget to measure, and when enough was measured.

A round searches with the prices corrected so far, measures the network it would choose and some
beside it on the front, and corrects the prices again. The search is settled when the best network
measured within the budget is close to it, networks are as fast as was predicted before they were
measured, and no network of the corrected front is both fast enough and worth more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fpc.costmodel.kernels import Work, kernels_of
from fpc.costmodel.residual import CorrectedPrices
from fpc.search.costs.tables import Matrix
from fpc.search.exact import Candidate, ExactSearch, Objective, SpaceFront
from fpc.search.space.description import Space, Subnet
from fpc.search.space.network import build

CLOSE = 0.03
"""How far below the budget a latency is close to it, as a fraction."""
AGREES = 0.02
"""How far a prediction may be off, in the median over a round's networks."""
_WIDEST, _NARROWEST = 0.1, 0.01
"""Bounds of the steps in which candidates stand apart, as fractions of the budget."""
_STEPS = (0.0, -0.5, 0.5, -1.0, 1.0, -1.5)
"""Where candidates stand around the budget; below it more, since one of those will be chosen."""
_POOL = 8
"""Points of the front that are looked at for each candidate."""
_LEAST = 1e-12
_QUANTILE = 1.645
"""Of the normal distribution: 90 % are within so many standard errors."""


@dataclass(frozen=True)
class Trial:
    """A network of a round: what was predicted before it was measured.

    `error` is the prediction's standard error as a fraction of it.
    """

    subnet: Subnet
    predicted_ms: float
    error: float

    @classmethod
    def of(cls, subnet: Subnet, works: Sequence[Work], prices: CorrectedPrices) -> Trial:
        """A network of the kernels `works`."""
        return cls(subnet, prices.latency_ms(works), prices.relative_error(works))

    @property
    def interval_ms(self) -> tuple[float, float]:
        """Of 90 %."""
        half = _QUANTILE * self.error
        return self.predicted_ms * max(0.0, 1.0 - half), self.predicted_ms * (1.0 + half)


@dataclass(frozen=True, eq=False)
class Kernels:
    """The kernels of a space's networks, remembered."""

    space: Space
    known: dict[Subnet, tuple[Work, ...]] = field(default_factory=dict[Subnet, tuple[Work, ...]])

    def __call__(self, subnet: Subnet) -> tuple[Work, ...]:
        """Of one network, in the order of execution."""
        if subnet not in self.known:
            graph = build(self.space, subnet)
            self.known[subnet] = tuple(kernel.work for kernel in kernels_of(graph))
        return self.known[subnet]


def trials(
    front: SpaceFront,
    budget_ms: float,
    prices: CorrectedPrices,
    kernels: Kernels,
    taken: Collection[Subnet],
) -> tuple[Trial, ...]:
    """What to measure next: at most six networks that are not `taken`, around the budget.

    The first is that of `nearest`. The others stand as far apart as the prices are unsure; each is
    the one of some that the prices say least about, given those before it (MacKay 1992,
    Information-based objective functions for active data selection).
    """
    first = _first(front, budget_ms)
    centre_ms = max(budget_ms, float(front.latency_ms[0]))
    step = float(np.clip(prices.relative_error(kernels(front[first].subnet)), _NARROWEST, _WIDEST))
    pools = [[first]]
    pools += [_nearest(front.latency_ms, centre_ms * (1.0 + step * steps)) for steps in _STEPS[1:]]
    places = list(dict.fromkeys(place for pool in pools for place in pool))
    subnets = {place: front[place].subnet for place in places}
    covariance = prices.covariance([kernels(subnets[place]) for place in places])
    relative = covariance / np.outer(front.latency_ms[places], front.latency_ms[places])
    picked: list[int] = []
    for pool in pools:
        left = [place for place in pool if place not in picked and subnets[place] not in taken]
        if left:
            place = max(left, key=lambda place: relative[places.index(place), places.index(place)])
            picked.append(place)
            relative = _given(relative, places.index(place))
    chosen = (subnets[place] for place in picked)
    return tuple(Trial.of(subnet, kernels(subnet), prices) for subnet in chosen)


def nearest(front: SpaceFront, budget_ms: float) -> Candidate:
    """The front's best within the budget, or its fastest where none is fast enough."""
    return front[_first(front, budget_ms)]


def best_measured(
    prepared: ExactSearch, fast_enough: Iterable[Subnet], objective: Objective
) -> Candidate | None:
    """The best of the measured networks that are fast enough; None where none is."""
    candidates = map(prepared.candidate, fast_enough)
    return max(candidates, key=lambda candidate: worth(candidate, objective), default=None)


def worth(candidate: Candidate, objective: Objective) -> float:
    """What is maximised of a candidate, in percent."""
    if objective == "top1" or candidate.top1_interval is None:
        return candidate.top1
    return candidate.top1_interval[0]


def shortcomings(
    best: Candidate | None,
    latencies_ms: Mapping[Subnet, float],
    errors: Sequence[float],
    front: SpaceFront,
    budget_ms: float,
    objective: Objective,
) -> Iterator[str]:
    """What a search has not reached yet; nothing where it is settled.

    `best` is the best network within the budget of those measured, whose latencies are
    `latencies_ms`; `errors` of predictions of networks before they were measured, and the `front`
    by the prices since.
    """
    off = float(np.median(np.abs(errors))) if errors else 0.0
    if off > AGREES:
        yield f"predictions were {100.0 * off:.1f} % off in the median of the last round"
    if best is None:
        yield "no network was measured within the budget"
        return
    below = 1.0 - latencies_ms[best.subnet] / budget_ms
    least = worth(best, objective)
    # Where the space is thin, there may be nothing between the best network and the budget.
    if below > CLOSE and _better(front, budget_ms, least, latencies_ms, objective) is not None:
        yield f"the subnet's latency is {100.0 * below:.1f} % below the budget"
    better = _better(front, (1.0 - CLOSE) * budget_ms, least, latencies_ms, objective)
    if better is not None:
        yield (
            f"a network that was not measured is predicted to take {better.latency_ms:.3g} ms and "
            f"to be {worth(better, objective) - least:.2f} points better"
        )


def _better(
    front: SpaceFront,
    latency_ms: float,
    least: float,
    measured: Collection[Subnet],
    objective: Objective,
) -> Candidate | None:
    """The best point of a front up to a latency that is not measured, if worth more than that."""
    within = int(np.searchsorted(front.latency_ms, latency_ms, side="right"))
    for place in reversed(range(within)):
        candidate = front[place]
        if worth(candidate, objective) <= least:
            return None
        if candidate.subnet not in measured:
            return candidate
    return None


def _first(front: SpaceFront, budget_ms: float) -> int:
    return max(0, int(np.searchsorted(front.latency_ms, budget_ms, side="right")) - 1)


def _nearest(latency_ms: Matrix, wanted_ms: float) -> list[int]:
    """The points of a front that are nearest to a latency."""
    order = np.argsort(np.abs(latency_ms - wanted_ms), kind="stable")
    return order[:_POOL].tolist()


def _given(covariance: Matrix, place: int) -> Matrix:
    """The covariance that remains once the value at `place` is known."""
    column = covariance[:, place]
    return covariance - np.outer(column, column) / max(float(column[place]), _LEAST)
