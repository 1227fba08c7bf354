"""FBNetV2's networks found by searching channels with masks (Wan et al. 2020): dmasking_*.

Definitions as in the authors' mobile-vision model zoo, where the widths inside a block are whole
numbers, not multiples of 8. The last 1x1 before the classifier follows the pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from fpc.ir.graph import Graph, Value
from fpc.zoo.builder import Affine, NetworkBuilder, Nonlinearity
from fpc.zoo.fbnet import Skip, skip
from fpc.zoo.inverted_residual import InvertedResidual

_RELU = Nonlinearity.RELU
_HARD_SWISH = Nonlinearity.HARD_SWISH


class Block(NamedTuple):
    """An inverted residual; `excites` says whether it has squeeze-excite."""

    channels: int
    kernel: int
    stride: int
    expansion: float
    act: Nonlinearity = _RELU
    excites: bool = False


Row: TypeAlias = Block | Skip

_F1 = (
    Block(8, 5, 1, 1),
    Block(24, 5, 2, 5.4566),
    Block(24, 5, 1, 4.7912),
    Block(32, 5, 2, 5.3501, excites=True),
    Block(24, 5, 1, 4.5379, excites=True),
    Block(56, 5, 2, 5.7133, _HARD_SWISH),
    Block(56, 3, 1, 4.1212, _HARD_SWISH),
    Block(56, 3, 1, 5.1246, _HARD_SWISH, excites=True),
    Skip(80),
    Block(80, 5, 1, 4.507, _HARD_SWISH, excites=True),
    Block(80, 5, 1, 1.7712, _HARD_SWISH, excites=True),
    Block(144, 3, 2, 4.5685, _HARD_SWISH, excites=True),
    Block(144, 5, 1, 5.84, _HARD_SWISH, excites=True),
    Block(144, 5, 1, 6.8754, _HARD_SWISH, excites=True),
    Skip(224),
)
_F4 = (
    Block(16, 3, 1, 1),
    Block(24, 5, 2, 5.4566),
    *(Block(24, 5, 1, 1.7912),) * 2,
    Block(32, 5, 2, 5.3501, excites=True),
    Block(32, 5, 1, 3.5379, excites=True),
    *(Block(32, 5, 1, 4.5379, excites=True),) * 2,
    Block(64, 5, 2, 5.7133, _HARD_SWISH),
    Block(64, 3, 1, 2.1212, _HARD_SWISH),
    Skip(64),
    Block(104, 3, 1, 5.0333, _HARD_SWISH),
    Block(104, 5, 1, 2.507, _HARD_SWISH, excites=True),
    Block(104, 5, 1, 1.7712, _HARD_SWISH, excites=True),
    Block(112, 5, 1, 3.7712, _HARD_SWISH, excites=True),
    Block(184, 3, 2, 5.5685, _HARD_SWISH, excites=True),
    Block(184, 5, 1, 2.84, _HARD_SWISH, excites=True),
    Block(184, 5, 1, 4.8754, _HARD_SWISH, excites=True),
    Skip(224),
)
_L2 = (
    Block(16, 3, 1, 1, _HARD_SWISH),
    Block(24, 5, 2, 5.4566, _HARD_SWISH),
    Block(24, 5, 1, 1.7912, _HARD_SWISH),
    Block(24, 3, 1, 1.7912, _HARD_SWISH),
    Block(24, 5, 1, 1.7912, _HARD_SWISH),
    Block(40, 5, 2, 5.3501, excites=True),
    Block(32, 5, 1, 3.5379, excites=True),
    *(Block(32, 5, 1, 4.5379, excites=True),) * 2,
    Block(64, 5, 2, 5.7133, _HARD_SWISH),
    Block(64, 3, 1, 2.1212, _HARD_SWISH),
    Skip(64),
    Block(64, 3, 1, 3.1246, _HARD_SWISH),
    Block(112, 3, 1, 5.0333, _HARD_SWISH),
    Block(112, 5, 1, 2.507, _HARD_SWISH, excites=True),
    Block(112, 5, 1, 1.7712, _HARD_SWISH, excites=True),
    Block(112, 5, 1, 2.7712, _HARD_SWISH, excites=True),
    *(Block(112, 5, 1, 3.7712, _HARD_SWISH, excites=True),) * 2,
    Block(184, 3, 2, 5.5685, _HARD_SWISH, excites=True),
    *(Block(184, 5, 1, 2.84, _HARD_SWISH, excites=True),) * 2,
    *(Block(184, 5, 1, 4.8754, _HARD_SWISH, excites=True),) * 2,
    Skip(224),
)
_L3 = (
    Block(24, 3, 1, 1),
    Block(32, 5, 2, 5.4566),
    Block(32, 5, 1, 1.7912),
    Block(32, 3, 1, 1.7912),
    Block(32, 5, 1, 1.7912),
    Block(48, 5, 2, 5.3501, excites=True),
    Block(40, 5, 1, 3.5379, excites=True),
    *(Block(40, 5, 1, 4.5379, excites=True),) * 2,
    Block(72, 5, 2, 5.7133, _HARD_SWISH),
    Block(72, 3, 1, 2.1212, _HARD_SWISH),
    Skip(72),
    Block(72, 3, 1, 3.1246, _HARD_SWISH),
    Block(120, 3, 1, 5.0333, _HARD_SWISH),
    Block(120, 5, 1, 2.507, _HARD_SWISH, excites=True),
    Block(120, 5, 1, 1.7712, _HARD_SWISH, excites=True),
    Block(120, 5, 1, 2.7712, _HARD_SWISH, excites=True),
    *(Block(120, 5, 1, 3.7712, _HARD_SWISH, excites=True),) * 3,
    Block(192, 3, 2, 5.5685, _HARD_SWISH, excites=True),
    *(Block(192, 5, 1, 2.84, _HARD_SWISH, excites=True),) * 2,
    *(Block(192, 5, 1, 4.8754, _HARD_SWISH, excites=True),) * 2,
    Skip(240),
)


def dmasking_f1(resolution: int = 128, seed: int | None = None) -> Graph:
    """Published: 6.0 M parameters, 56.3 M multiply-adds, 68.3 % top-1."""
    return _network("dmasking_f1", 8, _F1, 1600, resolution, seed)


def dmasking_f4(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 7.0 M parameters, 235.9 M multiply-adds, 75.5 % top-1."""
    return _network("dmasking_f4", 16, _F4, 1984, resolution, seed)


def dmasking_l2_hs(resolution: int = 256, seed: int | None = None) -> Graph:
    """Published: 8.4 M parameters, 419.1 M multiply-adds, 77.7 % top-1."""
    return _network("dmasking_l2_hs", 16, _L2, 1984, resolution, seed)


def dmasking_l3(resolution: int = 288, seed: int | None = None) -> Graph:
    """Published: 9.4 M parameters, 750.7 M multiply-adds, 78.9 % top-1."""
    return _network("dmasking_l3", 24, _L3, 1984, resolution, seed)


def _network(
    name: str, stem: int, rows: Sequence[Row], features: int, resolution: int, seed: int | None
) -> Graph:
    b = NetworkBuilder(name, seed=seed)
    x = b.input(3, resolution, resolution)
    x = b.conv(x, stem, 3, stride=2, act=_HARD_SWISH, affine=Affine.BIAS_AND_BATCH_NORM)
    for row in rows:
        match row:
            case Block():
                x = _block(b, x, row)
            case Skip(channels):
                x = skip(b, x, channels)
    x = b.global_pool(b.conv(x, 6 * x.type.shape[1], act=_HARD_SWISH))
    x = b.conv(x, features, act=_HARD_SWISH, affine=Affine.NONE)
    return b.finish(b.flatten(b.conv(x, 1000, affine=Affine.BIAS)))


def _block(b: NetworkBuilder, x: Value, row: Block) -> Value:
    middle = _rounded(x.type.shape[1] * row.expansion)
    return InvertedResidual(
        row.channels,
        middle,
        row.kernel,
        row.stride,
        row.act,
        squeezed=_rounded(middle / 4) if row.excites else None,
        squeeze_act=row.act,
    ).apply(b, x)


def _rounded(channels: float) -> int:
    """The nearest whole number, halves up."""
    return int(channels + 0.5)
