"""MobileNetV3 (Howard et al. 2019, tables 1 and 2) and its minimalistic forms.

The minimalistic networks, published with the authors' weights, have the same channels but 3x3
kernels, ReLU and no squeeze-excite throughout: what every accelerator runs well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fpc.ir.graph import Graph
from fpc.zoo.builder import Affine, NetworkBuilder, Nonlinearity, Padding, round_channels
from fpc.zoo.inverted_residual import InvertedResidual

_RELU = Nonlinearity.RELU
_HARD_SWISH = Nonlinearity.HARD_SWISH


class Row(NamedTuple):
    """One inverted residual block."""

    kernel: int
    expansion: float
    channels: int
    excites: bool
    act: Nonlinearity
    stride: int


_LARGE = (
    Row(3, 1, 16, False, _RELU, 1),
    Row(3, 4, 24, False, _RELU, 2),
    Row(3, 3, 24, False, _RELU, 1),
    Row(5, 3, 40, True, _RELU, 2),
    Row(5, 3, 40, True, _RELU, 1),
    Row(5, 3, 40, True, _RELU, 1),
    Row(3, 6, 80, False, _HARD_SWISH, 2),
    Row(3, 2.5, 80, False, _HARD_SWISH, 1),
    Row(3, 2.3, 80, False, _HARD_SWISH, 1),
    Row(3, 2.3, 80, False, _HARD_SWISH, 1),
    Row(3, 6, 112, True, _HARD_SWISH, 1),
    Row(3, 6, 112, True, _HARD_SWISH, 1),
    Row(5, 6, 160, True, _HARD_SWISH, 2),
    Row(5, 6, 160, True, _HARD_SWISH, 1),
    Row(5, 6, 160, True, _HARD_SWISH, 1),
)
_SMALL = (
    Row(3, 1, 16, True, _RELU, 2),
    Row(3, 4.5, 24, False, _RELU, 2),
    Row(3, 3.67, 24, False, _RELU, 1),
    Row(5, 4, 40, True, _HARD_SWISH, 2),
    Row(5, 6, 40, True, _HARD_SWISH, 1),
    Row(5, 6, 40, True, _HARD_SWISH, 1),
    Row(5, 3, 48, True, _HARD_SWISH, 1),
    Row(5, 3, 48, True, _HARD_SWISH, 1),
    Row(5, 6, 96, True, _HARD_SWISH, 2),
    Row(5, 6, 96, True, _HARD_SWISH, 1),
    Row(5, 6, 96, True, _HARD_SWISH, 1),
)


def mobilenet_v3_large(resolution: int = 224, width: float = 1.0, seed: int | None = None) -> Graph:
    """Published at 224 pixels: 219 M multiply-adds, 5.4 M parameters."""
    return _network("mobilenet_v3_large", _LARGE, 1280, resolution, width, seed)


def mobilenet_v3_small(resolution: int = 224, width: float = 1.0, seed: int | None = None) -> Graph:
    """Published at 224 pixels: 56 M multiply-adds, 2.5 M parameters."""
    return _network("mobilenet_v3_small", _SMALL, 1024, resolution, width, seed)


def mobilenet_v3_large_minimalistic(
    resolution: int = 224, width: float = 1.0, seed: int | None = None
) -> Graph:
    """Published at 224 pixels: 209 M multiply-adds, 3.9 M parameters."""
    rows = _minimalistic(_LARGE)
    return _network("mobilenet_v3_large_minimalistic", rows, 1280, resolution, width, seed)


def mobilenet_v3_small_minimalistic(
    resolution: int = 224, width: float = 1.0, seed: int | None = None
) -> Graph:
    """Published at 224 pixels: 65 M multiply-adds, 2.0 M parameters."""
    rows = _minimalistic(_SMALL)
    return _network("mobilenet_v3_small_minimalistic", rows, 1024, resolution, width, seed)


def _minimalistic(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(row._replace(kernel=3, excites=False, act=_RELU) for row in rows)


def _network(
    name: str, rows: Sequence[Row], features: int, resolution: int, width: float, seed: int | None
) -> Graph:
    act = rows[-1].act
    b = NetworkBuilder(name, seed=seed, padding=Padding.SAME, epsilon=1e-3)
    stem = round_channels(16 * width)
    x = b.conv(b.input(3, resolution, resolution), stem, 3, stride=2, act=act)
    for row in rows:
        x = _block(x.type.shape[1], row, width).apply(b, x)
    x = b.global_pool(b.conv(x, round_channels(x.type.shape[1] * 6), act=act))
    x = b.conv(x, round_channels(features * max(1.0, width)), act=act, affine=Affine.BIAS)
    return b.finish(b.dense(b.flatten(x), 1000))


def _block(channels: int, row: Row, width: float) -> InvertedResidual:
    middle = round_channels(channels * row.expansion)
    return InvertedResidual(
        round_channels(row.channels * width),
        middle,
        row.kernel,
        row.stride,
        row.act,
        squeezed=round_channels(middle / 4) if row.excites else None,
    )
