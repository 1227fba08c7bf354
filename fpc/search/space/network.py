"""Networks of a space as graphs, whole or piece by piece."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fpc.costmodel.kernels import Work, kernels_of
from fpc.ir.graph import Graph, Value
from fpc.ir.ops import Softmax
from fpc.search.space.description import (
    Block,
    DenseLayer,
    PlainLayer,
    Setting,
    Space,
    Stage,
    StageChoice,
    Subnet,
)
from fpc.search.space.layers import (
    IMAGE_CHANNELS,
    Convolution,
    PartialConvolution,
    Placed,
    block_layers,
    head_layers,
    layers_of,
    stem_layers,
)
from fpc.zoo.builder import NetworkBuilder, Weights, under
from fpc.zoo.fasternet import partial_convolution_block
from fpc.zoo.inverted_residual import InvertedResidual


def build(
    space: Space, subnet: Subnet, seed: int | None = None, weights: Weights | None = None
) -> Graph:
    """The network, with shapes only unless there is a `seed`, or `weights` by name."""
    side = subnet.setting.resolution
    b = _builder(space, seed, weights)
    x = b.input(IMAGE_CHANNELS, side, side)
    return b.finish(_applied(b, x, layers_of(space, subnet)))


def smallest(space: Space) -> Graph:
    """The smallest network, with shapes only."""
    setting = Setting(space.resolutions[0], space.widths[0])
    stages = (
        StageChoice(stage.channels[0], stage.options[:1] * stage.depths[0])
        for stage in space.stages
    )
    return build(space, Subnet(setting, tuple(stages)))


@dataclass(frozen=True, eq=False)
class Piece:
    """Consecutive layers of a network: their kernels, parameters, and the map after them."""

    graph: Graph
    works: tuple[Work, ...]
    parameters: int
    shape: tuple[int, ...]


def stem_piece(space: Space, setting: Setting) -> Piece:
    """The layers before the stages."""
    side = setting.resolution
    return _piece(space, (IMAGE_CHANNELS, side, side), stem_layers(space, setting))


def head_piece(space: Space, setting: Setting, shape: tuple[int, ...]) -> Piece:
    """The layers after the stages, for a map of `shape`."""
    return _piece(space, shape, head_layers(space, setting, shape[0]))


def block_piece(
    space: Space, stage: Stage, block: Block, channels: int, shape: tuple[int, ...], *, first: bool
) -> Piece:
    """One block of `channels` for a map of `shape`; whether it is the first of its stage."""
    layers = block_layers(space, stage, block, channels, shape[0], first=first)
    return _piece(space, shape, layers)


def _piece(space: Space, shape: tuple[int, ...], layers: Iterable[Placed]) -> Piece:
    channels, height, width = shape
    b = _builder(space)
    y = _applied(b, b.input(channels, height, width), layers)
    graph = b.finish(y)
    return Piece(
        graph=graph,
        works=tuple(kernel.work for kernel in kernels_of(graph)),
        parameters=sum(constant.type.size for constant in graph.constants),
        shape=y.type.shape[1:],
    )


def _builder(
    space: Space, seed: int | None = None, weights: Weights | None = None
) -> NetworkBuilder:
    return NetworkBuilder(
        space.name.replace("-", "_"),
        seed=seed,
        weights=weights,
        padding=space.padding,
        epsilon=space.batch_norm_epsilon,
    )


def _applied(b: NetworkBuilder, x: Value, layers: Iterable[Placed]) -> Value:
    for placed in layers:
        x = _apply(b, x, placed)
    return x


def _apply(b: NetworkBuilder, x: Value, placed: Placed) -> Value:
    name = placed.name
    match placed.layer:
        case Convolution() as conv:
            return b.conv(
                x,
                conv.channels,
                conv.kernel,
                stride=conv.stride,
                act=conv.act,
                affine=conv.affine,
                padding=conv.padding,
                name=under(name, "conv"),
            )
        case InvertedResidual() as block:
            return block.apply(b, x, name)
        case PartialConvolution(act=act, kernel=kernel, expansion=expansion):
            return partial_convolution_block(b, x, act, kernel, expansion, name)
        case DenseLayer(units=units):
            return b.dense(x, units, name=under(name, "linear"))
        case PlainLayer(layer="pool"):
            return b.global_pool(x)
        case PlainLayer(layer="flatten"):
            return b.flatten(x)
        case PlainLayer():
            return b.apply(Softmax(1), x)
