"""ResNet (He et al. 2015), as torchvision defines it: a bottleneck strides in its 3x3 (v1.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from fpc.ir.graph import Graph, Value
from fpc.zoo.builder import NetworkBuilder, Nonlinearity

_RELU = Nonlinearity.RELU
_Block: TypeAlias = Callable[[NetworkBuilder, Value, int, int], Value]


def resnet18(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 11.7 M parameters, 1.8 G multiply-adds, 69.8 % top-1."""
    return _network("resnet18", (2, 2, 2, 2), _basic, resolution, seed)


def resnet50(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 25.6 M parameters, 4.1 G multiply-adds, 76.1 % top-1."""
    return _network("resnet50", (3, 4, 6, 3), _bottleneck, resolution, seed)


def _network(
    name: str, depths: Sequence[int], block: _Block, resolution: int, seed: int | None
) -> Graph:
    b = NetworkBuilder(name, seed=seed)
    x = b.conv(b.input(3, resolution, resolution), 64, 7, stride=2, act=_RELU)
    x = b.max_pool(x, 3, 2)
    for stage, depth in enumerate(depths):
        for index in range(depth):
            x = block(b, x, 64 << stage, 2 if stage and not index else 1)
    return b.finish(b.classifier(x))


def _basic(b: NetworkBuilder, x: Value, width: int, stride: int) -> Value:
    y = b.conv(x, width, 3, stride=stride, act=_RELU)
    y = b.conv(y, width, 3)
    return b.add(y, _shortcut(b, x, width, stride), _RELU)


def _bottleneck(b: NetworkBuilder, x: Value, width: int, stride: int) -> Value:
    y = b.conv(x, width, act=_RELU)
    y = b.conv(y, width, 3, stride=stride, act=_RELU)
    y = b.conv(y, 4 * width)
    return b.add(y, _shortcut(b, x, 4 * width, stride), _RELU)


def _shortcut(b: NetworkBuilder, x: Value, channels: int, stride: int) -> Value:
    same = stride == 1 and x.type.shape[1] == channels
    return x if same else b.conv(x, channels, stride=stride)
