"""MobileNetV1 (Howard et al. 2017, table 1): depthwise separable convolutions."""

from __future__ import annotations

from fpc.ir.graph import Graph
from fpc.zoo.builder import NetworkBuilder, Nonlinearity, Padding

_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)
"""Channels and stride of each depthwise separable convolution."""


def mobilenet_v1(resolution: int = 224, width: float = 1.0, seed: int | None = None) -> Graph:
    """Published at 224 pixels: 569 M multiply-adds, 4.2 M parameters; SAME padding, ReLU6."""
    relu6 = Nonlinearity.RELU6
    b = NetworkBuilder("mobilenet_v1", seed=seed, padding=Padding.SAME, epsilon=1e-3)
    x = b.conv(b.input(3, resolution, resolution), _scaled(32, width), 3, stride=2, act=relu6)
    for channels, stride in _BLOCKS:
        x = b.depthwise(x, 3, stride=stride, act=relu6)
        x = b.conv(x, _scaled(channels, width), act=relu6)
    return b.finish(b.classifier(x))


def _scaled(channels: int, width: float) -> int:
    """The published networks truncate, and keep 8 channels."""
    return max(8, int(channels * width))
