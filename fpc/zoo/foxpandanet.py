"""FoxPandaNet: three networks found by regression-guided search, and FOX-NAS, where they are from.

Definitions as published with the trained networks: inverted residuals (in, out, kernel, stride,
expansion, squeeze-excite), TensorFlow's SAME padding, 1x1 to 960, pool, 1x1 to 1280, and ReLU6
throughout. The space has the stages of OFA-MobileNetV3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fpc.diagnostics.errors import UsageError
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

_STAGES = ((24, 2, False), (40, 2, True), (80, 2, False), (112, 1, True), (160, 2, True))
"""Channels, the first block's stride and squeeze-excite of the stages of FOX-NAS."""


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


def fox_nas(
    stages: Sequence[Sequence[tuple[int, int]]] = (((6, 7),) * 4,) * len(_STAGES),
    resolution: int = 256,
    seed: int | None = None,
) -> Graph:
    """A network of the FOX-NAS space, given by the (expansion, kernel) of each stage's blocks.

    Published are stages of 2 to 4 blocks, expansions 2, 3, 4, 6 and kernels 3, 5, 7; the default
    is the largest. The first block of a stage has its stride. `UsageError` for another number of
    stages or a stage without blocks.
    """
    if len(stages) != len(_STAGES) or not all(stages):
        raise UsageError(
            "network-stages",
            f"a FOX-NAS network has {len(_STAGES)} stages of blocks, "
            f"not {', '.join(str(len(stage)) for stage in stages) or 'none'}",
            help="give each stage's blocks as pairs of expansion and kernel",
        )
    rows = [Row(16, 3, 1, 1, False)]
    for blocks, (channels, first_stride, excites) in zip(stages, _STAGES, strict=True):
        for index, (expansion, kernel) in enumerate(blocks):
            rows.append(Row(channels, kernel, 1 if index else first_stride, expansion, excites))
    b, x = _features("fox_nas", rows, resolution, seed)
    return b.finish(_probabilities(b, x))


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
