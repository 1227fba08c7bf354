"""What each choice buys in points of top-1 and costs in milliseconds.

This is the step of FoxPandaNet's recipe that reduces a space by its regression: a choice that
buys little and costs much is not worth training. An effect is the mean over the choices of a stage
that have the value in every block, beside those that have the smallest value; the points are those
at the accuracy of the network that was chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpc.search.accuracy.features import DEPTH
from fpc.search.costs.tables import Matrix
from fpc.search.exact import ExactSearch
from fpc.search.space.choices import ABSENT, StageChoices
from fpc.search.space.description import Setting, Subnet, scaled

_STEP = 1e-3


@dataclass(frozen=True)
class Effect:
    """One value of one choice beside the smallest: points of top-1, and milliseconds."""

    where: str
    choice: str
    points: float
    latency_ms: float


def explain(search: ExactSearch, subnet: Subnet) -> tuple[Effect, ...]:
    """The effects of every choice, stage by stage, about `subnet`; of resolutions and widths last.

    What a first block costs depends on the channels that arrive: they are those of `subnet`.
    """
    tables = search.costs.at(subnet.setting)
    slope = _points_by_index(search, subnet)
    arriving = next(iter(tables.stages[0]))
    found: list[Effect] = []
    for place, (choices, choice) in enumerate(
        zip(search.costs.choices, subnet.stages, strict=True)
    ):
        latency = tables.stages[place][arriving]
        where = f"stage {place + 1} ({choice.channels})"
        for name, members in _values(choices):
            found += _effects(where, name, members, search.scores[place].index * slope, latency)
        arriving = scaled(choice.channels, subnet.setting.width)
    return (*found, *_of_settings(search, subnet))


def _values(
    choices: StageChoices,
) -> Iterator[tuple[str, Mapping[float, NDArray[np.bool_]]]]:
    """Each thing that the stage chooses, and by value the choices that have it throughout."""
    stage, options = choices.stage, choices.stage.options
    alternatives = np.array(stage.channels)[choices.channels]
    yield "channels", {float(value): alternatives == value for value in stage.channels}
    yield DEPTH, {float(depth): choices.depths == depth for depth in stage.depths}
    is_there = choices.blocks != ABSENT
    for name, values, of_block in (
        ("expansion", stage.expansions, [option.expansion for option in options]),
        ("kernel", stage.kernels, [option.kernel for option in options]),
        ("SE", stage.excites, [option.excites for option in options]),
    ):
        of_choice = np.array(of_block, np.float64)[choices.blocks]
        yield (
            name,
            {
                float(value): ((of_choice == float(value)) | ~is_there).all(axis=1)
                for value in values
            },
        )


def _effects(
    where: str,
    name: str,
    members: Mapping[float, NDArray[np.bool_]],
    points: Matrix,
    latency_ms: Matrix,
) -> list[Effect]:
    least, *others = members
    return [
        Effect(
            where,
            f"{name} {least:g} to {value:g}",
            float(points[members[value]].mean() - points[members[least]].mean()),
            float(latency_ms[members[value]].mean() - latency_ms[members[least]].mean()),
        )
        for value in others
    ]


def _points_by_index(search: ExactSearch, subnet: Subnet) -> float:
    """Points of top-1 for a unit of the index, at `subnet`."""
    below, above = (_top1(search, subnet, subnet.setting, step) for step in (0.0, _STEP))
    return (above - below) / _STEP


def _of_settings(search: ExactSearch, subnet: Subnet) -> Iterator[Effect]:
    """Of the resolutions at the width of `subnet`, and of the widths at its resolution."""
    resolution, width = subnet.setting
    for name, settings in (
        ("resolution", [s for s in search.costs.settings if s.width == width]),
        ("width", [s for s in search.costs.settings if s.resolution == resolution]),
    ):
        least, *others = [
            (
                setting,
                _top1(search, subnet, setting),
                search.costs.latency_ms(subnet._replace(setting=setting)),
            )
            for setting in settings
        ]
        for setting, top1, latency_ms in others:
            one, other = (getattr(of_setting, name) for of_setting in (least[0], setting))
            yield Effect(
                "network", f"{name} {one:g} to {other:g}", top1 - least[1], latency_ms - least[2]
            )


def _places(choices: Sequence[StageChoices], subnet: Subnet) -> list[int]:
    return [stage.index(choice) for stage, choice in zip(choices, subnet.stages, strict=True)]


def _top1(search: ExactSearch, subnet: Subnet, setting: Setting, step: float = 0.0) -> float:
    index = search.accuracy.setting_scores(setting).index + step
    for scores, place in zip(search.scores, _places(search.costs.choices, subnet), strict=True):
        index = index + scores.index[place]
    band = search.accuracy.band(index, np.zeros(1), setting, search.effect)
    return float(band.top1[0])
