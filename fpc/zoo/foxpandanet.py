"""FoxPandaNet: three networks found by regression-guided search, ReLU6 throughout.

Definitions as published with the trained networks: inverted residuals (in, out, kernel, stride,
expansion, squeeze-excite), TensorFlow's SAME padding, 1x1 to 960, pool, 1x1 to 1280.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fpc.ir.graph import Graph, Value
from fpc.ir.ops import Softmax
from fpc.zoo.builder import Affine, NetworkBuilder, Nonlinearity, Padding, round_channels
from fpc.zoo.inverted_residual import InvertedResidual

_RELU6 = Nonlinearity.RELU6


class Row(NamedTuple):
    """One inverted residual block."""

    channels: int
    kernel: int
    stride: int
    expansion: int
    excites: bool


_PIXEL4 = (
    Row(16, 3, 1, 1, False),
    Row(24, 3, 2, 2, False),
    Row(24, 3, 1, 2, False),
    Row(40, 5, 2, 2, True),
    Row(40, 3, 1, 2, True),
    Row(80, 7, 2, 3, False),
    *(Row(80, 5, 1, 3, False),) * 3,
    Row(112, 3, 1, 6, True),
    *(Row(112, 3, 1, 6, True),) * 2,
    Row(160, 7, 2, 7, True),
    *(Row(160, 3, 1, 6, True),) * 3,
)
_DSP = (
    Row(16, 3, 1, 1, False),
    Row(24, 3, 2, 3, False),
    Row(24, 3, 1, 3, False),
    Row(40, 3, 2, 3, True),
    *(Row(40, 3, 1, 3, True),) * 2,
    Row(80, 7, 2, 3, False),
    *(Row(80, 3, 1, 3, False),) * 3,
    Row(112, 3, 1, 7, True),
    *(Row(112, 3, 1, 6, True),) * 2,
    Row(160, 7, 2, 7, True),
    *(Row(160, 3, 1, 7, True),) * 3,
)
_FPGA = (
    Row(16, 3, 1, 1, False),
    Row(24, 3, 2, 3, False),
    Row(24, 3, 1, 3, False),
    Row(40, 3, 2, 3, True),
    *(Row(40, 3, 1, 3, True),) * 2,
    Row(80, 3, 2, 5, False),
    *(Row(80, 3, 1, 3, False),) * 3,
    Row(112, 3, 1, 7, True),
    *(Row(112, 3, 1, 6, True),) * 2,
    Row(160, 3, 2, 7, True),
    *(Row(160, 3, 1, 7, True),) * 2,
)


def fpnet_pixel4(resolution: int = 192, seed: int | None = None) -> Graph:
    """Published: 60.1 ms and 71.93 % top-1 (uint8) on a Raspberry Pi 4 at 192 pixels."""
    b, x = _features("fpnet_pixel4", _PIXEL4, resolution, seed)
    return b.finish(_probabilities(b, x))


def fpnet_dsp(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 94.9 ms and 74.18 % top-1 (uint8) on a Raspberry Pi 4 at 224 pixels."""
    b, x = _features("fpnet_dsp", _DSP, resolution, seed)
    return b.finish(_probabilities(b, x))


def fpnet_fpga(resolution: int = 160, seed: int | None = None) -> Graph:
    """Published: 48 ms and 70.28 % top-1 (uint8) on a Raspberry Pi 4 at 160 pixels."""
    b, x = _features("fpnet_fpga", _FPGA, resolution, seed)
    return b.finish(b.conv(x, 1000, affine=Affine.BIAS))


def _features(
    name: str, rows: Sequence[Row], resolution: int, seed: int | None
) -> tuple[NetworkBuilder, Value]:
    b = NetworkBuilder(name, seed=seed, padding=Padding.SAME)
    x = b.conv(b.input(3, resolution, resolution), 16, 3, stride=2, act=_RELU6)
    for row in rows:
        x = _block(x.type.shape[1], row, exact=name == "fpnet_pixel4").apply(b, x)
    x = b.global_pool(b.conv(x, 960, act=_RELU6))
    return b, b.conv(x, 1280, act=_RELU6, affine=Affine.BIAS)


def _block(channels: int, row: Row, *, exact: bool) -> InvertedResidual:
    middle = channels * row.expansion
    # A quarter of the middle, rounded to 8 in all but the first of the three networks.
    squeezed = middle // 4 if exact else round_channels(middle / 4)
    return InvertedResidual(
        row.channels,
        middle,
        row.kernel,
        row.stride,
        squeezed=squeezed if row.excites else None,
        squeeze_act=_RELU6,
    )


def _probabilities(b: NetworkBuilder, x: Value) -> Value:
    return b.apply(Softmax(1), b.dense(b.flatten(x), 1001))
