"""The exact front, and the best network, where more than latency is limited.

Labels (beginnings of networks) are extended stage by stage as in `fpc.search.front`, but where they
spend several resources hardly one dominates another. What keeps them few is a bound: a label whose
best completion, at the prices of a relaxation, falls short of what is known to be possible is left
out. How far below the bound one has to look shows only when something is found, so that depth
grows until what was found proves that nothing better is left. The front is found slab by slab,
each with prices of its own: a bound is tight near the limits that its prices were made for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fpc.search.costs.tables import Matrix
from fpc.search.front import Front, undominated, union
from fpc.search.limits.paths import Options, Paths
from fpc.search.limits.relaxation import Bound, Relaxation
from fpc.search.space.choices import IntArray

_SLABS = 48
_FIRST_SHARE = 1.0 / 8.0
_FIRST_DEPTH = 1.0 / 256.0
"""Where one begins to look: as a share of the depth that is surely enough, and of the scores' range
at most."""
_DEEPER = 1.5
_ROUNDING = 1e-9
_NOISE = 1e-12
"""Bounds are sums in another order than what they are compared with: differences below the second
are none, and what is left out is beyond the first."""


@dataclass(frozen=True, eq=False)
class _Labels:
    """Beginnings of networks.

    `score` and `depth` [labels], `spent` [labels, resources], `picks` [labels, stages so far];
    `depth` is how far below the bound the best completion of each may still fall.
    """

    score: Matrix
    spent: Matrix
    picks: IntArray
    depth: Matrix

    @classmethod
    def at(cls, stem: Matrix, depth: float) -> _Labels:
        """The one beginning before the first stage."""
        return cls(np.zeros(1), stem[None], np.empty((1, 0), np.intp), np.array([depth]))

    @classmethod
    def joined(cls, parts: Sequence[_Labels]) -> _Labels:
        """All of them."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.score for part in parts]),
            np.concatenate([part.spent for part in parts]),
            np.concatenate([part.picks for part in parts]),
            np.concatenate([part.depth for part in parts]),
        )

    def extended(self, options: Options, shortfall: Matrix, room: Matrix) -> dict[int, _Labels]:
        """Each with every option that its depth and `room` allow, by the channels that leave.

        `room` [channels, resources] is what may be spent up to and with this stage.
        """
        near = np.flatnonzero(shortfall <= self.depth.max(initial=-np.inf))
        near = near[np.argsort(shortfall[near])]
        counts = np.searchsorted(shortfall[near], self.depth, side="right")
        parents = np.repeat(np.arange(len(counts)), counts)
        chosen = near[np.arange(len(parents)) - np.repeat(np.cumsum(counts) - counts, counts)]
        spent = self.spent[parents] + options.spent[chosen]
        leaves = options.leaves[chosen]
        fits = (spent <= room[leaves]).all(axis=1)
        found: dict[int, _Labels] = {}
        for channels in np.unique(leaves[fits]).tolist():
            kept = np.flatnonzero(fits & (leaves == channels))
            before, after = parents[kept], chosen[kept]
            found[channels] = _Labels(
                self.score[before] + options.score[after],
                spent[kept],
                np.column_stack([self.picks[before], options.members[after]]),
                self.depth[before] - shortfall[after],
            )
        return found

    def finished(self, head: Matrix, limits: Matrix) -> Front:
        """The front of those that `head` leaves within `limits`."""
        spent = self.spent + head
        within = np.flatnonzero((spent <= limits).all(axis=1))
        kept = within[undominated(spent[within, 0], self.score[within])]
        return Front(spent[kept, 0], self.score[kept], self.picks[kept])


class ConstrainedSearch:
    """The networks of `paths` that spend at most `limits`, [resources]; some network must.

    The first resource is what the front trades for score. Limits may be infinite.
    """

    def __init__(self, paths: Paths, limits: Matrix) -> None:
        self._paths = paths
        self._limits = np.minimum(limits, paths.most * (1.0 + _ROUNDING))
        self._least_rest = paths.least_rest
        self._relaxation = Relaxation(paths)

    def best(self) -> Front:
        """The network of the highest score: a front of one point."""
        known = self._proven(self._limits, None, None)
        return Front(known.cost[-1:], known.score[-1:], known.picks[-1:])

    def front(self) -> Front:
        """Every undominated network."""
        sparing = ConstrainedSearch(self._paths.sparing(0), self._limits).best()
        known = union([self._paths.network(sparing.picks[0]).point, self.best()])
        least, most = float(known.cost[0]), float(known.cost[-1])
        edges = np.clip(np.geomspace(least, most, _SLABS + 1), least, most)
        for below, most in pairwise(edges.tolist()):
            known = self._proven(np.array([most, *self._limits[1:]]), known, below)
        return known

    def _proven(self, limits: Matrix, known: Front | None, below: float | None) -> Front:
        """The front of `known` and of the networks within `limits`.

        It has every undominated network that spends more than `below` and no more than `limits`;
        without `below`, the best of those within.
        """
        bound = self._relaxation.bound(limits)
        met = self._relaxation.within(limits)
        known = met if known is None else union([known, met])
        enough = _enough(bound, float(limits[0]), known, below)
        depth = min(_FIRST_SHARE * enough, _FIRST_DEPTH * self._relaxation.span)
        while enough > 0.0:
            known = union([known, self._near(bound, depth, limits)])
            enough = _enough(bound, float(limits[0]), known, below)
            if enough <= depth:
                break
            depth = min(_DEEPER * depth, enough)
        return known

    def _near(self, bound: Bound, depth: float, limits: Matrix) -> Front:
        """The front of networks within `limits` that may be up to `depth` below `bound`."""
        labels = {0: _Labels.at(self._paths.stem, depth)}
        for place, stage in enumerate(self._paths.stages):
            room = limits - self._least_rest[place + 1]
            longer: dict[int, list[_Labels]] = {}
            for arriving, before in labels.items():
                options = stage[arriving]
                shortfall = bound.shortfall(place, arriving, options)
                extended = before.extended(options, shortfall, room + _ROUNDING * limits)
                for channels, after in extended.items():
                    longer.setdefault(channels, []).append(after)
            labels = {channels: _Labels.joined(parts) for channels, parts in longer.items()}
        ends = [each.finished(self._paths.head[c], limits) for c, each in labels.items()]
        return union(ends) if ends else Front.empty(len(self._paths.stages))


def _enough(bound: Bound, most: float, known: Front, below: float | None) -> float:
    """How far below `bound`, made for budgets of `most`, what is not known may still be.

    At most 0 where nothing better than what is known can be.
    """
    within = np.searchsorted(known.cost, most, side="right")
    cost, score = known.cost[:within], known.score[:within]
    if below is None:
        depth = bound.value - score.max(initial=-np.inf)
    else:
        # Between two steps of what is known, a network has to score more than the first has.
        place = int(np.searchsorted(cost, below, side="right")) - 1
        ends = np.array([*cost[place + 1 :], most])
        depth = (bound.value + bound.prices[0] * (ends - most) - score[place:]).max()
    scale = 1.0 + abs(bound.value)
    return float(depth) + _ROUNDING * scale if depth > _NOISE * scale else 0.0
