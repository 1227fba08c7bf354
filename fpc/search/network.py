"""Networks of a space as graphs, whole or piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fpc.costmodel.kernels import Work, kernels_of
from fpc.ir.graph import Graph, Value
from fpc.ir.ops import Softmax
from fpc.search.space import (
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
from fpc.zoo.builder import NetworkBuilder, Padding, round_channels
from fpc.zoo.fasternet import partial_convolution_block
from fpc.zoo.inverted_residual import InvertedResidual


def build(space: Space, subnet: Subnet, seed: int | None = None) -> Graph:
    """The network, with shapes only unless there is a `seed`."""
    setting = subnet.setting
    b = _builder(space, seed)
    x = b.input(3, setting.resolution, setting.resolution)
    x = _layers(b, x, space, space.stem, setting)
    for stage, choice in zip(space.stages, subnet.stages, strict=True):
        channels = scaled(choice.channels, setting.width)
        for index, block in enumerate(choice.blocks):
            x = _block(b, x, space, stage, block, channels, first=index == 0)
    return b.finish(_layers(b, x, space, space.head, setting))


@dataclass(frozen=True)
class Piece:
    """Consecutive layers of a network: their kernels, parameters, and the map after them."""

    works: tuple[Work, ...]
    parameters: int
    shape: tuple[int, ...]


def stem_piece(space: Space, setting: Setting) -> Piece:
    """The layers before the stages."""
    side = setting.resolution
    return _piece(space, (3, side, side), lambda b, x: _layers(b, x, space, space.stem, setting))


def head_piece(space: Space, setting: Setting, shape: tuple[int, ...]) -> Piece:
    """The layers after the stages, for a map of `shape`."""
    return _piece(space, shape, lambda b, x: _layers(b, x, space, space.head, setting))


def block_piece(
    space: Space, stage: Stage, block: Block, channels: int, shape: tuple[int, ...], *, first: bool
) -> Piece:
    """One block of `channels` for a map of `shape`; whether it is the first of its stage."""
    return _piece(
        space, shape, lambda b, x: _block(b, x, space, stage, block, channels, first=first)
    )


def _piece(
    space: Space, shape: tuple[int, ...], apply: Callable[[NetworkBuilder, Value], Value]
) -> Piece:
    channels, height, width = shape
    b = _builder(space, None)
    y = apply(b, b.input(channels, height, width))
    graph = b.finish(y)
    return Piece(
        works=tuple(kernel.work for kernel in kernels_of(graph)),
        parameters=sum(constant.type.size for constant in graph.constants),
        shape=y.type.shape[1:],
    )


def _builder(space: Space, seed: int | None) -> NetworkBuilder:
    return NetworkBuilder(
        space.name.replace("-", "_"),
        seed=seed,
        padding=space.padding,
        epsilon=space.batch_norm_epsilon,
    )


def _layers(
    b: NetworkBuilder, x: Value, space: Space, layers: Sequence[Layer], setting: Setting
) -> Value:
    for layer in layers:
        x = _layer(b, x, space, layer, setting)
    return x


def _layer(b: NetworkBuilder, x: Value, space: Space, layer: Layer, setting: Setting) -> Value:
    match layer:
        case ConvLayer():
            channels = scaled(layer.channels, setting.width, layer.scaling)
            act = layer.activation or space.activation
            return b.conv(
                x, channels, layer.kernel, stride=layer.stride, act=act, affine=layer.affine
            )
        case BlockLayer():
            return InvertedResidual(
                scaled(layer.channels, setting.width),
                _middle(x, layer.expansion),
                layer.kernel,
                layer.stride,
                layer.activation or space.activation,
            ).apply(b, x)
        case DenseLayer():
            return b.dense(x, layer.units)
        case PlainLayer(layer="pool"):
            return b.global_pool(x)
        case PlainLayer(layer="flatten"):
            return b.flatten(x)
        case PlainLayer():
            return b.apply(Softmax(1), x)


def _block(
    b: NetworkBuilder,
    x: Value,
    space: Space,
    stage: Stage,
    block: Block,
    channels: int,
    *,
    first: bool,
) -> Value:
    act = stage.activation or space.activation
    stride = stage.stride if first else 1
    match stage.block:
        case "inverted-residual":
            middle = _middle(x, block.expansion)
            return InvertedResidual(
                channels,
                middle,
                block.kernel,
                stride,
                act,
                squeezed=_squeezed(space.excitation, x, middle) if block.excites else None,
                squeeze_act=space.excitation.activation,
                gate=space.excitation.gate,
            ).apply(b, x)
        case "partial-convolution":
            if first:
                x = b.conv(x, channels, stride, stride=stride, padding=Padding.VALID)
            return partial_convolution_block(b, x, act, block.kernel, block.expansion)


def _middle(x: Value, expansion: float) -> int:
    return round_channels(x.type.shape[1] * expansion)


def _squeezed(excitation: Excitation, x: Value, middle: int) -> int:
    match excitation.of:
        case "middle":
            return round_channels(middle / 4)
        case "input":
            return max(1, x.type.shape[1] // 4)
