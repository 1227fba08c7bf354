"""Subnets of once-for-all's supernets: reading them, and which blocks of the supernet they use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fpc.diagnostics.errors import SearchError
from fpc.search.choices import choices_of, require_subnet
from fpc.search.encoding import decode
from fpc.search.layers import BLOCKS, stem_layers
from fpc.search.ofa_config import network_class
from fpc.search.space import Block, Setting, Space, Stage, StageChoice, Subnet, scaled
from fpc.zoo import ofa_config
from fpc.zoo.builder import round_channels
from fpc.zoo.inverted_residual import InvertedResidual

_CONFIG_SUFFIX = ".config"


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
    of_stages = list(_stages(blocks[1:]))
    for width in space.widths:
        channels = [[scaled(count, width) for count in stage.channels] for stage in space.stages]
        if len(of_stages) == len(channels) and all(
            blocks[0][1].channels in known
            for blocks, known in zip(of_stages, channels, strict=True)
        ):
            stages = zip(space.stages, of_stages, strict=True)
            return Subnet(
                Setting(resolution, width),
                tuple(_choice(stage, width, blocks) for stage, blocks in stages),
            )
    found = ", ".join(str(blocks[0][1].channels) for blocks in of_stages)
    raise SearchError(
        "no-such-subnet",
        f"{path} is no network of the space `{space.name}`: its stages have {found} channels",
        help="give the --space that it is of",
    )


def _stages(
    blocks: Sequence[tuple[int, InvertedResidual]],
) -> Iterator[list[tuple[int, InvertedResidual]]]:
    """Blocks by stage: the first of a stage has no shortcut."""
    stage: list[tuple[int, InvertedResidual]] = []
    for in_channels, block in blocks:
        if stage and not block.has_shortcut(in_channels):
            yield stage
            stage = []
        stage.append((in_channels, block))
    if stage:
        yield stage


def _choice(
    stage: Stage, width: float, blocks: Sequence[tuple[int, InvertedResidual]]
) -> StageChoice:
    wanted = blocks[0][1].channels
    return StageChoice(
        next(channels for channels in stage.channels if scaled(channels, width) == wanted),
        tuple(
            Block(_expansion(stage, each, block), block.kernel, block.squeezed is not None)
            for each, block in blocks
        ),
    )


def _expansion(stage: Stage, in_channels: int, block: InvertedResidual) -> float:
    """The stage's own expansion where it gives the block's channels, whatever rounding does."""
    for expansion in stage.expansions:
        if round_channels(in_channels * expansion) == block.middle:
            return expansion
    return block.middle / in_channels
