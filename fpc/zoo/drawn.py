"""Networks drawn at random, to learn from their latencies what a machine's kernels cost.

None of them is anybody's network, and each is one that somebody could have published: a stem,
stages at half the resolution of the one before and more channels, blocks of the kinds that the
field knows, a classifier. Every kind leads a like share of them, so that no kernel's price rests on
a few rows, and channels, kernels and resolutions vary within a kind, so that no two prices can only
be told together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias, TypeVar

import numpy as np

from fpc.ir.graph import Graph, Value
from fpc.targets.description import multiply_adds
from fpc.zoo.builder import NetworkBuilder, Nonlinearity, Padding, round_channels
from fpc.zoo.inverted_residual import InvertedResidual

_RELU, _RELU6 = Nonlinearity.RELU, Nonlinearity.RELU6
_HARD_SWISH, _GELU = Nonlinearity.HARD_SWISH, Nonlinearity.GELU
_RESOLUTIONS = (128, 160, 192, 224, 256)
_STEMS = (16, 16, 24, 32, 40, 64)
_STAGES = 4
_FEWEST_MULTIPLY_ADDS, _MOST_MULTIPLY_ADDS = 30e6, 900e6
"""A network below is mostly start-up, one above takes longer to measure than it teaches."""

ChoiceT = TypeVar("ChoiceT")


class _Draw:
    """One network's choices."""

    def __init__(self, seed: tuple[int, ...]) -> None:
        self._random = np.random.default_rng(seed)

    def one_of(self, choices: Sequence[ChoiceT]) -> ChoiceT:
        return choices[int(self._random.integers(len(choices)))]

    def happens(self, probability: float) -> bool:
        return float(self._random.random()) < probability


Block: TypeAlias = Callable[[NetworkBuilder, Value, int, int, _Draw], Value]
"""A block on a map, to so many channels, at a stride of 1 or 2."""


def drawn(count: int, seed: int = 0) -> Iterator[Graph]:
    """`count` networks with weights, the same ones for the same `seed`."""
    kinds = tuple(KINDS)
    for index in range(count):
        kind, attempt = kinds[index % len(kinds)], 0
        while not _is_fitting(_network(kind, (seed, index, attempt), weights=None)):
            attempt += 1
        yield _network(kind, (seed, index, attempt), weights=index)


def _is_fitting(network: Graph) -> bool:
    work = sum(map(multiply_adds, network))
    return _FEWEST_MULTIPLY_ADDS <= work <= _MOST_MULTIPLY_ADDS


def _network(kind: str, seed: tuple[int, ...], weights: int | None) -> Graph:
    draw = _Draw(seed)
    padding = draw.one_of((Padding.SAME, Padding.SYMMETRIC))
    b = NetworkBuilder(f"{kind}_{seed[1]}", seed=weights, padding=padding)
    resolution, channels = draw.one_of(_RESOLUTIONS), draw.one_of(_STEMS)
    kernel, act = draw.one_of((3, 3, 3, 5, 7)), draw.one_of((_RELU, _RELU6, _HARD_SWISH))
    x = b.conv(b.input(3, resolution, resolution), channels, kernel, stride=2, act=act)
    if draw.happens(0.3):
        x = b.max_pool(x, 3, 2)
    for _ in range(_STAGES):
        block = KINDS[kind if draw.happens(0.7) else draw.one_of(tuple(KINDS))]
        channels = round_channels(channels * draw.one_of((1.25, 1.5, 2.0, 2.0)))
        x = block(b, x, channels, draw.one_of((1, 2, 2, 2)), draw)
        for _ in range(draw.one_of((0, 1, 2, 3))):
            x = block(b, x, channels, 1, draw)
    if draw.happens(0.5):
        x = b.conv(x, draw.one_of((512, 960, 1280)), act=act)
    return b.finish(b.classifier(x, draw.one_of((10, 100, 1000))))


def _inverted(b: NetworkBuilder, x: Value, channels: int, stride: int, draw: _Draw) -> Value:
    middle = round_channels(x.type.shape[1] * draw.one_of((1, 2, 3, 4, 6)))
    kernel, act = draw.one_of((3, 5)), draw.one_of((_RELU, _RELU6))
    return InvertedResidual(channels, middle, kernel, stride, act).apply(b, x)


def _excited(b: NetworkBuilder, x: Value, channels: int, stride: int, draw: _Draw) -> Value:
    middle = round_channels(x.type.shape[1] * draw.one_of((2, 3, 4, 6)))
    act = draw.one_of((_RELU, _HARD_SWISH, _HARD_SWISH))
    gate = draw.one_of((Nonlinearity.HARD_SIGMOID, Nonlinearity.SIGMOID))
    squeezed = round_channels(middle / 4) if draw.happens(0.7) else None
    return InvertedResidual(
        channels, middle, draw.one_of((3, 5)), stride, act, squeezed, gate=gate
    ).apply(b, x)


def _separable(b: NetworkBuilder, x: Value, channels: int, stride: int, draw: _Draw) -> Value:
    y = b.depthwise(x, draw.one_of((3, 5)), stride=stride, act=_RELU)
    return b.conv(y, channels, act=_RELU)


def _residual(b: NetworkBuilder, x: Value, channels: int, stride: int, draw: _Draw) -> Value:
    y = b.conv(x, channels, 3, stride=stride, act=_RELU)
    y = b.conv(y, channels, draw.one_of((3, 3, 5)))
    return b.add(y, _shortcut(b, x, channels, stride), _RELU)


def _bottleneck(b: NetworkBuilder, x: Value, channels: int, stride: int, draw: _Draw) -> Value:
    middle, channels = channels, channels * draw.one_of((2, 4))
    y = b.conv(x, middle, act=_RELU)
    y = b.conv(y, middle, 3, stride=stride, act=_RELU)
    return b.add(b.conv(y, channels), _shortcut(b, x, channels, stride), _RELU)


def _shortcut(b: NetworkBuilder, x: Value, channels: int, stride: int) -> Value:
    is_same = stride == 1 and x.type.shape[1] == channels
    return x if is_same else b.conv(x, channels, stride=stride)


def _squeezed(b: NetworkBuilder, x: Value, channels: int, stride: int, draw: _Draw) -> Value:
    if stride == 2:
        pool = draw.one_of((b.max_pool, b.max_pool, b.avg_pool))
        x = pool(x, draw.one_of((2, 3)), 2, Padding.SAME)
    y = b.conv(x, round_channels(channels / draw.one_of((2, 4))), act=_RELU)
    return b.concat(b.conv(y, channels, act=_RELU), b.conv(y, channels, 3, act=_RELU))


def _partial(b: NetworkBuilder, x: Value, channels: int, stride: int, draw: _Draw) -> Value:
    x = b.conv(x, channels, 2 if stride == 2 else 1, stride=stride, padding=Padding.VALID)
    part = channels // 4
    mixed, rest = b.split(x, part, channels - part)
    y = b.concat(b.conv(mixed, part, 3), rest)
    y = b.conv(y, 2 * channels, act=draw.one_of((_RELU, _GELU)))
    return b.add(x, b.conv(y, channels))


def _shuffled(b: NetworkBuilder, x: Value, channels: int, stride: int, draw: _Draw) -> Value:
    groups = draw.one_of((2, 4))
    middle = round_channels(x.type.shape[1] * draw.one_of((1, 2)))
    y = b.shuffle(b.conv(x, middle, groups=groups, act=_RELU), groups)
    y = b.depthwise(y, draw.one_of((3, 5)), stride=stride, act=_RELU)
    y = b.conv(y, channels, groups=groups)
    return b.add(x, y) if stride == 1 and x.type.shape[1] == channels else y


KINDS: Mapping[str, Block] = MappingProxyType(
    {
        "inverted": _inverted,
        "excited": _excited,
        "separable": _separable,
        "residual": _residual,
        "bottleneck": _bottleneck,
        "squeezed": _squeezed,
        "partial": _partial,
        "shuffled": _shuffled,
    }
)
"""The blocks of which the networks are made."""
