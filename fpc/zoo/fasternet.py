"""FasterNet (Chen et al. 2023): partial convolutions, whose 3x3 sees a quarter of the channels.

As in the authors' training code: the convolutions have no bias, a block has one batch norm, after
its first 1x1, and the partial convolution is split, convolution, concat.
"""

from __future__ import annotations

from collections.abc import Sequence

from fpc.ir.graph import Graph, Value
from fpc.zoo.builder import (
    Affine,
    NetworkBuilder,
    Nonlinearity,
    Padding,
    round_channels,
    under,
)

_DEPTHS = (1, 2, 8, 2)


def fasternet_t0(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 3.9 M parameters, 0.34 G multiply-adds, 71.9 % top-1."""
    return _network("fasternet_t0", 40, _DEPTHS, Nonlinearity.GELU, resolution, seed)


def fasternet_t1(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 7.6 M parameters, 0.85 G multiply-adds, 76.2 % top-1."""
    return _network("fasternet_t1", 64, _DEPTHS, Nonlinearity.GELU, resolution, seed)


def fasternet_t2(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 15.0 M parameters, 1.91 G multiply-adds, 78.9 % top-1."""
    return _network("fasternet_t2", 96, _DEPTHS, Nonlinearity.RELU, resolution, seed)


def fasternet_s(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published: 31.1 M parameters, 4.56 G multiply-adds, 81.3 % top-1."""
    return _network("fasternet_s", 128, (1, 2, 13, 2), Nonlinearity.RELU, resolution, seed)


def _network(
    name: str,
    channels: int,
    depths: Sequence[int],
    act: Nonlinearity,
    resolution: int,
    seed: int | None,
) -> Graph:
    b = NetworkBuilder(name, seed=seed)
    x = b.input(3, resolution, resolution)
    for stage, depth in enumerate(depths):
        patch = 2 if stage else 4
        x = b.conv(x, channels << stage, patch, stride=patch, padding=Padding.VALID)
        for _ in range(depth):
            x = partial_convolution_block(b, x, act)
    x = b.conv(b.global_pool(x), 1280, act=act, affine=Affine.NONE)
    return b.finish(b.dense(b.flatten(x), 1000))


def partial_convolution_block(
    b: NetworkBuilder,
    x: Value,
    act: Nonlinearity,
    kernel: int = 3,
    expansion: float = 2.0,
    name: str = "",
) -> Value:
    """A convolution on a quarter of the channels, 1x1 to `expansion` times as many and back."""
    channels = x.type.shape[1]
    quarter, bare = channels // 4, Affine.NONE
    mixed, untouched = b.split(x, quarter, channels - quarter)
    mixed = b.conv(mixed, quarter, kernel, affine=bare, name=under(name, "partial_conv"))
    middle = round_channels(expansion * channels)
    y = b.conv(b.concat(mixed, untouched), middle, act=act, name=under(name, "expand.conv"))
    return b.add(x, b.conv(y, channels, affine=bare, name=under(name, "project")))
