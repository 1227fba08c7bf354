"""Subnets of once-for-all's supernets: reading them, and which blocks of the supernet they use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from fpc.diagnostics.errors import SearchError
from fpc.search.once_for_all.net_config import network_class
from fpc.search.space.choices import choices_of, require_subnet
from fpc.search.space.description import Block, Setting, Space, Stage, StageChoice, Subnet, scaled
from fpc.search.space.encoding import decode
from fpc.search.space.layers import BLOCKS, stem_layers
from fpc.zoo import ofa_config
from fpc.zoo.builder import round_channels
from fpc.zoo.inverted_residual import InvertedResidual

_CONFIG_SUFFIX = ".config"
_Placed: TypeAlias = tuple[int, InvertedResidual]
"""A block and the channels that it gets."""


def read_subnet(text: str, space: Space) -> Subnet:
    """The subnet that `text` is, or that the `net.config` file of that name describes.

    Weights serve at any resolution, so this may be one that the space has not. `SearchError` for a
    space without supernets and for a subnet outside of it.
    """
    if network_class(space) is None:
        raise SearchError(
            "no-supernet",
            f"once-for-all has no supernet of the space `{space.name}`",
            help="it has them of ofa-mbv3 and ofa-proxyless, and of spaces of your own with the "
            "same stem, head and blocks",
        )
    is_file = text.endswith(_CONFIG_SUFFIX)
    subnet = _from_config(Path(text), space) if is_file else decode(text)
    known = subnet.setting._replace(resolution=space.resolutions[0])
    require_subnet(space, choices_of(space), subnet._replace(setting=known))
    return subnet


def supernet_blocks(space: Space, subnet: Subnet) -> tuple[int, ...]:
    """For each block of a subnet, the number of the supernet's block that it is.

    Of a stage the first blocks are used, and the next begins after the most it can have.
    """
    stem = sum(placed.name.startswith(BLOCKS) for placed in stem_layers(space, subnet.setting))
    numbers = list(range(stem))
    first = stem
    for stage, choice in zip(space.stages, subnet.stages, strict=True):
        numbers += range(first, first + len(choice.blocks))
        first += max(stage.depths)
    return tuple(numbers)


def _from_config(path: Path, space: Space) -> Subnet:
    resolution, blocks = ofa_config.blocks(path)
    groups = list(_by_stage(blocks[1:]))
    found = [group[0][1].channels for group in groups]
    for width in space.widths:
        at_width = [{scaled(c, width): c for c in stage.channels} for stage in space.stages]
        channels = [known.get(count, 0) for known, count in zip(at_width, found, strict=False)]
        if len(found) == len(at_width) and all(channels):
            choices = zip(space.stages, channels, groups, strict=True)
            return Subnet(
                Setting(resolution, width),
                tuple(StageChoice(c, tuple(_blocks(stage, group))) for stage, c, group in choices),
            )
    raise SearchError(
        "no-such-subnet",
        f"{path} is no network of the space `{space.name}`: its stages have "
        f"{', '.join(map(str, found))} channels",
        help="give the --space that it is of",
    )


def _by_stage(blocks: Sequence[_Placed]) -> Iterator[list[_Placed]]:
    """Blocks by stage: the first of a stage has no shortcut."""
    stage: list[_Placed] = []
    for in_channels, block in blocks:
        if stage and not block.has_shortcut(in_channels):
            yield stage
            stage = []
        stage.append((in_channels, block))
    if stage:
        yield stage


def _blocks(stage: Stage, placed: Sequence[_Placed]) -> Iterator[Block]:
    """The choices that blocks are, with the stage's own expansions where rounding gives them."""
    for in_channels, block in placed:
        expansion = next(
            (e for e in stage.expansions if round_channels(in_channels * e) == block.middle),
            block.middle / in_channels,
        )
        yield Block(expansion, block.kernel, block.squeezed is not None)
