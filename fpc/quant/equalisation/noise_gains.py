"""How much of the noise in each channel of an activation arrives at the outputs of its graph.

Independent noise adds its variances: a layer multiplies them by the squares of its weights, a clamp
stops what lies outside of it. Followed from the outputs back to the inputs, that tells which
channels' precision matters to the result, and how much (as error gains do in the design of filters
in fixed point).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fpc.ir import ops
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.quant.equalisation.channel_samples import ChannelSample
from fpc.quant.equalisation.channel_spread import Reals, by_input, groups_of, has_weights


def noise_gains(graph: Graph, samples: Mapping[Value, ChannelSample]) -> Mapping[Value, Reals]:
    """The variance at the outputs for a variance of 1 in each channel of each value.

    Values without a sample, and those that nothing leads from to an output, have none. Where
    channels get mixed in other ways than by a layer, each gets the mean.
    """
    gains: dict[Value, Reals] = {}

    def add(value: Value, gain: Reals) -> None:
        if value in samples:
            count = len(samples[value].values)
            each = gain if len(gain) == count else np.full(count, gain.mean())
            gains[value] = gains.get(value, np.zeros(count)) + each

    for value in graph.outputs:
        add(value, np.ones(1))
    for node in reversed(graph):
        value = node.outputs[0]
        if value not in gains:
            continue
        passing = gains[value] * samples[value].passing
        if has_weights(node):
            add(node.input(0), _through_weights(node, passing))
        elif isinstance(node.op, ops.Concat) and node.op.axis == 1:
            ends = np.cumsum([operand.type.shape[1] for operand in node.operands])
            for operand, part in zip(node.operands, np.split(passing, ends[:-1]), strict=True):
                add(operand, part)
        else:
            for operand in node.operands:
                add(operand, passing)
    return gains


def _through_weights(node: Node[Op], gain: Reals) -> Reals:
    """The gains of the input channels of a layer, given those of its results before their clamp."""
    energy = np.square(by_input(node).astype(np.float64)).sum(axis=2)
    groups = groups_of(node)
    by_group = (energy * gain[:, None]).reshape(groups, -1, energy.shape[1])
    return by_group.sum(axis=1).ravel()
