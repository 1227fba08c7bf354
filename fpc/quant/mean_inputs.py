"""The mean over samples of what each layer reads, gathered while somebody else runs the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from fpc.interp.runner import Runner, RunnerFactory
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Value
from fpc.quant.placement import weight_of


class MeanInputs:
    """Makes runners of observed copies of `graph`, and listens.

    Only the samples at `positions` count, in the order in which the first runner made gets them:
    calibration runs every sample once before anything else.
    """

    def __init__(
        self, graph: Graph, make_runner: RunnerFactory, positions: AbstractSet[int]
    ) -> None:
        self._make_runner = make_runner
        self._positions = positions
        self._wanted = tuple(
            dict.fromkeys(node.input(0) for node in graph if weight_of(node) is not None)
        )
        self._inputs = graph.inputs
        self._sums = {v: np.zeros(v.type.shape, np.float32) for v in self._wanted}
        self._seen = self._counted = 0

    def make_runner(self, copy: Graph) -> Runner:
        """A runner of `copy`, a clone of the graph with any outputs."""
        by_name = {value.name: value for value in copy.values()}
        returned = copy.outputs
        heard = [value for value in self._wanted if value.producer is not None]
        copy.set_outputs(dict.fromkeys((*returned, *(by_name[value.name] for value in heard))))
        places = {value.name: place for place, value in enumerate(copy.outputs)}
        runner = self._make_runner(copy)

        def run(inputs: Sequence[Array]) -> tuple[Array, ...]:
            outputs = runner(inputs)
            if self._seen in self._positions:
                self._add(dict(zip(self._inputs, inputs, strict=True)))
                self._add({value: outputs[places[value.name]] for value in heard})
                self._counted += 1
            self._seen += 1
            return outputs[: len(returned)]

        return run

    def means(self) -> Mapping[Value, Array]:
        """The mean of every value that a convolution or dense layer reads, in its shape."""
        count = np.float32(max(self._counted, 1))
        return {value: total / count for value, total in self._sums.items()}

    def _add(self, arrays: Mapping[Value, Array]) -> None:
        for value, array in arrays.items():
            if value in self._sums:
                self._sums[value] += array
