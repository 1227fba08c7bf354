"""Graphs of one op, float and quantised, for tests of the TFLite back end."""

from collections.abc import Sequence

import numpy as np

from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Value
from fpc.ir.op import Op
from fpc.ir.types import QuantParams, TensorType

Shape = tuple[int, ...]


def float_graph(op: Op, *operands: Shape | Array | None) -> Graph:
    """`op` on float32 inputs of the shapes given, and on the arrays given as constants."""
    graph = Graph("test")

    def value(operand: Shape | Array | None) -> Value | None:
        if operand is None:
            return None
        if isinstance(operand, np.ndarray):
            return graph.constant(operand)
        return graph.add_input("x", TensorType(DType.F32, operand))

    node = graph.add(op, *[value(operand) for operand in operands], name="y")
    graph.set_outputs(node.outputs)
    return graph


def quantised_graph(
    op: Op, operands: Sequence[TensorType | tuple[Array, QuantParams] | None], result: QuantParams
) -> Graph:
    """`op` on inputs of the types given and on quantised constants, results quantised alike."""
    graph = Graph("test")

    def value(operand: TensorType | tuple[Array, QuantParams] | None) -> Value | None:
        if operand is None:
            return None
        if isinstance(operand, TensorType):
            return graph.add_input("x", operand)
        return graph.constant(operand[0], quant=operand[1])

    values = [value(operand) for operand in operands]
    types = op.infer_all(tuple(None if v is None else v.type for v in values))
    results = [TensorType(t.dtype, t.shape, result) for t in types]
    node = graph.add(op, *values, name="y", results=results)
    graph.set_outputs(node.outputs)
    return graph


def weights(rng: np.random.Generator, *shape: int) -> Array:
    """Float weights of about unit gain."""
    fan_in = int(np.prod(shape[1:])) or 1
    return (rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)


def random_inputs(graph: Graph, seed: int = 1) -> list[Array]:
    """Inputs over the whole integer range, or normal floats."""
    rng = np.random.default_rng(seed)

    def array(type: TensorType) -> Array:
        if type.dtype.is_float:
            return (2.0 * rng.standard_normal(type.shape)).astype(type.dtype.numpy)
        low, high = type.dtype.minimum, type.dtype.maximum
        return rng.integers(low, high, type.shape, dtype=type.dtype.numpy, endpoint=True)

    return [array(value.type) for value in graph.inputs]
