"""EfficientNet-Lite 0-4: EfficientNet (Tan and Le 2019) without squeeze-excite and with ReLU6.

Width and depth scale the stages between a fixed stem of 32 and a fixed last 1x1 of 1280 channels;
the first and the last stage keep their one block (the authors' TPU repository).
"""

from __future__ import annotations

import math

from fpc.ir.graph import Graph
from fpc.zoo.builder import NetworkBuilder, Nonlinearity, Padding, round_channels
from fpc.zoo.inverted_residual import InvertedResidual

_STAGES = (
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)
"""Expansion, kernel, channels, blocks and the first block's stride of each stage, unscaled."""


def efficientnet_lite0(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 407 M multiply-adds, 4.7 M parameters."""
    return _network("efficientnet_lite0", 1.0, 1.0, resolution, seed)


def efficientnet_lite1(resolution: int = 240, seed: int | None = None) -> Graph:
    """Published: 631 M multiply-adds, 5.4 M parameters."""
    return _network("efficientnet_lite1", 1.0, 1.1, resolution, seed)


def efficientnet_lite2(resolution: int = 260, seed: int | None = None) -> Graph:
    """Published: 899 M multiply-adds, 6.1 M parameters."""
    return _network("efficientnet_lite2", 1.1, 1.2, resolution, seed)


def efficientnet_lite3(resolution: int = 280, seed: int | None = None) -> Graph:
    """Published: 1440 M multiply-adds, 8.2 M parameters."""
    return _network("efficientnet_lite3", 1.2, 1.4, resolution, seed)


def efficientnet_lite4(resolution: int = 300, seed: int | None = None) -> Graph:
    """Published: 2640 M multiply-adds, 13.0 M parameters."""
    return _network("efficientnet_lite4", 1.4, 1.8, resolution, seed)


def _network(name: str, width: float, depth: float, resolution: int, seed: int | None) -> Graph:
    relu6 = Nonlinearity.RELU6
    b = NetworkBuilder(name, seed=seed, padding=Padding.SAME, epsilon=1e-3)
    x = b.conv(b.input(3, resolution, resolution), 32, 3, stride=2, act=relu6)
    for stage, (expansion, kernel, channels, blocks, first_stride) in enumerate(_STAGES):
        is_scaled = 0 < stage < len(_STAGES) - 1
        for index in range(math.ceil(blocks * depth) if is_scaled else blocks):
            middle = x.type.shape[1] * expansion
            stride = 1 if index else first_stride
            x = InvertedResidual(round_channels(channels * width), middle, kernel, stride).apply(
                b, x
            )
    return b.finish(b.classifier(b.conv(x, 1280, act=relu6)))
