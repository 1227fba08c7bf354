"""FBNet (Wu et al. 2019): networks found by differentiable search, ReLU throughout.

Definitions as in the authors' mobile-vision model zoo. A block's convolutions have a bias and a
batch norm; a grouped block shuffles its channels before the depthwise convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from fpc.ir.graph import Graph, Value
from fpc.zoo.builder import Affine, NetworkBuilder, Nonlinearity

_RELU = Nonlinearity.RELU


class Block(NamedTuple):
    """An inverted residual; its last 1x1 has `groups` groups."""

    channels: int
    kernel: int
    stride: int
    expansion: int
    groups: int = 1


class Skip(NamedTuple):
    """Nothing, or a 1x1 convolution to another number of channels."""

    channels: int


Row: TypeAlias = Block | Skip

_A = (
    Skip(16),
    Block(24, 3, 2, 3),
    Block(24, 3, 1, 1),
    Skip(24),
    Skip(24),
    Block(32, 5, 2, 6),
    Block(32, 3, 1, 3),
    Block(32, 5, 1, 1),
    Block(32, 3, 1, 3),
    Block(64, 5, 2, 6),
    Block(64, 5, 1, 3),
    Block(64, 5, 1, 1, groups=2),
    Block(64, 5, 1, 6),
    Block(112, 3, 1, 6),
    Block(112, 5, 1, 1, groups=2),
    Block(112, 5, 1, 3),
    Block(112, 3, 1, 1, groups=2),
    Block(184, 5, 2, 6),
    Block(184, 5, 1, 6),
    Block(184, 5, 1, 3),
    Block(184, 5, 1, 6),
    Block(352, 5, 1, 6),
)
_B = (
    Block(16, 3, 1, 1),
    Block(24, 3, 2, 6),
    Block(24, 5, 1, 1),
    *(Block(24, 3, 1, 1),) * 2,
    Block(32, 5, 2, 6),
    Block(32, 5, 1, 3),
    Block(32, 3, 1, 6),
    Block(32, 5, 1, 6),
    Block(64, 5, 2, 6),
    Block(64, 5, 1, 6),
    Skip(64),
    Block(64, 5, 1, 3),
    Block(112, 5, 1, 6),
    Block(112, 3, 1, 1),
    Block(112, 5, 1, 1),
    Block(112, 5, 1, 3),
    Block(184, 5, 2, 6),
    Block(184, 5, 1, 1),
    *(Block(184, 5, 1, 6),) * 2,
    Block(352, 3, 1, 6),
)
_C = (
    Block(16, 3, 1, 1),
    Block(24, 3, 2, 6),
    Skip(24),
    *(Block(24, 3, 1, 1),) * 2,
    Block(32, 5, 2, 6),
    Block(32, 5, 1, 3),
    Block(32, 5, 1, 6),
    Block(32, 3, 1, 6),
    Block(64, 5, 2, 6),
    Block(64, 5, 1, 3),
    *(Block(64, 5, 1, 6),) * 2,
    *(Block(112, 5, 1, 6),) * 3,
    Block(112, 5, 1, 3),
    Block(184, 5, 2, 6),
    *(Block(184, 5, 1, 6),) * 3,
    Block(352, 3, 1, 6),
)
_96 = (
    Block(8, 3, 1, 1),
    Block(16, 3, 2, 6),
    Block(16, 3, 1, 6),
    Block(16, 5, 2, 6),
    Block(16, 5, 1, 6),
    Block(24, 5, 2, 6),
    Block(40, 3, 1, 6),
    Block(72, 5, 2, 6),
    Block(72, 5, 1, 6),
    Block(128, 5, 1, 6),
)


def fbnet_a(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 4.3 M parameters, 244.5 M multiply-adds, 73.3 % top-1 (int8 72.2 %)."""
    return _network("fbnet_a", 16, _A, 1504, resolution, seed)


def fbnet_b(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 4.8 M parameters, 291.1 M multiply-adds, 74.5 % top-1 (int8 73.2 %)."""
    return _network("fbnet_b", 16, _B, 1984, resolution, seed)


def fbnet_c(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 5.5 M parameters, 378.2 M multiply-adds, 75.2 % top-1 (int8 74.2 %)."""
    return _network("fbnet_c", 16, _C, 1984, resolution, seed)


def fbnet_96(resolution: int = 96, seed: int | None = None) -> Graph:
    """Published: 1.8 M parameters, 12.9 M multiply-adds, 50.4 % top-1 (int8 47.5 %)."""
    return _network("fbnet_96", 8, _96, 1416, resolution, seed, Affine.BATCH_NORM)


def _network(
    name: str,
    stem: int,
    rows: Sequence[Row],
    features: int,
    resolution: int,
    seed: int | None,
    affine: Affine = Affine.BIAS_AND_BATCH_NORM,
) -> Graph:
    b = NetworkBuilder(name, seed=seed)
    outer = Affine.BIAS_AND_BATCH_NORM
    x = b.conv(b.input(3, resolution, resolution), stem, 3, stride=2, act=_RELU, affine=outer)
    for row in rows:
        match row:
            case Block():
                x = _block(b, x, row, affine)
            case Skip(channels):
                x = skip(b, x, channels)
    x = b.global_pool(b.conv(x, features, act=_RELU, affine=outer))
    return b.finish(b.flatten(b.conv(x, 1000, affine=Affine.BIAS)))


def skip(b: NetworkBuilder, x: Value, channels: int) -> Value:
    """x, or a 1x1 convolution, batch norm and ReLU where x has not `channels` channels."""
    return x if x.type.shape[1] == channels else b.conv(x, channels, act=_RELU)


def _block(b: NetworkBuilder, x: Value, row: Block, affine: Affine) -> Value:
    channels = x.type.shape[1]
    y = b.conv(x, channels * row.expansion, act=_RELU, affine=affine) if row.expansion > 1 else x
    if row.groups > 1:
        y = b.shuffle(y, row.groups)
    y = b.depthwise(y, row.kernel, stride=row.stride, act=_RELU, affine=affine)
    y = b.conv(y, row.channels, groups=row.groups, affine=affine)
    return b.add(y, x) if row.stride == 1 and channels == row.channels else y
