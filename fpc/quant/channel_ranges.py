"""The smallest and the greatest value of every channel of every activation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fpc.interp.runner import RunnerFactory, Samples
from fpc.interp.two_at_once import two_at_once
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Value
from fpc.quant.channel_scales import ChannelRange
from fpc.quant.statistics import observed_values


def channel_ranges(
    graph: Graph, samples: Samples, make_runner: RunnerFactory
) -> Mapping[Value, ChannelRange]:
    """The channel ranges of `observed_values(graph)` over float `samples`.

    Channels are along axis 1 of feature maps, along the last axis of anything else.
    """
    values = observed_values(graph)
    computed = [value for value in values if value.producer is not None]
    copy, twins = graph.clone_with_values()
    copy.set_outputs(twins[value] for value in computed)
    runner = make_runner(copy)

    def look(sample: tuple[Array, ...]) -> dict[Value, ChannelRange]:
        arrays = dict(zip(graph.inputs, sample, strict=True))
        arrays.update(zip(computed, runner(sample), strict=True))
        return {value: _range(arrays[value]) for value in values}

    found: dict[Value, ChannelRange] = {}
    for seen in two_at_once(look, samples):
        for value, channels in seen.items():
            found[value] = found[value].hull(channels) if value in found else channels
    return found


def _range(array: Array) -> ChannelRange:
    axis = 1 if array.ndim == 4 else array.ndim - 1
    others = tuple(i for i in range(array.ndim) if i != axis)
    low, high = array.min(axis=others), array.max(axis=others)
    return ChannelRange(low.astype(np.float64), high.astype(np.float64))
