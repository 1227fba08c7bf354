"""The smallest and the greatest value of every channel of every activation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fpc.interp.runner import RunnerFactory, Samples
from fpc.interp.two_at_once import two_at_once
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Value
from fpc.quant.calibration.activations import activations
from fpc.quant.calibration.statistics import observed_values
from fpc.quant.equalisation.channel_scales import ChannelRange


def channel_ranges(
    graph: Graph, samples: Samples, make_runner: RunnerFactory
) -> Mapping[Value, ChannelRange]:
    """The channel ranges of `observed_values(graph)` over float `samples`.

    Channels are along axis 1 of feature maps, along the last axis of anything else.
    """
    run = activations(graph, observed_values(graph), make_runner)

    def look(numbered: tuple[int, tuple[Array, ...]]) -> dict[Value, ChannelRange]:
        return {value: _range(array) for value, array in run(*numbered).items()}

    found: dict[Value, ChannelRange] = {}
    for seen in two_at_once(look, enumerate(samples)):
        for value, channels in seen.items():
            found[value] = found[value].hull(channels) if value in found else channels
    return found


def _range(array: Array) -> ChannelRange:
    axis = 1 if array.ndim == 4 else array.ndim - 1
    others = tuple(i for i in range(array.ndim) if i != axis)
    low, high = array.min(axis=others), array.max(axis=others)
    return ChannelRange(low.astype(np.float64), high.astype(np.float64))
