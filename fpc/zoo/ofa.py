"""Subnets of Once-for-All networks (Cai et al. 2020): MobileNetV3 and ProxylessNAS.

A subnet is what the authors' `set_active_subnet` takes: `depths` says how many blocks of each
stage are used, `kernels` and `expansions` have an entry for every block a stage can have, used or
not, or are one number for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fpc.diagnostics.errors import UsageError
from fpc.ir.graph import Graph
from fpc.zoo.builder import Affine, NetworkBuilder, Nonlinearity, round_channels
from fpc.zoo.inverted_residual import InvertedResidual

_DEPTH = 4
_RELU = Nonlinearity.RELU
_RELU6 = Nonlinearity.RELU6
_HARD_SWISH = Nonlinearity.HARD_SWISH


class Stage(NamedTuple):
    """Blocks of the same channels; the first has the stride."""

    channels: int
    stride: int
    act: Nonlinearity
    excites: bool = False
    most_blocks: int = _DEPTH


_MOBILENET_V3 = (
    Stage(24, 2, _RELU),
    Stage(40, 2, _RELU, excites=True),
    Stage(80, 2, _HARD_SWISH),
    Stage(112, 1, _HARD_SWISH, excites=True),
    Stage(160, 2, _HARD_SWISH, excites=True),
)
_PROXYLESS = (
    Stage(24, 2, _RELU6),
    Stage(40, 2, _RELU6),
    Stage(80, 2, _RELU6),
    Stage(96, 1, _RELU6),
    Stage(192, 2, _RELU6),
    Stage(320, 1, _RELU6, most_blocks=1),
)


def ofa_mobilenet_v3(
    kernels: int | Sequence[int] = 7,
    expansions: int | Sequence[int] = 6,
    depths: int | Sequence[int] = _DEPTH,
    width: float = 1.0,
    resolution: int = 224,
    seed: int | None = None,
) -> Graph:
    """A subnet of OFA-MobileNetV3, by default the largest: 5 stages of up to 4 blocks.

    The published networks have width 1.0 and 1.2. `UsageError` for lists that describe no subnet.
    """
    b = NetworkBuilder("ofa_mobilenet_v3", seed=seed)
    stem = round_channels(16 * width)
    x = b.conv(b.input(3, resolution, resolution), stem, 3, stride=2, act=_HARD_SWISH)
    x = InvertedResidual(stem, stem, act=_RELU).apply(b, x)
    for stage, *block in _blocks(_MOBILENET_V3, kernels, expansions, depths):
        x = _block(stage, x.type.shape[1], width, *block).apply(b, x)
    x = b.global_pool(b.conv(x, round_channels(960 * width), act=_HARD_SWISH))
    x = b.conv(x, round_channels(1280 * width), act=_HARD_SWISH, affine=Affine.NONE)
    return b.finish(b.dense(b.flatten(x), 1000))


def ofa_proxyless(
    kernels: int | Sequence[int] = 7,
    expansions: int | Sequence[int] = 6,
    depths: int | Sequence[int] = _DEPTH,
    width: float = 1.3,
    resolution: int = 224,
    seed: int | None = None,
) -> Graph:
    """A subnet of OFA-ProxylessNAS, by default the largest.

    5 stages of up to 4 blocks and a last block of its own, which `kernels` and `expansions` end
    with and `depths` leaves out. `UsageError` for lists that describe no subnet.
    """
    b = NetworkBuilder("ofa_proxyless", seed=seed, epsilon=1e-3)
    stem = round_channels(32 * width)
    x = b.conv(b.input(3, resolution, resolution), stem, 3, stride=2, act=_RELU6)
    x = InvertedResidual(round_channels(16 * width), stem).apply(b, x)
    for stage, *block in _blocks(_PROXYLESS, kernels, expansions, depths):
        x = _block(stage, x.type.shape[1], width, *block).apply(b, x)
    x = b.conv(x, round_channels(1280 * max(1.0, width)), act=_RELU6)
    return b.finish(b.classifier(x))


def _blocks(
    stages: Sequence[Stage],
    kernels: int | Sequence[int],
    expansions: int | Sequence[int],
    depths: int | Sequence[int],
) -> Iterator[tuple[Stage, int, int, int]]:
    """The used blocks: their stage, stride, kernel and expansion."""
    most = sum(stage.most_blocks for stage in stages)
    kernel_of = _listed("kernels", kernels, most, (3, 5, 7))
    expansion_of = _listed("expansions", expansions, most, range(1, 9))
    elastic = sum(stage.most_blocks > 1 for stage in stages)
    depth_of = _listed("depths", depths, elastic, range(1, _DEPTH + 1))
    first = 0
    for stage, depth in zip(stages, (*depth_of, *(1,) * (len(stages) - elastic)), strict=True):
        for index in range(first, first + depth):
            stride = stage.stride if index == first else 1
            yield stage, stride, kernel_of[index], expansion_of[index]
        first += stage.most_blocks


def _listed(
    what: str, given: int | Sequence[int], count: int, allowed: Sequence[int]
) -> tuple[int, ...]:
    numbers = (given,) * count if isinstance(given, int) else tuple(given)
    if len(numbers) != count or not set(numbers) <= set(allowed):
        raise UsageError(
            "subnet",
            f"no subnet has the {what} {', '.join(map(str, numbers))}",
            help=f"give {count} of {', '.join(map(str, allowed))}, or one of them for all",
        )
    return numbers


def _block(
    stage: Stage, channels: int, width: float, stride: int, kernel: int, expansion: int
) -> InvertedResidual:
    middle = round_channels(channels * expansion)
    return InvertedResidual(
        round_channels(stage.channels * width),
        middle,
        kernel,
        stride,
        stage.act,
        squeezed=round_channels(middle // 4) if stage.excites else None,
    )
