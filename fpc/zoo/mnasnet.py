"""MnasNet-A1 (Tan et al. 2019), and the space that Accel-NASBench drew its networks from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fpc.diagnostics.errors import UsageError
from fpc.ir.graph import Graph
from fpc.zoo.builder import NetworkBuilder, Nonlinearity
from fpc.zoo.inverted_residual import InvertedResidual

_CHANNELS = (16, 24, 40, 80, 112, 192, 320)
_STRIDES = (1, 2, 2, 2, 1, 2, 1)


class Stage(NamedTuple):
    """A stage of equal blocks; squeeze-excite goes down to a quarter of a block's input."""

    expansion: int
    kernel: int
    blocks: int
    excites: bool = False


_A1 = (
    Stage(1, 3, 1),
    Stage(6, 3, 2),
    Stage(3, 5, 3, excites=True),
    Stage(6, 3, 4),
    Stage(6, 3, 2, excites=True),
    Stage(6, 5, 3, excites=True),
    Stage(6, 3, 1),
)
_A1_CHANNELS = (16, 24, 40, 80, 112, 160, 320)


def mnasnet_a1(resolution: int = 224, seed: int | None = None) -> Graph:
    """Published at 224 pixels: 312 M multiply-adds, 3.9 M parameters."""
    return _network("mnasnet_a1", _A1, _A1_CHANNELS, resolution, seed)


def accel_nasbench(
    stages: Sequence[Stage] = (Stage(6, 5, 3, excites=True),) * len(_CHANNELS),
    resolution: int = 224,
    seed: int | None = None,
) -> Graph:
    """A network of Accel-NASBench (Ahmad et al. 2024) by its seven stages.

    `stages` are the columns `blockN_e`, `_k`, `_l` and `_se` of the benchmark, in this order; the
    default is the largest network of the space. `UsageError` for another number of stages.
    """
    if len(stages) != len(_CHANNELS):
        raise UsageError(
            "network-stages",
            f"an Accel-NASBench network has {len(_CHANNELS)} stages, not {len(stages)}",
            help="give one (expansion, kernel, blocks, squeeze-excite) a stage",
        )
    return _network("accel_nasbench", stages, _CHANNELS, resolution, seed)


def _network(
    name: str,
    stages: Sequence[Stage],
    channels_of: Sequence[int],
    resolution: int,
    seed: int | None,
) -> Graph:
    b = NetworkBuilder(name, seed=seed, epsilon=1e-3)
    relu = Nonlinearity.RELU
    x = b.conv(b.input(3, resolution, resolution), 32, 3, stride=2, act=relu)
    for stage, channels, first_stride in zip(stages, channels_of, _STRIDES, strict=True):
        for index in range(stage.blocks):
            before = x.type.shape[1]
            x = InvertedResidual(
                channels,
                before * stage.expansion,
                stage.kernel,
                1 if index else first_stride,
                relu,
                squeezed=before // 4 if stage.excites else None,
                gate=Nonlinearity.SIGMOID,
            ).apply(b, x)
    return b.finish(b.classifier(b.conv(x, 1280, act=relu)))
