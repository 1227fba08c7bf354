"""A network of a space layer by layer, with every number worked out and every layer named.

Names are those that once-for-all gives the modules of its networks, as far as it has such layers:
`first_conv`, `blocks.0` and on, `final_expand_layer`, `feature_mix_layer`, `classifier`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from fpc.search.space.description import (
    Block,
    BlockLayer,
    ConvLayer,
    DenseLayer,
    Excitation,
    Layer,
    PlainLayer,
    Setting,
    Space,
    Stage,
    Subnet,
    scaled,
)
from fpc.zoo.builder import Affine, Nonlinearity, Padding, round_channels
from fpc.zoo.inverted_residual import InvertedResidual

BLOCKS = "blocks"
"""The module whose numbered parts lie between the first convolution and the head."""
IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class Convolution:
    """A convolution with its batch norm and activation; `padding` None is the space's own."""

    channels: int
    kernel: int
    stride: int
    act: Nonlinearity
    affine: Affine = Affine.BATCH_NORM
    padding: Padding | None = None


@dataclass(frozen=True)
class PartialConvolution:
    """The block of FasterNet: see `fpc.zoo.fasternet.partial_convolution_block`."""

    channels: int
    expansion: float
    kernel: int
    act: Nonlinearity

    @property
    def middle(self) -> int:
        """Channels between its two 1x1 convolutions."""
        return round_channels(self.channels * self.expansion)


NetworkLayer: TypeAlias = (
    Convolution | InvertedResidual | PartialConvolution | DenseLayer | PlainLayer
)


class Placed(NamedTuple):
    """A layer at its place: the channels it gets, and the name of the module it is.

    `stage` is the number of its stage, from 0; None in the stem and the head.
    """

    layer: NetworkLayer
    in_channels: int
    name: str = ""
    stage: int | None = None

    @property
    def out_channels(self) -> int:
        """The channels it gives."""
        match self.layer:
            case Convolution() | InvertedResidual() | PartialConvolution():
                return self.layer.channels
            case DenseLayer():
                return self.layer.units
            case PlainLayer():
                return self.in_channels


def layers_of(space: Space, subnet: Subnet) -> tuple[Placed, ...]:
    """The layers of a network, from the image on."""
    setting = subnet.setting
    placed = list(stem_layers(space, setting))
    blocks = sum(each.name.startswith(BLOCKS) for each in placed)
    channels = placed[-1].out_channels if placed else IMAGE_CHANNELS
    for number, (stage, choice) in enumerate(zip(space.stages, subnet.stages, strict=True)):
        wanted = scaled(choice.channels, setting.width)
        for index, block in enumerate(choice.blocks):
            for each in block_layers(space, stage, block, wanted, channels, first=index == 0):
                placed.append(each._replace(name=f"{BLOCKS}.{blocks}", stage=number))
                blocks += 1
            channels = wanted
    return (*placed, *head_layers(space, setting, channels))


def stem_layers(space: Space, setting: Setting) -> Iterator[Placed]:
    """The layers before the stages; a convolution at the beginning is no block."""
    channels, blocks = IMAGE_CHANNELS, 0
    for index, layer in enumerate(space.stem):
        name = "first_conv"
        if index > 0 or not isinstance(layer, ConvLayer):
            name, blocks = f"{BLOCKS}.{blocks}", blocks + 1
        placed = Placed(_resolved(space, layer, setting, channels), channels, name)
        yield placed
        channels = placed.out_channels


def block_layers(
    space: Space, stage: Stage, block: Block, channels: int, in_channels: int, *, first: bool
) -> Iterator[Placed]:
    """One block to `channels`, without names, and what merges patches before the first."""
    act = stage.activation or space.activation
    stride = stage.stride if first else 1
    match stage.block:
        case "inverted-residual":
            middle = round_channels(in_channels * block.expansion)
            squeezed = _squeezed(space.excitation, in_channels, middle) if block.excites else None
            layer = InvertedResidual(
                channels,
                middle,
                block.kernel,
                stride,
                act,
                squeezed=squeezed,
                squeeze_act=space.excitation.activation,
                gate=space.excitation.gate,
            )
            yield Placed(layer, in_channels)
        case "partial-convolution":
            if first:
                merging = Convolution(
                    channels, stride, stride, Nonlinearity.NONE, padding=Padding.VALID
                )
                yield Placed(merging, in_channels)
            yield Placed(PartialConvolution(channels, block.expansion, block.kernel, act), channels)


def head_layers(space: Space, setting: Setting, in_channels: int) -> Iterator[Placed]:
    """The layers after the stages."""
    channels = in_channels
    for layer, name in zip(space.head, _head_names(space.head), strict=True):
        placed = Placed(_resolved(space, layer, setting, channels), channels, name)
        yield placed
        channels = placed.out_channels


def _resolved(space: Space, layer: Layer, setting: Setting, in_channels: int) -> NetworkLayer:
    match layer:
        case ConvLayer():
            return Convolution(
                scaled(layer.channels, setting.width, layer.scaling),
                layer.kernel,
                layer.stride,
                layer.activation or space.activation,
                layer.affine,
            )
        case BlockLayer():
            return InvertedResidual(
                scaled(layer.channels, setting.width),
                round_channels(in_channels * layer.expansion),
                layer.kernel,
                layer.stride,
                layer.activation or space.activation,
            )
        case DenseLayer() | PlainLayer():
            return layer


def _squeezed(excitation: Excitation, in_channels: int, middle: int) -> int:
    match excitation.of:
        case "middle":
            return round_channels(middle / 4)
        case "input":
            return max(1, in_channels // 4)


def _head_names(head: Sequence[Layer]) -> Iterator[str]:
    """Names for one convolution or two, and one classifier; more are numbered."""
    counts = Counter(layer.layer for layer in head)
    known = {
        ("conv", 1): ("feature_mix_layer",),
        ("conv", 2): ("final_expand_layer", "feature_mix_layer"),
        ("dense", 1): ("classifier",),
    }
    seen = Counter[str]()
    for kind in (layer.layer for layer in head):
        names = known.get((kind, counts[kind]))
        yield names[seen[kind]] if names else f"{kind.replace('-', '_')}_{seen[kind]}"
        seen[kind] += 1
