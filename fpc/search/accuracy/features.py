"""What an accuracy regression sees of a stage.

Accuracy follows the logarithms of sizes: the third block adds less than the second. A stage is
its depth, its first block, which changes the map, and the mean of the others; each product of two
of them is a term too, since a choice counts for more in a deeper stage.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from fpc.search.costs.tables import Matrix
from fpc.search.space.choices import ABSENT, StageChoices

DEPTH = "depth"


def attributes(choices: StageChoices) -> dict[str, Matrix]:
    """What the choices of a stage may differ in, each [choices].

    Blocks after the first are left out where all blocks of the stage are alike. A choice without
    any has the mean of the stage's options.
    """
    stage, options = choices.stage, choices.stage.options
    columns = {"channels": np.log(np.array(stage.channels, np.float64))[choices.channels]}
    columns[DEPTH] = np.log(choices.depths)
    sizes = {
        "expansion": np.log([option.expansion for option in options]),
        "kernel": np.log([option.kernel for option in options]),
        "SE": np.array([float(option.excites) for option in options]),
    }
    for name, size in sizes.items():
        if stage.is_uniform:
            columns[name] = size[choices.blocks[:, 0]]
        else:
            columns[f"first {name}"] = size[choices.blocks[:, 0]]
            columns[f"further {name}"] = _mean_of_others(choices, size)
    return columns


def pairs(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The products that a regression may use."""
    return tuple(combinations(names, 2))


def _mean_of_others(choices: StageChoices, size: Matrix) -> Matrix:
    others = choices.blocks[:, 1:]
    is_there = others != ABSENT
    count = is_there.sum(axis=1)
    total = np.where(is_there, size[others], 0.0).sum(axis=1)
    mean: Matrix = total / np.maximum(count, 1)
    mean[count == 0] = size.mean()
    return mean
