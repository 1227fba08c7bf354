"""Subnets as Once-for-All has them: settings of the supernet, and `net.config` files.

    {"ks": [3, 7, ...], "e": [3, 6, ...], "d": [2, 4, ...], "r": [224]}

is what `sample_active_subnet` gives: a kernel and an expansion for every block there could be, and
a depth for every stage that has one to choose. `r` and `wid` are the resolution and the width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, TypeAlias, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from fpc.diagnostics.errors import SearchError
from fpc.diagnostics.validation import problems
from fpc.search.space.description import (
    Block,
    BlockLayer,
    Setting,
    Space,
    Stage,
    StageChoice,
    Subnet,
    scaled,
)
from fpc.zoo import ofa_config
from fpc.zoo.builder import round_channels
from fpc.zoo.inverted_residual import InvertedResidual

_Placed: TypeAlias = tuple[int, InvertedResidual]
"""A block with the channels that it gets."""


def _only(given: object) -> object:
    """The value of a list of one."""
    if not isinstance(given, list):
        return given
    listed = cast("list[object]", given)
    return listed[0] if len(listed) == 1 else None


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    ks: tuple[int, ...]
    e: tuple[float, ...]
    d: tuple[int, ...]
    r: Annotated[int | None, BeforeValidator(_only)] = None
    wid: Annotated[float | None, BeforeValidator(_only)] = None


def subnet_of_settings(text: str, space: Space) -> Subnet:
    """The subnet of settings in JSON; `SearchError` where they are none of `space`.

    What they say of blocks beyond a stage's depth is not used.
    """
    try:
        settings = _Settings.model_validate_json(text)
    except ValidationError as error:
        raise SearchError(
            "subnet-text",
            f"cannot read the settings `{text}`",
            notes=problems(error, "the settings")[:3],
            help='write them as once-for-all has them: {"ks": [3, ...], "e": [3, ...], '
            '"d": [2, ...], "r": 224}',
        ) from None
    deepest = [max(stage.depths) for stage in space.stages]
    depths = _depths(settings.d, space.stages)
    resolution = settings.r
    if resolution is None and len(space.resolutions) == 1:
        (resolution,) = space.resolutions
    if not len(settings.ks) == len(settings.e) == sum(deepest) or not depths or resolution is None:
        chosen = sum(len(stage.depths) > 1 for stage in space.stages)
        raise SearchError(
            "no-such-subnet",
            f"the settings `{text}` are not of a network of the space `{space.name}`",
            help=f"give {sum(deepest)} kernels `ks`, as many expansions `e`, {chosen} depths `d` "
            "and the resolution `r`",
        )
    each = iter(zip(settings.e, settings.ks, strict=True))
    stages: list[StageChoice] = []
    for stage, most, depth in zip(space.stages, deepest, depths, strict=True):
        blocks = [
            Block(expansion, kernel, stage.excites[0]) for expansion, kernel in islice(each, most)
        ]
        stages.append(StageChoice(stage.channels[0], tuple(blocks[:depth])))
    return Subnet(Setting(resolution, settings.wid or space.widths[0]), tuple(stages))


def subnet_of_config(path: Path, space: Space) -> Subnet:
    """The subnet of a `net.config` file, its resolution that of the `run.config` beside it.

    `ModelError` for a file that is none; `SearchError` for a network that is not of `space`.
    """
    resolution, blocks = ofa_config.blocks(path)
    fixed = sum(isinstance(layer, BlockLayer) for layer in space.stem)
    for width in space.widths:
        stages = _stages(space, width, blocks[fixed:])
        if stages is not None:
            return Subnet(Setting(resolution, width), stages)
    raise SearchError(
        "no-such-subnet",
        f"{path} is no network of the space `{space.name}`",
        help="its stages have other channels, blocks or widths: name the space with --space",
    )


def _depths(given: tuple[int, ...], stages: Sequence[Stage]) -> tuple[int, ...]:
    """A depth for every stage, although those without a choice need not be given; () for others."""
    if len(given) == len(stages):
        return given
    if len(given) != sum(len(stage.depths) > 1 for stage in stages):
        return ()
    each = iter(given)
    return tuple(next(each) if len(stage.depths) > 1 else max(stage.depths) for stage in stages)


def _stages(
    space: Space, width: float, blocks: Sequence[_Placed]
) -> tuple[StageChoice, ...] | None:
    """The stages that `blocks` are at `width`; None where they are not of `space`."""
    found: list[StageChoice] = []
    left = deque(blocks)
    for stage in space.stages:
        if not left:
            return None
        leaving, chosen = left[0][1].channels, list[Block]()
        while left and left[0][1].channels == leaving and len(chosen) < max(stage.depths):
            if chosen and left[0][1].stride > 1:
                break
            option = _option(stage, *left.popleft())
            if option is None:
                return None
            chosen.append(option)
        channels = {scaled(channels, width): channels for channels in stage.channels}
        if leaving not in channels:
            return None
        found.append(StageChoice(channels[leaving], tuple(chosen)))
    return None if left else tuple(found)


def _option(stage: Stage, in_channels: int, block: InvertedResidual) -> Block | None:
    """What `block` is among the stage's options."""
    for option in stage.options:
        middle = round_channels(in_channels * option.expansion)
        if (middle, option.kernel, option.excites) == (
            block.middle,
            block.kernel,
            block.squeezed is not None,
        ):
            return option
    return None
