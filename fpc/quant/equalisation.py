"""Cross-layer equalisation: channels of very different ranges are brought closer together.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV 2019),
section 4.1: an activation that is positively homogeneous, f(s x) = s f(x) for s > 0, lets a factor
move from the output channels of one layer into the input channels of the next ones without changing
the function of the network. Weights here have a scale for every output channel, so the first layer
takes any factor for free, and so does a depthwise layer after it; what is gained is precision of
the activation between them, which has one scale for all its channels. What it costs a full
convolution after it is weighed against that (`fpc.quant.channel_scales`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpc.ir import ops
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Activation, Layout, Op
from fpc.quant.channel_scales import ChannelRange, Reader, choose_scales
from fpc.rewrite.rewriter import Rewriter

Reals = NDArray[np.float64]
_WEIGHTED = (ops.Conv2d, ops.ConvTranspose2d, ops.Dense)
_LEAST_GAIN_DB = 0.5


@dataclass(frozen=True)
class Equalised:
    """The rescaled graph, which computes what the given one does.

    values: for every value of the given graph its twin. rescaled: the twins whose channels changed.
    skipped: why activations were left alone, by the location of their layer.
    """

    graph: Graph
    values: Mapping[Value, Value]
    rescaled: frozenset[Value]
    notes: tuple[str, ...]
    skipped: tuple[str, ...]


def equalise(graph: Graph, channels: Mapping[Value, ChannelRange]) -> Equalised:
    """Move factors between layers wherever the modelled error falls by half a decibel or more.

    channels: ranges of activations of the float NCHW `graph`; those it lacks are not considered.
    """
    copy, twins = graph.clone_with_values()
    observed = {twins[value]: found for value, found in channels.items()}
    rewriter = Rewriter(copy)
    rescaled: dict[Value, None] = {}
    notes: list[str] = []
    skipped: list[str] = []
    for node in filter(_has_weights, copy):
        spread = _spread_of(node)
        if isinstance(spread, str):
            skipped.append(f"{node.location}: {spread}")
            continue
        count = node.input(1).type.shape[0]
        ranges = [observed[value] for value in spread.own if value in observed]
        readers = [_reader(*entry, count) for entry in spread.readers]
        choice = choose_scales(ranges, readers) if ranges else None
        if choice is None or choice.gain_db < _LEAST_GAIN_DB:
            continue
        _divide_outputs(rewriter, node, choice.factors)
        for reader, offset in spread.readers:
            _multiply_inputs(rewriter, reader, offset, choice.factors)
        rescaled.update(dict.fromkeys(spread.values))
        notes.append(f"{node.location}: {choice.gain_db:.1f} dB expected")
    return Equalised(copy, twins, frozenset(rescaled), tuple(notes), tuple(skipped))


def equalisable_share(graph: Graph) -> float:
    """The share of layers whose results' channels can be rescaled, whether it helps or not."""
    layers = [node for node in graph if _has_weights(node)]
    movable = sum(not isinstance(_spread_of(node), str) for node in layers)
    return movable / max(len(layers), 1)


def _has_weights(node: Node[Op]) -> bool:
    return isinstance(node.op, _WEIGHTED) and node.input(1).is_constant


def _spread_of(node: Node[Op]) -> _Spread | str:
    """Where the channels that a layer makes go, or why factors cannot follow them."""
    spread = _Spread()
    reason = _bounded(node) or spread.follow(node.output)
    if reason is None and not spread.readers:
        reason = "no layer reads its result"
    return reason or spread


class _Spread:
    """How far the channels of one result reach.

    values: those it runs through; own: the ones among them that hold its channels alone; readers:
    the layers that weigh them, with the place of the first channel in their input.
    """

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.own: list[Value] = []
        self.readers: list[tuple[Node[Op], int]] = []

    def follow(self, value: Value, offset: int | None = None) -> str | None:
        """Follow `value`, in which the channels start at `offset` among those of others.

        Gives the reason why that cannot be done, if there is one.
        """
        self.values.append(value)
        if offset is None:
            self.own.append(value)
        if value.is_graph_output:
            return "its result is an output of the graph"
        for user in value.users:
            reason = self._enter(user, value, offset)
            if reason is not None:
                return reason
        return None

    def _enter(self, user: Node[Op], value: Value, offset: int | None) -> str | None:
        if isinstance(user.op, _WEIGHTED):
            reason = _unscalable_input(user, value)
            if reason is None:
                self.readers.append((user, offset or 0))
            return reason
        if isinstance(user.op, ops.Concat) and user.op.axis == 1 and value.type.rank == 4:
            place = user.operands.index(value)
            if user.operands.count(value) > 1:
                return f"{user.location} takes it twice"
            before = sum(operand.type.shape[1] for operand in user.operands[:place])
            return self.follow(user.output, before + (offset or 0))
        if _passes_channels(user):
            return self.follow(user.output, offset)
        return f"{user.op.mnemonic} at {user.location} does not scale with its input"


def _unscalable_input(node: Node[Op], value: Value) -> str | None:
    """Why weights of `node` cannot take factors of its input, `value`."""
    weight = node.input(1)
    if node.input(0) is not value or not weight.is_constant or not weight.has_one_use:
        return f"{node.location} shares or computes its weights"
    if isinstance(node.op, ops.Dense) and value.type.rank != 2:
        return f"{node.location} reads more than channels"
    if getattr(node.op, "groups", 1) > 1 and weight.type.shape[1] > 1:
        return f"{node.location} is grouped"
    return None


def _bounded(node: Node[Op]) -> str | None:
    """Why a factor cannot leave `node` itself."""
    activation = getattr(node.op, "activation", Activation.NONE)
    if activation not in (Activation.NONE, Activation.RELU):
        return f"{activation.value} bounds every channel alike"
    if not node.input(1).has_one_use:
        return "its weights are shared"
    if isinstance(node.op, ops.Dense) and node.output.type.rank != 2:
        return "its result has more than channels"
    return None


def _passes_channels(node: Node[Op]) -> bool:
    """Whether a positive factor on a channel of the input is one on that channel of the result."""
    shape = node.operands[0].type.shape
    match node.op:
        case ops.Relu() | ops.LeakyRelu() | ops.MaxPool() | ops.AvgPool() | ops.GlobalAvgPool():
            return True
        case ops.PRelu():
            return node.input(1).is_constant
        case ops.Clip(minimum=minimum, maximum=None):
            return minimum == 0.0
        case ops.ReduceMean(axes=axes):
            return 0 not in axes and 1 not in axes
        case ops.Pad(before=before, after=after, value=fill, mode=mode):
            still = before[1] == after[1] == 0
            return still and (fill == 0.0 or mode is not ops.PadMode.CONSTANT)
        case ops.Resize():
            return node.op.layout is Layout.NCHW
        case ops.Reshape(shape=target):
            return all(extent == 1 for extent in (*shape[2:], *target[2:])) and (
                tuple(shape[:2]) == tuple(target[:2])
            )
        case _:
            return False


def _reader(node: Node[Op], offset: int, channels: int) -> Reader:
    """What the noise of an activation does in `node`, which reads it from channel `offset` on."""
    if getattr(node.op, "groups", 1) > 1:
        return Reader(None, None)
    weight = np.abs(_by_input(node).astype(np.float64))
    seen = weight[:, offset : offset + channels]
    return Reader(np.square(seen).sum(axis=2), seen.max(axis=2))


def _by_input(node: Node[Op]) -> NDArray[np.float32]:
    """The weights of `node` as [out channels, in channels of a group, taps]."""
    weight = node.input(1).data
    return weight.reshape(*weight.shape[:2], -1)


def _divide_outputs(rewriter: Rewriter, node: Node[Op], factors: Reals) -> None:
    weight, bias = node.input(1), node.optional_input(2)
    shaped = factors.reshape(-1, *(1,) * (weight.type.rank - 1))
    _replace(rewriter, node, 1, weight.data / shaped)
    if bias is not None:
        _replace(rewriter, node, 2, bias.data / factors)


def _multiply_inputs(rewriter: Rewriter, node: Node[Op], offset: int, factors: Reals) -> None:
    """Scale the weights of `node` that meet channels `offset`, ... of its input."""
    weight = node.input(1).data.astype(np.float64)
    groups = getattr(node.op, "groups", 1)
    group_channels = weight.shape[1]
    scale = np.ones(groups * group_channels)
    scale[offset : offset + len(factors)] = factors
    by_output = np.repeat(scale.reshape(groups, group_channels), len(weight) // groups, axis=0)
    _replace(
        rewriter, node, 1, weight * by_output.reshape(*by_output.shape, *(1,) * (weight.ndim - 2))
    )


def _replace(rewriter: Rewriter, node: Node[Op], index: int, data: Reals) -> None:
    old = node.input(index)
    rewriter.set_input(node, index, rewriter.constant(data.astype(old.data.dtype), old.name))
