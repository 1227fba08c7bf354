"""Everything a stage may be, as arrays: the search is arithmetic on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from math import comb

import numpy as np
from numpy.typing import NDArray

from fpc.diagnostics.errors import SearchError
from fpc.search.space.description import Block, Space, Stage, StageChoice, Subnet
from fpc.search.space.encoding import encode

IntArray = NDArray[np.intp]

ABSENT = -1
_MOST = 1_000_000
"""More choices of one stage than this are no space to enumerate."""


@dataclass(frozen=True, eq=False)
class StageChoices:
    """The choices of one stage.

    `channels` [choices] indexes the stage's channels and `blocks` [choices, deepest] its options;
    a block that is not there is `ABSENT`.
    """

    stage: Stage
    channels: IntArray
    blocks: IntArray

    @classmethod
    def of(cls, stage: Stage) -> StageChoices:
        """Every choice; `SearchError` where they are too many to list."""
        count = _count(stage)
        if count > _MOST:
            raise SearchError(
                "stage-size",
                f"a stage with {count:,} choices is too large to search exactly",
                help="give fewer depths, expansions or kernels, or set `is_uniform`",
            )
        blocks = np.array(list(_rows(stage)), np.intp)
        alternatives = len(stage.channels)
        return cls(
            stage,
            np.repeat(np.arange(alternatives), len(blocks)),
            np.tile(blocks, (alternatives, 1)),
        )

    def __len__(self) -> int:
        return len(self.channels)

    def __getitem__(self, index: int) -> StageChoice:
        options = self._options
        blocks: list[int] = self.blocks[index].tolist()
        return StageChoice(
            self.stage.channels[int(self.channels[index])],
            tuple(options[block] for block in blocks if block != ABSENT),
        )

    @property
    def depths(self) -> IntArray:
        """Blocks of each choice, [choices]."""
        return (self.blocks != ABSENT).sum(axis=1)

    def index(self, choice: StageChoice) -> int:
        """Where `choice` is listed; `SearchError` where the stage has no such choice."""
        found = self._places.get(choice.canonical)
        if found is None:
            raise SearchError(
                "no-such-subnet",
                f"the space has no stage of {choice.channels} channels with the blocks "
                + ", ".join(
                    f"e{block.expansion:g} k{block.kernel}{' SE' if block.excites else ''}"
                    for block in choice.blocks
                ),
                help=_what_there_is(self.stage),
            )
        return found

    @cached_property
    def _options(self) -> tuple[Block, ...]:
        return self.stage.options

    @cached_property
    def _places(self) -> dict[StageChoice, int]:
        return {self[index]: index for index in range(len(self))}


def choices_of(space: Space) -> tuple[StageChoices, ...]:
    """The choices of every stage; equal stages share them."""
    distinct: dict[Stage, StageChoices] = {}
    for stage in space.stages:
        if stage not in distinct:
            distinct[stage] = StageChoices.of(stage)
    return tuple(distinct[stage] for stage in space.stages)


def subnets(choices: Sequence[StageChoices]) -> int:
    """How many networks there are at one setting."""
    total = 1
    for stage in choices:
        total *= len(stage)
    return total


def require_subnet(space: Space, choices: Sequence[StageChoices], subnet: Subnet) -> None:
    """`SearchError` unless `subnet` is one of the space's, whose choices are `choices`."""
    if len(subnet.stages) != len(space.stages) or subnet.setting not in space.settings:
        raise SearchError(
            "no-such-subnet",
            f"`{encode(subnet)}` is no network of the space `{space.name}`",
            help=f"its networks have {len(space.stages)} stages, the resolutions "
            f"{', '.join(map(str, space.resolutions))} and the widths "
            f"{', '.join(f'{width:g}' for width in space.widths)}",
        )
    for stage, choice in zip(choices, subnet.stages, strict=True):
        stage.index(choice)


def _rows(stage: Stage) -> Iterator[tuple[int, ...]]:
    deepest = max(stage.depths)
    options = range(len(stage.options))
    for depth in stage.depths:
        absent = (ABSENT,) * (deepest - depth)
        for first in options:
            if stage.is_uniform:
                yield (*(first,) * depth, *absent)
            else:
                for others in combinations_with_replacement(options, depth - 1):
                    yield (first, *others, *absent)


def _count(stage: Stage) -> int:
    options = len(stage.options)
    each = (
        options if stage.is_uniform else options * comb(options + depth - 2, depth - 1)
        for depth in stage.depths
    )
    return len(stage.channels) * sum(each)


def _what_there_is(stage: Stage) -> str:
    alternatives = (
        ("channels", stage.channels),
        ("depths", stage.depths),
        ("expansions", stage.expansions),
        ("kernels", stage.kernels),
    )
    listed = [
        f"{what} {', '.join(f'{value:g}' for value in values)}" for what, values in alternatives
    ]
    excitation = " or ".join("SE" if excites else "no SE" for excites in stage.excites)
    alike = ", all blocks alike" if stage.is_uniform else ""
    return f"the stage takes {'; '.join(listed)}; {excitation}{alike}"
