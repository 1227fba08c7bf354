"""Watching a pipeline: is the graph still sound, does it still compute the same?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fpc.diagnostics.errors import PassError
from fpc.interp import executor
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.ir.types import TensorType
from fpc.ir.verifier import verify
from fpc.rewrite.passes import Pass
from fpc.rewrite.spec import print_pass

RELATIVE_TOLERANCE = 1e-4
"""Largest accepted error of a pass, in parts of the output's range."""


def random_inputs(graph: Graph, seed: int = 0) -> tuple[Array, ...]:
    """One random array for every input: standard normal reals, uniform integers."""
    generator = np.random.default_rng(seed)
    return tuple(_random(generator, value.type) for value in graph.inputs)


def _random(generator: np.random.Generator, kind: TensorType) -> Array:
    if kind.dtype.is_float:
        return generator.standard_normal(kind.shape).astype(kind.dtype.numpy)
    if kind.is_quantised:
        low, high = kind.dtype.minimum, kind.dtype.maximum
        return generator.integers(low, high, kind.shape, endpoint=True).astype(kind.dtype.numpy)
    return np.zeros(kind.shape, kind.dtype.numpy)


@dataclass(frozen=True)
class Deviation:
    """How far outputs are from what they were, in parts of their range."""

    output: str
    relative_error: float


def deviation(
    graph: Graph, reference: Sequence[Array], outputs: Sequence[Array]
) -> Deviation | None:
    """The first output that differs by more than the tolerance, None when all agree."""
    for value, expected, actual in zip(graph.outputs, reference, outputs, strict=True):
        wide = np.asarray(expected, np.float64)
        spread = float(wide.max() - wide.min()) if wide.size else 0.0
        scale = max(spread, float(np.abs(wide).max(initial=0.0)), 1e-6)
        error = float(np.abs(np.asarray(actual, np.float64) - wide).max(initial=0.0)) / scale
        if not error <= RELATIVE_TOLERANCE:
            return Deviation(value.name, error)
    return None


class NumericWatcher:
    """Verifies the graph after every pass and compares its outputs with those before.

    `PassError` names the pass that changed the function of the network without being one of those
    that may.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Array] | None = None) -> None:
        self._inputs = random_inputs(graph) if inputs is None else tuple(inputs)
        self._reference = executor.run(graph, self._inputs)

    def __call__(self, step: Pass, graph: Graph) -> None:
        """Check what `step` left."""
        verify(graph)
        outputs = executor.run(graph, self._inputs)
        if step.changes_function:
            self._reference = outputs
            return
        found = deviation(graph, self._reference, outputs)
        if found is not None:
            raise PassError(
                "changed-function",
                f"{print_pass(step)} changed output `{found.output}` by "
                f"{found.relative_error:.2g} of its range",
                help="this is a defect of the pass; `fpc explain` shows the graph around it",
            )
