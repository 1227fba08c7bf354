"""Cross-layer equalisation: channels of very different ranges are brought closer together.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV 2019),
section 4.1: an activation that is positively homogeneous, f(s x) = s f(x) for s > 0, lets a factor
move from the output channels of one layer into the input channels of the next ones without changing
the function of the network. Weights here have a scale for every output channel, so the first layer
takes any factor for free, and so does a depthwise layer after it; what is gained is precision of
the activation between them, which has one scale for all its channels. What it costs a full
convolution after it is weighed against that (`fpc.quant.equalisation.channel_scales`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.quant.equalisation.channel_scales import ChannelRange, Reader, choose_scales
from fpc.quant.equalisation.channel_spread import (
    Spread,
    bounded,
    by_input,
    divide_outputs,
    groups_of,
    has_weights,
    multiply_inputs,
    spread_of,
    unmovable,
)
from fpc.rewrite.rewriter import Rewriter

_LEAST_GAIN_DB = 0.5


@dataclass(frozen=True)
class Equalised:
    """The rescaled graph, which computes what the given one does.

    values, nodes: for every value and node of the given graph its twin. rescaled: the twins of
    values whose channels changed. skipped: why activations were left alone, by the location of
    their layer.
    """

    graph: Graph
    values: Mapping[Value, Value]
    nodes: Mapping[Node[Op], Node[Op]]
    rescaled: frozenset[Value]
    skipped: tuple[str, ...]


def equalise(graph: Graph, channels: Mapping[Value, ChannelRange]) -> Equalised:
    """Move factors between layers wherever the modelled error falls by half a decibel or more.

    channels: ranges of activations of the float NCHW `graph`; those it lacks are not considered.
    """
    copy, twins = graph.clone_with_values()
    observed = {twins[value]: found for value, found in channels.items()}
    rewriter = Rewriter(copy)
    rescaled: set[Value] = set()
    skipped: list[str] = []
    for node in filter(has_weights, copy):
        spread = _movable_spread(node)
        if isinstance(spread, str):
            skipped.append(f"{node.location}: {spread}")
            continue
        count = node.input(1).type.shape[0]
        ranges = [observed[value] for value in spread.own if value in observed]
        readers = [_reader(*entry, count) for entry in spread.readers]
        choice = choose_scales(ranges, readers) if ranges else None
        if choice is None or choice.gain_db < _LEAST_GAIN_DB:
            continue
        divide_outputs(rewriter, node, choice.factors)
        for reader, offset in spread.readers:
            multiply_inputs(rewriter, reader, offset, choice.factors)
        rescaled.update(spread.values)
    nodes = dict(zip(graph, copy, strict=True))
    return Equalised(copy, twins, nodes, frozenset(rescaled), tuple(skipped))


def equalisable_share(graph: Graph) -> float:
    """The share of layers whose results' channels can be rescaled, whether it helps or not."""
    layers = [node for node in graph if has_weights(node)]
    movable = sum(not isinstance(_movable_spread(node), str) for node in layers)
    return movable / max(len(layers), 1)


def _movable_spread(node: Node[Op]) -> Spread | str:
    """Where the channels of the layer `node` go, or why no factor can leave it."""
    return bounded(node) or unmovable(node) or spread_of(node)


def _reader(node: Node[Op], offset: int, channels: int) -> Reader:
    """What the noise of an activation does in `node`, which reads it from channel `offset` on."""
    if groups_of(node) > 1:
        return Reader(None, None)
    weight = np.abs(by_input(node).astype(np.float64))
    seen = weight[:, offset : offset + channels]
    return Reader(np.square(seen).sum(axis=2), seen.max(axis=2))
