"""What the activation after a value makes of it: where it is deaf, and how errors come through.

A convolution before a hard-swish may reach down to -30, but the hard-swish gives zero from -3 on:
integers spent on the rest are wasted. Sigmoid and tanh are flat outside a few units, to within half
a step of their prescribed results, SiLU fades to the left, and a leaky ReLU damps whatever is
negative. Choosing a value's range by what its reader makes of it is worth one or two bits there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpc.ir import ops
from fpc.ir.graph import Node, Value
from fpc.ir.op import Activation, Op
from fpc.quant.scheme import Scheme

Reals: TypeAlias = NDArray[np.float64]
Response: TypeAlias = Callable[[Reals], Reals]

_REACH = 32.0
_GRID_STEP = 1.0 / 128.0
_SHORTEST_TAIL = 8.0
"""A function that is flat over less of the grid than this is still going somewhere."""


@dataclass(frozen=True)
class Reading:
    """The one function through which everything that reads a value sees it.

    nodes compute it together; `result_op` is the op that writes what they give.
    """

    response: Response
    nodes: tuple[Node[Op], ...]
    result_op: type[Op]

    def audible_bounds(self, scheme: Scheme) -> tuple[float, float]:
        """The interval outside which clipping changes the result by less than half a step.

        The step is that of the prescribed result, else that of a result which reaches 1.
        """
        fixed = scheme.fixed_results.get(self.result_op)
        tolerance = (1.0 / scheme.steps if fixed is None else fixed.scale) / 2.0
        grid = np.arange(-_REACH, _REACH + _GRID_STEP, _GRID_STEP)
        results = self.response(grid)
        low = _flat_until(results, tolerance)
        high = _flat_until(results[::-1], tolerance)
        return (
            -inf if low == 0 else float(grid[low]),
            inf if high == 0 else float(grid[::-1][high]),
        )


def reading_of(value: Value) -> Reading | None:
    """The activation that alone reads `value`; None where there are other readers."""
    users = value.users
    if value.is_graph_output:
        return None
    match users:
        case (node,) if value.has_one_use:
            response = _pointwise(node)
            return None if response is None else Reading(response, users, type(node.op))
        case (gate, product) if value.use_count == 2:
            response = _gated(value, gate, product)
            return None if response is None else Reading(response, users, type(product.op))
        case _:
            return None


def _pointwise(node: Node[Op]) -> Response | None:
    """The function that `node` computes of each value; PReLU's slopes count as their mean."""
    match node.op:
        case ops.LeakyRelu(alpha=alpha):
            return _leaky(alpha)
        case ops.PRelu() if node.input(1).is_constant:
            return _leaky(float(node.input(1).data.mean()))
        case ops.HardSwish():
            return lambda x: x * _relu6_of_x_plus_3(x) / 6.0
        case ops.Silu():
            return lambda x: x * _sigmoid(x)
        case ops.Gelu():
            return _gelu
        case ops.Sigmoid():
            return _sigmoid
        case ops.Tanh():
            return np.tanh
        case _:
            return None


def _gated(value: Value, gate: Node[Op], product: Node[Op]) -> Response | None:
    """The response of x * g(x), spelt out as two nodes."""
    if not (isinstance(product.op, ops.Mul) and len(gate.outputs) == 1):
        return None
    if not gate.output.has_one_use or set(product.operands) != {value, gate.output}:
        return None
    match gate.op:
        case ops.Sigmoid():
            return lambda x: x * _sigmoid(x)
        case ops.Add(activation=Activation.RELU6):
            other = gate.input(1) if gate.input(0) is value else gate.input(0)
            if other.is_constant and other.type.size == 1 and float(other.data.ravel()[0]) == 3.0:
                return lambda x: x * _relu6_of_x_plus_3(x) / 6.0
            return None
        case _:
            return None


def _flat_until(results: Reals, tolerance: float) -> int:
    """The last index up to which `results` stays within `tolerance` of its value there; else 0."""
    greatest = np.maximum.accumulate(results)
    least = np.minimum.accumulate(results)
    flat = np.maximum(greatest - results, results - least) <= tolerance
    last = len(flat) if flat.all() else int(np.argmin(flat)) - 1
    return last if _SHORTEST_TAIL / _GRID_STEP <= last < len(flat) else 0


def _leaky(slope: float) -> Response:
    return lambda x: np.where(x > 0.0, x, slope * x)


def _sigmoid(x: Reals) -> Reals:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _relu6_of_x_plus_3(x: Reals) -> Reals:
    return np.clip(x + 3.0, 0.0, 6.0)


def _gelu(x: Reals) -> Reals:
    from scipy.special import erf

    normal: Reals = 0.5 * (1.0 + erf(x / np.sqrt(2.0)))
    return x * normal
