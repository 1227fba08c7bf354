"""Networks as whole numbers that evolution can exchange one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fpc.search.space.choices import ABSENT, IntArray, StageChoices
from fpc.search.space.description import Setting, Stage, StageChoice, Subnet


@dataclass(frozen=True, eq=False)
class GenomeLayout:
    """A gene for the setting, and for each stage genes for its channels, depth and blocks.

    Genes of blocks beyond the depth are there but not used; where all blocks of a stage are alike
    one gene says what they are.
    """

    settings: tuple[Setting, ...]
    choices: tuple[StageChoices, ...]

    @property
    def alternatives(self) -> IntArray:
        """How many values each gene has, [genes]."""
        counts = [len(self.settings)]
        for stage in self._stages:
            counts += [len(stage.channels), len(stage.depths)]
            counts += [len(stage.options)] * _block_genes(stage)
        return np.array(counts)

    def subnet(self, genes: Sequence[int]) -> Subnet:
        """The network that the genes say, the blocks after the first of each stage ascending."""
        setting, *rest = genes
        stages: list[StageChoice] = []
        for stage in self._stages:
            count = _block_genes(stage)
            (channels, depth, *blocks), rest = rest[: 2 + count], rest[2 + count :]
            used = (blocks * stage.depths[depth])[: stage.depths[depth]]
            choice = StageChoice(
                stage.channels[channels], tuple(stage.options[block] for block in used)
            )
            stages.append(choice.canonical)
        return Subnet(self.settings[setting], tuple(stages))

    def genes(self, setting: int, picks: Sequence[int]) -> list[int]:
        """The genes of the network at the places `picks` of the stages' choices."""
        found = [setting]
        for choices, pick in zip(self.choices, picks, strict=True):
            stage = choices.stage
            blocks: list[int] = [b for b in choices.blocks[pick].tolist() if b != ABSENT]
            count = _block_genes(stage)
            found += [int(choices.channels[pick]), stage.depths.index(len(blocks))]
            found += [*blocks, *[0] * count][:count]
        return found

    @property
    def _stages(self) -> tuple[Stage, ...]:
        return tuple(choices.stage for choices in self.choices)


def _block_genes(stage: Stage) -> int:
    return 1 if stage.is_uniform else max(stage.depths)
