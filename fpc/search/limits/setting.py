"""Limits beyond latency, and the networks of one setting that keep them.

Size and multiply-adds add up over stages like latency. Memory does not: a network takes as much as
its largest block, so that a limit only strikes out choices; so does the wish that no operator
leaves the target's fast unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from math import inf, isfinite
from sys import float_info
from typing import NamedTuple

import numpy as np

from fpc.search.costs.delegation import Refusal
from fpc.search.costs.footprint import Footprint
from fpc.search.costs.tables import CostTables, Matrix, SettingPieces
from fpc.search.front import Front, exact_front
from fpc.search.limits.constrained import ConstrainedSearch
from fpc.search.limits.paths import Allowed, Paths
from fpc.search.space.choices import StageChoices
from fpc.search.space.description import Setting, Space, Subnet, scaled
from fpc.search.space.network import Piece
from fpc.targets.description import Target


@dataclass(frozen=True)
class Limits:
    """The most that a network may take, as `fpc.search.costs.footprint` counts; infinite: whatever.

    With `delegate_only` no operator may leave the target's fast unit.
    """

    size_bytes: float = inf
    multiply_adds: float = inf
    memory_bytes: float = inf
    delegate_only: bool = False

    @property
    def are_set(self) -> bool:
        """Whether there is any."""
        return self != Limits()


@dataclass(frozen=True, eq=False)
class SettingLimits:
    """The networks of one setting that keep `limits`.

    `memory` is what each choice takes by itself, infinite where it may not be taken; `refusals` are
    operators that every network of the setting has and the target's fast unit does not take.
    """

    choices: tuple[StageChoices, ...]
    width: float
    limits: Limits
    size: CostTables
    multiply_adds: CostTables
    memory: CostTables
    refusals: tuple[Refusal, ...]

    @classmethod
    def of(
        cls,
        space: Space,
        setting: Setting,
        choices: tuple[StageChoices, ...],
        limits: Limits,
        target: Target,
    ) -> SettingLimits:
        """Every piece of the setting's networks is weighed on `target`."""
        pieces = SettingPieces.of(space, setting)
        (image,) = pieces.stem.graph.inputs

        @cache
        def weighed(piece: Piece) -> Footprint:
            return Footprint.of(piece.graph, target, is_whole=piece is pieces.stem)

        def memory(some: Sequence[Piece]) -> list[float]:
            return [
                inf
                if limits.delegate_only and weighed(piece).refusals
                else float(weighed(piece).memory_bytes)
                # LiteRT holds the network's own input to the end.
                + (0.0 if piece is pieces.stem else float(image.type.size))
                for piece in some
            ]

        memories = pieces.tables(choices, memory, np.maximum)
        refusals = [weighed(piece).refusals for piece in _unavoidable(pieces, memories)]
        return cls(
            choices,
            setting.width,
            limits,
            pieces.tables(choices, lambda some: [float(weighed(p).size_bytes) for p in some]),
            pieces.tables(choices, lambda some: [float(weighed(p).multiply_adds) for p in some]),
            memories,
            tuple(dict.fromkeys(each for of_piece in refusals for each in of_piece)),
        )

    @cached_property
    def least_memory_bytes(self) -> float:
        """Of any network; infinite where none may be taken."""
        reached = {next(iter(self.memory.stages[0])): self.memory.stem}
        for stage, table in zip(self.choices, self.memory.stages, strict=True):
            left: dict[int, float] = {}
            for alternative, channels in enumerate(stage.stage.channels):
                members = stage.channels == alternative
                least = min(
                    max(before, float(table[arriving][members].min()))
                    for arriving, before in reached.items()
                )
                leaving = scaled(channels, self.width)
                left[leaving] = min(least, left.get(leaving, inf))
            reached = left
        return min(max(before, self.memory.head[c]) for c, before in reached.items())

    @cached_property
    def least_size_bytes(self) -> float:
        """Of the networks within the limit of memory; some network must be."""
        return float(self._least(self.size, ()).cost[0])

    @cached_property
    def least_multiply_adds(self) -> float:
        """Of the networks within the limits of memory and size; some network must be."""
        within = self._summed[:1] if isfinite(self.limits.size_bytes) else ()
        return float(self._least(self.multiply_adds, within).cost[0])

    @property
    def has_networks(self) -> bool:
        """Whether any network keeps all limits."""
        limits = self.limits
        return (
            self.least_memory_bytes <= self._most_memory
            and self.least_size_bytes <= limits.size_bytes
            and self.least_multiply_adds <= limits.multiply_adds
        )

    def front(self, latency_ms: CostTables, scores: Sequence[Matrix]) -> Front:
        """The front of the networks that keep the limits; some network must."""
        if not self._summed:
            struck = _struck(latency_ms, self._allowed)
            return exact_front(self.choices, struck, scores, self.width)
        return self._search(latency_ms, scores).front()

    def best(self, latency_ms: CostTables, scores: Sequence[Matrix], budget_ms: float) -> Front:
        """The best network that keeps the limits and the budget, alone, or none."""
        if not self.has_networks or self.fastest(latency_ms).cost[0] > budget_ms:
            return Front.empty(len(self.choices))
        return self._search(latency_ms, scores, budget_ms).best()

    def fastest(self, latency_ms: CostTables) -> Front:
        """The fastest network that keeps the limits, alone; some network must."""
        return self._least(latency_ms, self._summed)

    def excess(self, subnet: Subnet) -> float:
        """By which share a network exceeds the limit that it exceeds most; at most 0 if none."""
        limits, choices = self.limits, self.choices
        taken = (
            self.size.of(choices, subnet) / limits.size_bytes,
            self.multiply_adds.of(choices, subnet) / limits.multiply_adds,
            self.memory.of(choices, subnet, max) / self._most_memory,
        )
        return max(taken) - 1.0

    @cached_property
    def _summed(self) -> tuple[_Limited, ...]:
        """What is limited and adds up over stages."""
        both = (
            _Limited(self.size, self.limits.size_bytes),
            _Limited(self.multiply_adds, self.limits.multiply_adds),
        )
        return tuple(each for each in both if isfinite(each.most))

    @property
    def _most_memory(self) -> float:
        """Less than what is infinite because it may not be taken."""
        return min(self.limits.memory_bytes, float_info.max)

    @cached_property
    def _allowed(self) -> tuple[Allowed, ...]:
        """The choices of each stage that may be taken; of the last, where the head may follow."""
        heads = {channels: most <= self._most_memory for channels, most in self.memory.head.items()}
        last = self.choices[-1]
        alternatives = [heads[scaled(channels, self.width)] for channels in last.stage.channels]
        *others, ends = (
            {arriving: taken <= self._most_memory for arriving, taken in table.items()}
            for table in self.memory.stages
        )
        followed = np.array(alternatives)[last.channels]
        return (*others, {arriving: allowed & followed for arriving, allowed in ends.items()})

    def _search(
        self, latency_ms: CostTables, scores: Sequence[Matrix], budget_ms: float = inf
    ) -> ConstrainedSearch:
        limited = (_Limited(latency_ms, budget_ms), *self._summed)
        tables = [each.tables for each in limited]
        paths = Paths.of(self.choices, tables, scores, self.width, self._allowed)
        return ConstrainedSearch(paths, np.array([each.most for each in limited]))

    def _least(self, spared: CostTables, limited: Sequence[_Limited]) -> Front:
        """The network that takes least of what is `spared`, alone: its cost is that."""
        nothing = [np.zeros(len(stage)) for stage in self.choices]
        tables = [spared, *(each.tables for each in limited)]
        paths = Paths.of(self.choices, tables, nothing, self.width, self._allowed)
        limits = np.array([inf, *(each.most for each in limited)])
        return ConstrainedSearch(paths.sparing(0), limits).best()


class _Limited(NamedTuple):
    tables: CostTables
    most: float


def _unavoidable(pieces: SettingPieces, memory: CostTables) -> Iterator[Piece]:
    """Pieces of those places where none may be taken."""
    if memory.stem == inf:
        yield pieces.stem
    for table, stage in zip(memory.stages, pieces.stages, strict=True):
        if all(np.isinf(taken).all() for taken in table.values()):
            for some in (*stage.first.values(), *stage.others.values()):
                yield from some
    if all(taken == inf for taken in memory.head.values()):
        yield from pieces.heads.values()


def _struck(tables: CostTables, allowed: Sequence[Allowed]) -> CostTables:
    """The same with an infinite cost of what is not allowed."""
    stages = tuple(
        {arriving: np.where(of_stage[arriving], cost, inf) for arriving, cost in table.items()}
        for table, of_stage in zip(tables.stages, allowed, strict=True)
    )
    return replace(tables, stages=stages)
