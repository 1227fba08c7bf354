"""What a graph computes on its way to its outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from fpc.diagnostics.errors import QuantError
from fpc.interp.runner import Runner, RunnerFactory
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Value

Activations: TypeAlias = Callable[[int, Sequence[Array]], dict[Value, Array]]
"""Gives the values of a graph for the sample at a position."""


def returning(graph: Graph, values: Iterable[Value]) -> Graph:
    """A copy of `graph` whose outputs are `values`."""
    copy, twins = graph.clone_with_values()
    copy.set_outputs(twins[value] for value in values)
    return copy


def activations(graph: Graph, values: Iterable[Value], make_runner: RunnerFactory) -> Activations:
    """What gives `values`, inputs of `graph` or computed ones, for float samples.

    Several threads may call it at once if they may call a runner. It raises `QuantError` when a
    sample does not fit the graph's inputs.
    """
    inputs = graph.inputs
    wanted = dict.fromkeys(values)
    given = [value for value in inputs if value in wanted]
    computed = [value for value in wanted if value.producer is not None]
    runner: Runner | None = make_runner(returning(graph, computed)) if computed else None

    def run(position: int, sample: Sequence[Array]) -> dict[Value, Array]:
        arrays = dict(zip(inputs, _checked(inputs, sample, position), strict=True))
        found = {value: arrays[value] for value in given}
        if runner is not None:
            found.update(zip(computed, runner(tuple(arrays.values())), strict=True))
        return found

    return run


def _checked(inputs: Sequence[Value], sample: Sequence[Array], index: int) -> tuple[Array, ...]:
    """`sample` as a tuple of arrays; `QuantError` when it does not fit the graph's inputs."""
    if len(sample) != len(inputs):
        raise QuantError(
            "sample-count",
            f"calibration sample {index} holds {len(sample)} arrays, the model has "
            f"{len(inputs)} inputs",
        )
    arrays = tuple(np.asarray(array) for array in sample)
    for value, array in zip(inputs, arrays, strict=True):
        if array.shape != value.type.shape:
            raise QuantError(
                "sample-shape",
                f"calibration sample {index} has shape {list(array.shape)} for input "
                f"%{value.name}, which takes {list(value.type.shape)}",
                help="resize or crop the samples, or import the model with another input shape",
            )
        if array.dtype != value.type.dtype.numpy:
            raise QuantError(
                "sample-type",
                f"calibration sample {index} has elements of type {array.dtype} for input "
                f"%{value.name}, which takes {value.type.dtype.value}",
                help="preprocess the samples as the float model needs them",
            )
    return arrays
