"""The networks of one setting as paths, for searches that spend several resources at once.

A path takes one option a stage; which options there are depends on the channels that arrive. Every
resource (latency, bytes, multiply-adds) adds up along the path, and so does the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpc.search.costs.tables import CostTables, Matrix
from fpc.search.front import Front
from fpc.search.space.choices import IntArray, StageChoices
from fpc.search.space.description import scaled

_BLOCK = 256

Allowed: TypeAlias = Mapping[int, NDArray[np.bool_]]
"""By arriving channels, which choices of a stage may be taken, [choices]."""


@dataclass(frozen=True, eq=False)
class Options:
    """What a stage may be where certain channels arrive.

    `members` [options] are places among the stage's choices, `leaves` [options] places among the
    channels that may leave it; `score` [options]; `spent` [options, resources].
    """

    members: IntArray
    leaves: IntArray
    score: Matrix
    spent: Matrix

    @property
    def undominated(self) -> Options:
        """Without those that another of the same channels undercuts in everything.

        They never make a network better, and searching is quadratic in what they are.
        """
        kept = [
            places[_undominated(np.column_stack([-self.score, self.spent])[places])]
            for places in (np.flatnonzero(self.leaves == c) for c in np.unique(self.leaves))
        ]
        return self.at(np.sort(np.concatenate(kept))) if kept else self

    def at(self, places: IntArray) -> Options:
        """Some of the options."""
        return Options(
            self.members[places], self.leaves[places], self.score[places], self.spent[places]
        )


@dataclass(frozen=True, eq=False)
class Network:
    """What one network, by its place in each stage, scores and spends, [resources]."""

    picks: IntArray
    score: float
    spent: Matrix

    @property
    def point(self) -> Front:
        """The front of this network alone."""
        return Front(self.spent[:1], np.array([self.score]), self.picks[None])


@dataclass(frozen=True, eq=False)
class Paths:
    """`stages[s][a]` are the options where the a-th of the possible channels arrive.

    `stem` [resources] is spent by every network, `head` [channels, resources] after the last stage.
    """

    stem: Matrix
    stages: tuple[tuple[Options, ...], ...]
    head: Matrix

    @classmethod
    def of(
        cls,
        choices: Sequence[StageChoices],
        resources: Sequence[CostTables],
        scores: Sequence[Matrix],
        width: float,
        allowed: Sequence[Allowed] | None = None,
    ) -> Paths:
        """The networks of a setting of `width`; the tables of all `resources` are of it."""
        stages: list[tuple[Options, ...]] = []
        arriving = tuple(resources[0].stages[0])
        for place, (stage, score) in enumerate(zip(choices, scores, strict=True)):
            alternatives = [scaled(channels, width) for channels in stage.stage.channels]
            leaving = tuple(dict.fromkeys(alternatives))
            leaves = np.array([leaving.index(channels) for channels in alternatives])
            found: list[Options] = []
            for channels in arriving:
                members = np.arange(len(stage))
                if allowed is not None:
                    members = np.flatnonzero(allowed[place][channels])
                spent = [tables.stages[place][channels][members] for tables in resources]
                found.append(
                    Options(
                        members,
                        leaves[stage.channels[members]],
                        score[members],
                        np.stack(spent, axis=1),
                    ).undominated
                )
            stages.append(tuple(found))
            arriving = leaving
        return cls(
            stem=np.array([tables.stem for tables in resources]),
            stages=tuple(stages),
            head=np.array([[tables.head[c] for tables in resources] for c in arriving]),
        )

    def sparing(self, resource: int) -> Paths:
        """The same with a score that is highest where least of `resource` is spent."""
        *others, last = (
            tuple(replace(each, score=-each.spent[:, resource]) for each in stage)
            for stage in self.stages
        )
        # The head has no score of its own.
        last = tuple(
            replace(each, score=each.score - self.head[each.leaves, resource]) for each in last
        )
        return replace(self, stages=(*others, last))

    def network(self, picks: IntArray) -> Network:
        """The network at `picks` [stages], summed in the order of the stages."""
        place, score, spent = 0, 0.0, self.stem
        places: list[int] = picks.tolist()
        for stage, pick in zip(self.stages, places, strict=True):
            options = stage[place]
            option = int(np.searchsorted(options.members, pick))
            score, spent = score + float(options.score[option]), spent + options.spent[option]
            place = int(options.leaves[option])
        return Network(picks, score, spent + self.head[place])

    @property
    def least_rest(self) -> tuple[Matrix, ...]:
        """The least that can be spent from each stage on, [channels, resources]; the head last.

        Each resource for itself: no one network need be all of them.
        """
        rest = [self.head]
        for stage in reversed(self.stages):
            rest.append(
                np.array(
                    [
                        (options.spent + rest[-1][options.leaves]).min(axis=0, initial=np.inf)
                        for options in stage
                    ]
                )
            )
        return tuple(reversed(rest))

    @property
    def most(self) -> Matrix:
        """No network spends more, [resources]."""
        most = self.stem + self.head.max(axis=0)
        for stage in self.stages:
            spent = [options.spent.max(axis=0, initial=0.0) for options in stage]
            most = most + np.max(spent, axis=0)
        return most


def _undominated(values: Matrix) -> IntArray:
    """The rows of `values` [rows, quantities] that no other is at or below in every quantity.

    Of equal rows one is kept. Rows come in ascending order of the first quantity, so that only
    those before can dominate; a block of them is compared with what was kept.
    """
    order = np.lexsort(values.T[::-1])
    ranked = values[order]
    kept = np.empty(0, np.intp)
    for start in range(0, len(order), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(order)))
        block = block[~_is_below(ranked[block], ranked[kept]).any(axis=1)]
        within = _is_below(ranked[block], ranked[block]) & np.tri(len(block), k=-1, dtype=np.bool_)
        kept = np.concatenate([kept, block[~within.any(axis=1)]])
    return order[kept]


def _is_below(rows: Matrix, others: Matrix) -> NDArray[np.bool_]:
    """[rows, others]: whether each of `others` is at or below a row in all but the first."""
    below = np.ones((len(rows), len(others)), np.bool_)
    for quantity in range(1, rows.shape[1]):
        below &= others[:, quantity] <= rows[:, quantity, None]
    return below
