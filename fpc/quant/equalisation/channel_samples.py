"""Some values of every channel of every activation, before the clamps fused into operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fpc.interp.runner import RunnerFactory, Samples
from fpc.interp.two_at_once import two_at_once
from fpc.ir import ops
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Activation, Op, fused_activation
from fpc.quant.analysis.saturation import activation_bounds
from fpc.quant.calibration.activations import activations
from fpc.quant.equalisation.channel_spread import Reals
from fpc.rewrite.rewriter import Rewriter

_VALUES_PER_CHANNEL = 1024
_CLAMPS: Mapping[Activation, Op] = MappingProxyType(
    {Activation.RELU: ops.Relu(), Activation.RELU6: ops.Relu6()}
)


@dataclass(frozen=True)
class ChannelSample:
    """Values of the channels of one activation before the clamp that ends its op.

    values: [channels, samples]; largest: the greatest magnitude of each channel that is not below
    the clamp, over all pixels of all samples.
    """

    values: NDArray[np.float32]
    largest: Reals
    clamp: Activation

    @property
    def upper(self) -> float:
        """What the clamp lets through at most."""
        return activation_bounds(self.clamp)[1]

    @property
    def reach(self) -> Reals:
        """The greatest magnitude of each channel after the clamp."""
        return np.minimum(self.largest, self.upper)

    @cached_property
    def magnitudes(self) -> NDArray[np.float32]:
        """How far the values are from zero, those below the clamp not at all."""
        return _magnitudes(self.values, self.clamp)

    @cached_property
    def clamped(self) -> NDArray[np.float32]:
        """The values after the clamp."""
        return np.clip(self.values, *activation_bounds(self.clamp))

    @cached_property
    def variance(self) -> Reals:
        """That of each channel after the clamp."""
        return self.clamped.var(axis=1, dtype=np.float64)

    @cached_property
    def active(self) -> Reals:
        """The share of values that are not zero after the clamp."""
        return (self.clamped != 0.0).mean(axis=1)

    @cached_property
    def passing(self) -> Reals:
        """The share of values that a small change moves after the clamp too."""
        if self.clamp is Activation.NONE:
            return np.ones(len(self.values))
        return ((self.values > 0.0) & (self.values < self.upper)).mean(axis=1)


def channel_samples(
    graph: Graph, samples: Samples, make_runner: RunnerFactory
) -> Mapping[Value, ChannelSample]:
    """A sample of every input and result of `graph` with channels along axis 1 and a batch of 1."""
    opened, before = _without_clamps(graph)
    chosen = {value: twin for value, twin in before.items() if _has_channels(value)}
    run = activations(opened, chosen.values(), make_runner)
    pixels = max(1, _VALUES_PER_CHANNEL // max(len(samples), 1))

    def look(numbered: tuple[int, tuple[Array, ...]]) -> dict[Value, tuple[Array, Array]]:
        position, sample = numbered
        arrays = run(position, sample)
        return {
            value: _look(arrays[twin], _clamp_of(value), pixels, position)
            for value, twin in chosen.items()
        }

    found: dict[Value, list[tuple[Array, Array]]] = {value: [] for value in chosen}
    for seen in two_at_once(look, enumerate(samples)):
        for value, part in seen.items():
            found[value].append(part)
    return {value: _joined(parts, _clamp_of(value)) for value, parts in found.items()}


def _joined(parts: Sequence[tuple[Array, Array]], clamp: Activation) -> ChannelSample:
    values = np.concatenate([values for values, _ in parts], axis=1)
    largest = np.max([largest for _, largest in parts], axis=0).astype(np.float64)
    return ChannelSample(values, largest, clamp)


def _look(array: Array, clamp: Activation, pixels: int, position: int) -> tuple[Array, Array]:
    """Some pixels of one array, and the greatest magnitude of each channel."""
    rows = array.reshape(array.shape[1], -1)
    generator = np.random.default_rng(position)
    places = generator.integers(0, rows.shape[1], min(pixels, rows.shape[1]))
    return rows[:, places], _magnitudes(rows, clamp).max(axis=1)


def _magnitudes(values: Array, clamp: Activation) -> Array:
    return np.abs(values) if clamp is Activation.NONE else np.maximum(values, 0.0)


def _has_channels(value: Value) -> bool:
    shape = value.type.shape
    return value.type.dtype.is_float and len(shape) in (2, 4) and shape[0] == 1 and shape[1] > 0


def _clamp_of(value: Value) -> Activation:
    """The clamp that `_without_clamps` takes off what makes `value`."""
    node = value.producer
    clamp = Activation.NONE if node is None else fused_activation(node.op)
    return clamp if clamp in _CLAMPS else Activation.NONE


def _without_clamps(graph: Graph) -> tuple[Graph, dict[Value, Value]]:
    """A copy with fused clamps as nodes of their own, and the value before them of every value."""
    copy, twins = graph.clone_with_values()
    rewriter = Rewriter(copy)
    before = {value: twins[value] for value in graph.inputs}
    for node, twin in zip(graph, list(copy), strict=True):
        before.update(zip(node.outputs, twin.outputs, strict=True))
        if _clamp_of(node.outputs[0]) is not Activation.NONE:
            before[node.output] = _split(rewriter, twin)
    return copy, before


def _split(rewriter: Rewriter, node: Node[Op]) -> Value:
    """Make the clamp fused into `node` a node of its own; gives what it reads."""
    clamp = _CLAMPS[fused_activation(node.op)]
    bare = replace(node.op, activation=Activation.NONE)  # pyright: ignore[reportCallIssue]
    made = rewriter.insert(bare, *node.inputs, before=node)
    rewriter.replace(node, clamp, made.output)
    return made.output
