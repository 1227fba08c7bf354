"""MobileNetV2 (Sandler et al. 2018, table 2): inverted residuals with linear bottlenecks."""

from __future__ import annotations

from fpc.ir.graph import Graph
from fpc.zoo.builder import NetworkBuilder, Nonlinearity, Padding, round_channels
from fpc.zoo.inverted_residual import InvertedResidual

_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks and the first block's stride of each stage."""


def mobilenet_v2(resolution: int = 224, width: float = 1.0, seed: int | None = None) -> Graph:
    """Published at 224 pixels: 300 M multiply-adds, 3.4 M parameters; SAME padding, ReLU6.

    A width above 1 widens the last 1x1 too, one below 1 leaves it at 1280 (section 6.1).
    """
    relu6 = Nonlinearity.RELU6
    b = NetworkBuilder("mobilenet_v2", seed=seed, padding=Padding.SAME, epsilon=1e-3)
    stem = round_channels(32 * width)
    x = b.conv(b.input(3, resolution, resolution), stem, 3, stride=2, act=relu6)
    for expansion, channels, blocks, first_stride in _STAGES:
        for index in range(blocks):
            middle = x.type.shape[1] * expansion
            stride = 1 if index else first_stride
            block = InvertedResidual(round_channels(channels * width), middle, stride=stride)
            x = block.apply(b, x)
    x = b.conv(x, round_channels(1280 * max(1.0, width)), act=relu6)
    return b.finish(b.classifier(x))
