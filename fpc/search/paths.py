"""The networks of one setting as paths, for searches that spend several resources at once.

A path takes one option a stage; which options there are depends on the channels that arrive. Every
resource (latency, bytes, multiply-adds) adds up along the path, and so does the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpc.search.choices import IntArray, StageChoices
from fpc.search.space import scaled
from fpc.search.tables import CostTables, Matrix

Allowed = Mapping[int, NDArray[np.bool_]]
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
                    )
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
        return replace(
            self,
            stages=tuple(
                tuple(replace(options, score=-options.spent[:, resource]) for options in stage)
                for stage in self.stages
            ),
        )

    def network(self, picks: IntArray) -> Matrix:
        """What the network at `picks` [stages] spends, [resources], and last its score."""
        place, score, spent = 0, 0.0, self.stem
        for stage, pick in zip(self.stages, picks, strict=True):
            options = stage[place]
            option = int(np.searchsorted(options.members, pick))
            score, spent = score + options.score[option], spent + options.spent[option]
            place = int(options.leaves[option])
        return np.array([*(spent + self.head[place]), score])

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
