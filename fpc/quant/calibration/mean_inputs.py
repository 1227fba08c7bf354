"""The mean over samples of what each layer reads, gathered while somebody else runs the graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

import numpy as np

from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import Conv2d
from fpc.quant.analysis.placement import weight_of
from fpc.quant.analysis.saturation import EVERYTHING, Bounds, clamp_bounds


class MeanInputs:
    """Listens (see `fpc.quant.calibration.statistics.Listener`) to what the layers of `graph` read.

    Only the samples at `positions` count. What a clamp makes is computed here from what it reads:
    calibration looks at that anyway, and every value more is a tensor more in memory.
    """

    def __init__(self, graph: Graph, positions: AbstractSet[int]) -> None:
        self._positions = positions
        layers = [node for node in graph if weight_of(node) is not None]
        read = dict.fromkeys(node.input(0) for node in layers)
        mapped = {node.input(0) for node in layers if not _is_pointwise(node)}
        self._origins = {value: _origin(value) for value in read}
        self._sums = {
            value: np.zeros(value.type.shape if value in mapped else _by_channel(value), np.float32)
            for value in read
        }
        self._clamped = np.empty(max((value.type.size for value in read), default=0), np.float32)
        self._count = 0

    @property
    def values(self) -> Iterable[Value]:
        """What tells the inputs of all layers."""
        return dict.fromkeys(origin for origin, _ in self._origins.values())

    def wants(self, position: int) -> bool:
        """Whether the sample at `position` counts."""
        return position in self._positions

    def hear(self, arrays: Mapping[Value, Array]) -> None:
        """One sample more."""
        for value, (origin, bounds) in self._origins.items():
            array = arrays[origin]
            if bounds != EVERYTHING:
                space = self._clamped[: array.size].reshape(array.shape)
                array = np.clip(array, *bounds, out=space)
            sums = self._sums[value]
            sums += (
                array if sums.shape == array.shape else array.mean(axis=(0, 2, 3), keepdims=True)
            )
        self._count += 1

    def means(self) -> Mapping[Value, Array]:
        """The mean of every value that a convolution or dense layer reads.

        In its shape, but [1, channels, 1, 1] where pointwise convolutions alone read it.
        """
        count = np.float32(max(self._count, 1))
        return {value: total / count for value, total in self._sums.items()}


def _is_pointwise(layer: Node[Op]) -> bool:
    """Whether `layer` is a convolution to which all pixels are alike."""
    match layer.op:
        case Conv2d(strides=(1, 1), pads=(0, 0, 0, 0)):
            return layer.input(1).type.shape[2:] == (1, 1)
        case _:
            return False


def _by_channel(value: Value) -> tuple[int, ...]:
    return 1, value.type.shape[1], 1, 1


def _origin(value: Value) -> tuple[Value, Bounds]:
    """The value that a clamp reads, with the clamp's bounds; any other value as it is."""
    node = value.producer
    bounds = None if node is None else clamp_bounds(node.op)
    if node is None or bounds is None:
        return value, EVERYTHING
    return node.input(0), bounds
