"""What every choice of every stage costs, so that a network's cost is a sum of entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpc.costmodel.kernels import Work
from fpc.search.choices import ABSENT, StageChoices
from fpc.search.network import Piece, block_piece, head_piece, stem_piece
from fpc.search.space import Setting, Space, Stage, scaled

Matrix: TypeAlias = NDArray[np.float64]
Pricing: TypeAlias = Callable[[Sequence[Work]], Matrix]
"""The latency of each of some kernels in milliseconds, such as `CostModel.kernel_ms`."""


@dataclass(frozen=True, eq=False)
class CostTables:
    """Latencies of one setting in milliseconds.

    `stages[s][channels]` [choices] is what each choice of stage `s` costs where `channels` channels
    arrive; `head[channels]` what follows the last stage costs.
    """

    stem: float
    stages: tuple[Mapping[int, Matrix], ...]
    head: Mapping[int, float]


@dataclass(frozen=True, eq=False)
class StagePieces:
    """The blocks that a stage is made of, for every map it may get.

    `first[channels, alternative]` and `others[alternative]` are a piece an option, where
    `channels` arrive and `alternative` indexes the stage's own channels.
    """

    first: Mapping[tuple[int, int], tuple[Piece, ...]]
    others: Mapping[int, tuple[Piece, ...]]


def cost_tables(
    space: Space,
    setting: Setting,
    choices: Sequence[StageChoices],
    pricing: Pricing,
    overhead_ms: float = 0.0,
) -> CostTables:
    """The tables of one setting; `overhead_ms` is counted with the stem."""
    stem = stem_piece(space, setting)
    stages: list[Mapping[int, Matrix]] = []
    shapes = {stem.shape[0]: stem.shape}
    for stage, of_stage in zip(space.stages, choices, strict=True):
        pieces, shapes = stage_pieces(space, setting, stage, shapes)
        stages.append(_stage_table(of_stage, pieces, pricing))
    heads = {channels: head_piece(space, setting, shape) for channels, shape in shapes.items()}
    return CostTables(
        stem=overhead_ms + (float(pricing(stem.works).sum()) if stem.works else 0.0),
        stages=tuple(stages),
        head={channels: float(pricing(piece.works).sum()) for channels, piece in heads.items()},
    )


def stage_pieces(
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
    choices: StageChoices, pieces: StagePieces, pricing: Pricing
) -> Mapping[int, Matrix]:
    """[choices] by arriving channels."""
    # The last entry is what a block costs that is not there.
    others = np.array([[*_prices(pieces.others[a], pricing), 0.0] for a in sorted(pieces.others)])
    assert ABSENT == -1
    rest = others[choices.channels[:, None], choices.blocks[:, 1:]].sum(axis=1)
    table: dict[int, Matrix] = {}
    for arriving in sorted({arriving for arriving, _ in pieces.first}):
        firsts = np.array(
            [_prices(pieces.first[arriving, a], pricing) for a in sorted(pieces.others)]
        )
        table[arriving] = firsts[choices.channels, choices.blocks[:, 0]] + rest
    return table


def _prices(pieces: Sequence[Piece], pricing: Pricing) -> list[float]:
    works = [work for piece in pieces for work in piece.works]
    each = pricing(works)
    starts = np.cumsum([0, *(len(piece.works) for piece in pieces[:-1])])
    return np.add.reduceat(each, starts).tolist()
