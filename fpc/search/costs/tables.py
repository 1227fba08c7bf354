"""What every choice of every stage costs, so that a network's cost is a sum of entries."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpc.costmodel.prediction import Pricing
from fpc.search.space.choices import ABSENT, StageChoices
from fpc.search.space.description import Setting, Space, Stage, Subnet, scaled
from fpc.search.space.network import Piece, block_piece, head_piece, stem_piece

Matrix: TypeAlias = NDArray[np.float64]


Measure: TypeAlias = Callable[[Sequence[Piece]], Sequence[float]]
"""What each of some pieces costs."""


@dataclass(frozen=True, eq=False)
class CostTables:
    """What networks of one setting cost, such as latencies in milliseconds.

    `stages[s][channels]` [choices] is what each choice of stage `s` costs where `channels` channels
    arrive; `head[channels]` what follows the last stage costs.
    """

    stem: float
    stages: tuple[Mapping[int, Matrix], ...]
    head: Mapping[int, float]

    def of(
        self,
        choices: Sequence[StageChoices],
        subnet: Subnet,
        combined: Callable[[float, float], float] = operator.add,
    ) -> float:
        """What a network of the setting costs: its entries `combined`, stage by stage."""
        total, arriving = self.stem, next(iter(self.stages[0]))
        for table, of_stage, choice in zip(self.stages, choices, subnet.stages, strict=True):
            total = combined(total, float(table[arriving][of_stage.index(choice)]))
            arriving = scaled(choice.channels, subnet.setting.width)
        return combined(total, self.head[arriving])


@dataclass(frozen=True, eq=False)
class StagePieces:
    """The blocks that a stage is made of, for every map it may get.

    `first[channels, alternative]` and `others[alternative]` are a piece an option, where
    `channels` arrive and `alternative` indexes the stage's own channels.
    """

    first: Mapping[tuple[int, int], tuple[Piece, ...]]
    others: Mapping[int, tuple[Piece, ...]]


@dataclass(frozen=True, eq=False)
class SettingPieces:
    """Everything that networks of one setting are made of; `heads` by arriving channels."""

    stem: Piece
    stages: tuple[StagePieces, ...]
    heads: Mapping[int, Piece]

    @classmethod
    def of(cls, space: Space, setting: Setting) -> SettingPieces:
        """The pieces of `space` at `setting`."""
        stem = stem_piece(space, setting)
        stages: list[StagePieces] = []
        shapes = {stem.shape[0]: stem.shape}
        for stage in space.stages:
            pieces, shapes = _stage_pieces(space, setting, stage, shapes)
            stages.append(pieces)
        heads = {channels: head_piece(space, setting, shape) for channels, shape in shapes.items()}
        return cls(stem, tuple(stages), heads)

    def tables(
        self, choices: Sequence[StageChoices], measure: Measure, combined: np.ufunc = np.add
    ) -> CostTables:
        """What each choice costs, where pieces cost what `measure` says and are `combined`."""
        return CostTables(
            stem=measure([self.stem])[0],
            stages=tuple(
                _stage_table(of_stage, pieces, measure, combined)
                for of_stage, pieces in zip(choices, self.stages, strict=True)
            ),
            head={channels: measure([piece])[0] for channels, piece in self.heads.items()},
        )


def cost_tables(
    space: Space,
    setting: Setting,
    choices: Sequence[StageChoices],
    pricing: Pricing,
    overhead_ms: float = 0.0,
) -> CostTables:
    """The latencies of one setting; `overhead_ms` is counted with the stem."""
    pieces = SettingPieces.of(space, setting)
    tables = pieces.tables(choices, partial(_latencies_ms, pricing))
    return replace(tables, stem=overhead_ms + tables.stem)


def _stage_pieces(
    space: Space, setting: Setting, stage: Stage, shapes: Mapping[int, tuple[int, ...]]
) -> tuple[StagePieces, dict[int, tuple[int, ...]]]:
    """The pieces of `stage` where maps of `shapes` may arrive, and the maps it may leave."""
    first: dict[tuple[int, int], tuple[Piece, ...]] = {}
    others: dict[int, tuple[Piece, ...]] = {}
    left: dict[int, tuple[int, ...]] = {}
    for alternative, width_1 in enumerate(stage.channels):
        channels = scaled(width_1, setting.width)
        for arriving, shape in shapes.items():
            first[arriving, alternative] = tuple(
                block_piece(space, stage, option, channels, shape, first=True)
                for option in stage.options
            )
            left[channels] = first[arriving, alternative][0].shape
        others[alternative] = tuple(
            block_piece(space, stage, option, channels, left[channels], first=False)
            for option in stage.options
        )
    return StagePieces(first, others), left


def _stage_table(
    choices: StageChoices, pieces: StagePieces, measure: Measure, combined: np.ufunc
) -> Mapping[int, Matrix]:
    """[choices] by arriving channels."""
    # The last entry is what a block costs that is not there.
    others = np.array([[*measure(pieces.others[a]), 0.0] for a in sorted(pieces.others)])
    assert ABSENT == -1
    blocks = others[choices.channels[:, None], choices.blocks[:, 1:]]
    rest: Matrix = combined.reduce(blocks, axis=1, initial=0.0)
    table: dict[int, Matrix] = {}
    for arriving in sorted({arriving for arriving, _ in pieces.first}):
        firsts = np.array([measure(pieces.first[arriving, a]) for a in sorted(pieces.others)])
        table[arriving] = combined(firsts[choices.channels, choices.blocks[:, 0]], rest)
    return table


def _latencies_ms(pricing: Pricing, pieces: Sequence[Piece]) -> list[float]:
    works = [work for piece in pieces for work in piece.works]
    if not works:
        return [0.0] * len(pieces)
    each = pricing(works)
    starts = np.cumsum([0, *(len(piece.works) for piece in pieces[:-1])])
    return np.add.reduceat(each, starts).tolist()
