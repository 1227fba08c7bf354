"""SqueezeNet (Iandola et al. 2016): no batch norm, no dense layer.

Definitions as in the authors' Caffe models and torchvision: poolings round up where a window does
not fit, and the classifier is a 1x1 convolution with ReLU before the last pooling.
"""

from __future__ import annotations

from fpc.ir.graph import Graph, Value
from fpc.zoo.builder import Affine, NetworkBuilder, Nonlinearity, Padding

_FIRE = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


def squeezenet_1_0(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 1.25 M parameters, 57.5 % top-1; pools before fire 1, 4 and 8."""
    return _network("squeezenet_1_0", 96, 7, (0, 3, 7), resolution, seed)


def squeezenet_1_1(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 1.24 M parameters, 0.35 G multiply-adds; pools before fire 1, 3 and 5."""
    return _network("squeezenet_1_1", 64, 3, (0, 2, 4), resolution, seed)


def _network(
    name: str,
    channels: int,
    kernel: int,
    pooled: tuple[int, ...],
    resolution: int,
    seed: int | None,
) -> Graph:
    b = NetworkBuilder(name, seed=seed, padding=Padding.VALID)
    x = _conv(b, b.input(3, resolution, resolution), channels, kernel, stride=2)
    for index, (squeezed, expanded) in enumerate(_FIRE):
        if index in pooled:
            x = _pool(b, x)
        x = _fire(b, x, squeezed, expanded)
    return b.finish(b.flatten(b.global_pool(_conv(b, x, 1000))))


def _fire(b: NetworkBuilder, x: Value, squeezed: int, expanded: int) -> Value:
    x = _conv(b, x, squeezed)
    return b.concat(_conv(b, x, expanded), _conv(b, x, expanded, 3, padding=Padding.SYMMETRIC))


def _conv(
    b: NetworkBuilder,
    x: Value,
    channels: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    padding: Padding = Padding.VALID,
) -> Value:
    return b.conv(
        x,
        channels,
        kernel,
        stride=stride,
        act=Nonlinearity.RELU,
        affine=Affine.BIAS,
        padding=padding,
    )


def _pool(b: NetworkBuilder, x: Value) -> Value:
    """3x3 windows at stride 2, rounded up: an even extent takes one row and column of padding."""
    even = x.type.shape[2] % 2 == 0
    return b.max_pool(x, 3, 2, Padding.SAME if even else Padding.VALID)
