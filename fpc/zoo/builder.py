"""Building a network layer by layer: shapes only, or with seeded weights."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from fpc.ir.constant import Array, Constant
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Value
from fpc.ir.op import Activation, Op
from fpc.ir.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    Gelu,
    GlobalAvgPool,
    HardSigmoid,
    HardSwish,
    MaxPool,
    Mul,
    Relu,
    Relu6,
    Reshape,
    Sigmoid,
    Silu,
    Split,
    Transpose,
)
from fpc.ir.types import TensorType


class Nonlinearity(enum.Enum):
    """What follows a layer."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    HARD_SWISH = "hard_swish"
    SILU = "silu"
    GELU = "gelu"
    SIGMOID = "sigmoid"
    HARD_SIGMOID = "hard_sigmoid"


class Padding(enum.Enum):
    """Zeros around a map so that stride 1 keeps its extents."""

    SYMMETRIC = "symmetric"
    """k // 2 on every side, as PyTorch's definitions write it."""
    SAME = "same"
    """As few as needed, the odd one at the bottom and right: TensorFlow's SAME."""
    VALID = "valid"
    """None."""


class Affine(enum.Enum):
    """What is done to a convolution's sums, channel by channel."""

    NONE = "none"
    BIAS = "bias"
    BATCH_NORM = "batch_norm"
    BIAS_AND_BATCH_NORM = "bias_and_batch_norm"

    @property
    def normalises(self) -> bool:
        """Whether a batch norm follows."""
        return self in (Affine.BATCH_NORM, Affine.BIAS_AND_BATCH_NORM)

    @property
    def has_bias(self) -> bool:
        """Whether the convolution itself has a bias."""
        return self in (Affine.BIAS, Affine.BIAS_AND_BATCH_NORM)


Weights: TypeAlias = Callable[[str, tuple[int, ...]], Array]
"""The array that the parameter of a name has, which must be of the shape."""


class NetworkBuilder:
    """A graph under construction: NCHW, batch 1, float32.

    Without `seed` and `weights` constants have shapes only and the graph is as deployed: batch
    norms folded into biases, clamps fused, which is what cost estimation and search need. With a
    `seed`, weights are drawn (variance 1 / fan-in), batch norms stand with drawn statistics, and
    activations are operators of their own, as in a file exported after training. The passes of
    `optimise` turn the second form into the first. `weights` fills the same form with arrays that
    are asked for by name, and every layer must then have one.

    Where layers have names, constants are called as in the state of a PyTorch module: those of the
    convolution `a.conv` are `a.conv.weight` and `a.conv.bias`, its batch norm is `a.bn`.
    """

    def __init__(
        self,
        name: str,
        *,
        seed: int | None = None,
        weights: Weights | None = None,
        padding: Padding = Padding.SYMMETRIC,
        epsilon: float = 1e-5,
    ) -> None:
        self._graph = Graph(name)
        self._random = None if seed is None else np.random.default_rng(seed)
        self._weights = weights
        self._is_deployed = seed is None and weights is None
        self._abstract = Constant.abstract()
        self._padding = padding
        self._epsilon = epsilon

    @classmethod
    def extending(
        cls,
        graph: Graph,
        name: str,
        *,
        seed: int | None = None,
        padding: Padding = Padding.SYMMETRIC,
    ) -> NetworkBuilder:
        """A builder that adds to `graph`, which takes the new `name`."""
        builder = cls(name, seed=seed, padding=padding)
        graph.name = name
        builder._graph = graph
        return builder

    def input(self, channels: int, height: int, width: int, name: str = "input") -> Value:
        """An input map [1, channels, height, width]."""
        return self._graph.add_input(name, TensorType(DType.F32, (1, channels, height, width)))

    def finish(self, *outputs: Value) -> Graph:
        """The network that returns `outputs`."""
        self._graph.set_outputs(outputs)
        return self._graph

    def apply(self, op: Op, *operands: Value | None) -> Value:
        """The one result of `op` applied to `operands`."""
        return self._graph.add(op, *operands).output

    def conv(  # noqa: PLR0913 - no fewer make a convolution
        self,
        x: Value,
        channels: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        act: Nonlinearity = Nonlinearity.NONE,
        affine: Affine = Affine.BATCH_NORM,
        padding: Padding | None = None,
        name: str = "",
    ) -> Value:
        """A convolution, its bias or batch norm, and its nonlinearity."""
        _, in_channels, height, width = x.type.shape
        pads = _pads(padding or self._padding, (height, width), kernel, stride)
        weight = self._weight(name, channels, in_channels // groups, kernel, kernel)
        deployed = self._is_deployed
        has_bias = affine.has_bias or (deployed and affine.normalises)
        op = Conv2d(
            (stride, stride),
            pads,
            groups=groups,
            activation=_fused(act) if deployed else Activation.NONE,
        )
        y = self.apply(op, x, weight, self._bias(name, channels) if has_bias else None)
        if affine.normalises and not deployed:
            y = self._batch_norm(y, under(name.rpartition(".")[0], "bn"))
        return self._after(y, act)

    def depthwise(
        self,
        x: Value,
        kernel: int,
        *,
        stride: int = 1,
        act: Nonlinearity = Nonlinearity.NONE,
        affine: Affine = Affine.BATCH_NORM,
        name: str = "",
    ) -> Value:
        """A depthwise convolution, its batch norm and its nonlinearity."""
        channels = x.type.shape[1]
        return self.conv(
            x, channels, kernel, stride=stride, groups=channels, act=act, affine=affine, name=name
        )

    def dense(
        self,
        x: Value,
        units: int,
        act: Nonlinearity = Nonlinearity.NONE,
        *,
        bias: bool = True,
        name: str = "",
    ) -> Value:
        """A fully connected layer on [1, features]."""
        weight = self._weight(name, units, x.type.shape[1])
        op = Dense(_fused(act) if self._is_deployed else Activation.NONE)
        y = self.apply(op, x, weight, self._bias(name, units) if bias else None)
        return self._after(y, act)

    def add(self, x: Value, y: Value, act: Nonlinearity = Nonlinearity.NONE) -> Value:
        """A shortcut: x + y and a nonlinearity."""
        fused = _fused(act) if self._is_deployed else Activation.NONE
        return self._after(self.apply(Add(fused), x, y), act)

    def squeeze_excite(
        self,
        x: Value,
        squeezed: int,
        *,
        act: Nonlinearity = Nonlinearity.RELU,
        gate: Nonlinearity = Nonlinearity.HARD_SIGMOID,
        name: str = "",
    ) -> Value:
        """x times a gate a channel, computed from the channels' means (Hu et al. 2018)."""
        means = self.apply(GlobalAvgPool(), x)
        bias, reduce, expand = Affine.BIAS, under(name, "reduce"), under(name, "expand")
        inner = self.conv(means, squeezed, act=act, affine=bias, name=reduce)
        gates = self.conv(inner, x.type.shape[1], act=gate, affine=bias, name=expand)
        return self.apply(Mul(), x, gates)

    def global_pool(self, x: Value) -> Value:
        """The mean of each channel's map, [1, channels, 1, 1]."""
        return self.apply(GlobalAvgPool(), x)

    def flatten(self, x: Value) -> Value:
        """Everything but the batch in one axis."""
        return self.apply(Reshape((x.type.shape[0], x.type.size // x.type.shape[0])), x)

    def split(self, x: Value, *sizes: int) -> tuple[Value, ...]:
        """x cut into pieces of `sizes` channels."""
        return self._graph.add(Split(1, sizes), x).outputs

    def concat(self, *pieces: Value) -> Value:
        """The channels of all pieces, one after the other."""
        return self.apply(Concat(1), *pieces)

    def shuffle(self, x: Value, groups: int) -> Value:
        """Channel i of each of `groups` equal groups brought together (Zhang et al. 2018)."""
        batch, channels, height, width = x.type.shape
        cut = self.apply(Reshape((batch, groups, channels // groups, height, width)), x)
        return self.apply(Reshape(x.type.shape), self.apply(Transpose((0, 2, 1, 3, 4)), cut))

    def classifier(self, x: Value, classes: int = 1000) -> Value:
        """Logits [1, classes] of a map: its channels' means, and a fully connected layer."""
        return self.dense(self.flatten(self.global_pool(x)), classes)

    def max_pool(self, x: Value, kernel: int, stride: int, padding: Padding | None = None) -> Value:
        """The largest value of each window."""
        pads = _pads(padding or self._padding, x.type.shape[2:], kernel, stride)
        return self.apply(MaxPool((kernel, kernel), (stride, stride), pads), x)

    def avg_pool(self, x: Value, kernel: int, stride: int, padding: Padding | None = None) -> Value:
        """The mean of each window, padding not counted."""
        pads = _pads(padding or self._padding, x.type.shape[2:], kernel, stride)
        return self.apply(AvgPool((kernel, kernel), (stride, stride), pads), x)

    def batch_norm(self, x: Value, act: Nonlinearity = Nonlinearity.NONE) -> Value:
        """A batch norm that follows no convolution; as deployed, a 1x1 depthwise one."""
        if self._is_deployed:
            return self.depthwise(x, 1, act=act)
        return self._after(self._batch_norm(x), act)

    def activation(self, x: Value, act: Nonlinearity) -> Value:
        """A nonlinearity that follows no layer of this builder."""
        op = _operator(act)
        return x if op is None else self.apply(op, x)

    def _after(self, y: Value, act: Nonlinearity) -> Value:
        if self._is_deployed and _fused(act) is not Activation.NONE:
            return y
        return self.activation(y, act)

    def _weight(self, layer: str, *shape: int) -> Value:
        deviation = 1.0 / math.sqrt(math.prod(shape[1:]))
        return self._constant(layer, "weight", shape, _Normal(0.0, deviation))

    def _bias(self, layer: str, channels: int) -> Value:
        return self._constant(layer, "bias", (channels,), _Normal(0.0, 0.1))

    def _batch_norm(self, y: Value, layer: str = "") -> Value:
        names = ("weight", "bias", "running_mean", "running_var")
        if not layer:
            names = ("scale", "bias", "mean", "variance")
        drawn = (_Normal(1.0, 0.1), _Normal(0.0, 0.2), _Normal(0.0, 0.1), _Uniform(0.5, 1.5))
        parameters = (
            self._constant(layer, name, y.type.shape[1:2], distribution)
            for name, distribution in zip(names, drawn, strict=True)
        )
        return self.apply(BatchNorm(self._epsilon), y, *parameters)

    def _constant(
        self, layer: str, part: str, shape: tuple[int, ...], drawn: _Normal | _Uniform
    ) -> Value:
        name = under(layer, part) or part
        if self._weights is not None:
            return self._graph.constant(self._weights(name, shape), name)
        if self._random is None:
            return self._graph.constant_of(self._abstract, TensorType(DType.F32, shape), name)
        data = drawn.draw(self._random, shape)
        return self._graph.constant(data.astype(np.float32), name)


class _Normal(NamedTuple):
    mean: float
    deviation: float

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return random.normal(self.mean, self.deviation, shape)


class _Uniform(NamedTuple):
    low: float
    high: float

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return random.uniform(self.low, self.high, shape)


def under(module: str, part: str) -> str:
    """The name of a part of `module`; parts of a module without a name have none either."""
    return f"{module}.{part}" if module else ""


def _operator(act: Nonlinearity) -> Op | None:
    match act:
        case Nonlinearity.NONE:
            return None
        case Nonlinearity.RELU:
            return Relu()
        case Nonlinearity.RELU6:
            return Relu6()
        case Nonlinearity.HARD_SWISH:
            return HardSwish()
        case Nonlinearity.SILU:
            return Silu()
        case Nonlinearity.GELU:
            return Gelu()
        case Nonlinearity.SIGMOID:
            return Sigmoid()
        case Nonlinearity.HARD_SIGMOID:
            return HardSigmoid()


def _fused(act: Nonlinearity) -> Activation:
    match act:
        case Nonlinearity.RELU:
            return Activation.RELU
        case Nonlinearity.RELU6:
            return Activation.RELU6
        case _:
            return Activation.NONE


def _pads(
    padding: Padding, extents: tuple[int, ...], kernel: int, stride: int
) -> tuple[int, int, int, int]:
    match padding:
        case Padding.SYMMETRIC:
            half = kernel // 2
            return (half, half, half, half)
        case Padding.VALID:
            return (0, 0, 0, 0)
        case Padding.SAME:
            totals = [max(0, (-(-e // stride) - 1) * stride + kernel - e) for e in extents]
            before = [total // 2 for total in totals]
            after = [total - b for total, b in zip(totals, before, strict=True)]
            return (before[0], before[1], after[0], after[1])


def round_channels(channels: float, divisor: int = 8) -> int:
    """`channels` as a multiple of `divisor`, never more than 10 % below (MobileNet's rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
