"""Nodes whose operands are all known, computed while importing.

Exporters spell shapes as programs (Shape, Gather, Unsqueeze, Concat, ...) and weights as
Transpose or ConstantOfShape of other weights. With static shapes all of it is arithmetic on known
arrays; what remains is the network. Semantics: ONNX operator specification.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from fpc.diagnostics.errors import ModelError
from fpc.frontends.onnx.context import NodeContext, Operand, Unsupported
from fpc.frontends.onnx.indexing import (
    axes_of,
    flattened_shape,
    reshape_target,
    slice_bounds,
    split_sizes,
    squeezed_shape,
    unsqueezed_shape,
)
from fpc.frontends.onnx.tensors import NUMPY_BY_ONNX_TYPE, as_float32
from fpc.ir.constant import Array

Evaluator: TypeAlias = Callable[[NodeContext], Array | tuple[Array, ...]]


def constant(node: NodeContext) -> Array:
    """Constant in all its attribute forms."""
    attributes = node.attributes
    if (tensor := attributes.tensor("value")) is not None:
        return tensor
    if "value_float" in attributes:
        return np.array(attributes.number("value_float", 0.0), np.float32)
    if "value_int" in attributes:
        return np.array(attributes.integer("value_int", 0), np.int64)
    if (floats := attributes.numbers("value_floats")) is not None:
        return np.array(floats, np.float32)
    if (ints := attributes.integers("value_ints")) is not None:
        return np.array(ints, np.int64)
    raise Unsupported("it is a Constant without a dense numeric value")


def constant_of_shape(node: NodeContext) -> Array:
    """ConstantOfShape: one number everywhere, 0.0 unless given."""
    shape = tuple(int(extent) for extent in _operand(node, 0).reshape(-1))
    filler = node.attributes.tensor("value")
    filler = np.zeros(1, np.float32) if filler is None else filler.reshape(-1)
    node.charge(shape, filler.itemsize)
    return np.full(shape, filler[0])


def range_of(node: NodeContext) -> Array:
    """Range(start, limit, delta)."""
    start, limit, delta = (_operand(node, index).reshape(-1)[0] for index in range(3))
    count = max(0, math.ceil((limit - start) / delta))
    node.charge((count,), 8)
    return np.asarray(start + np.arange(count) * delta, dtype=start.dtype)


def cast(node: NodeContext) -> Array:
    """Cast; every float type is float32 here."""
    code = node.attributes.integer("to", 1)
    dtype = NUMPY_BY_ONNX_TYPE.get(code)
    if dtype is None:
        raise Unsupported(f"it casts to element type {code}")
    return as_float32(_operand(node, 0).astype(dtype))


def gather(node: NodeContext) -> Array:
    """Gather along one axis."""
    data, indices = _operand(node, 0), _operand(node, 1)
    axis = node.axis(node.attributes.integer("axis", 0), data.ndim)
    node.charge(data.shape[:axis] + indices.shape + data.shape[axis + 1 :], data.itemsize)
    return np.take(data, indices.astype(np.int64), axis=axis)


def slice_of(node: NodeContext) -> Array:
    """Slice with any bounds and steps."""
    data = _operand(node, 0)
    return data[slice_bounds(node, data.shape)]


def concat(node: NodeContext) -> Array:
    """Concat."""
    arrays = _operands(node)
    axis = node.axis(node.attributes.integer("axis", 0), arrays[0].ndim)
    node.charge((sum(array.size for array in arrays),), arrays[0].itemsize)
    return np.concatenate(arrays, axis=axis)


def split(node: NodeContext) -> tuple[Array, ...]:
    """Split."""
    data = _operand(node, 0)
    axis = node.axis(node.attributes.integer("axis", 0), data.ndim)
    sizes = split_sizes(node, data.shape[axis])
    return tuple(np.split(data, np.cumsum(sizes)[:-1], axis=axis))


def reshape(node: NodeContext) -> Array:
    """Reshape with 0 and -1."""
    data = _operand(node, 0)
    return data.reshape(reshape_target(node, data.shape))


def flatten(node: NodeContext) -> Array:
    """Flatten to two axes."""
    data = _operand(node, 0)
    return data.reshape(flattened_shape(node, data.shape))


def squeeze(node: NodeContext) -> Array:
    """Squeeze."""
    data = _operand(node, 0)
    return data.reshape(squeezed_shape(node, data.shape))


def unsqueeze(node: NodeContext) -> Array:
    """Unsqueeze."""
    data = _operand(node, 0)
    return data.reshape(unsqueezed_shape(node, data.shape))


def transpose(node: NodeContext) -> Array:
    """Transpose."""
    return np.transpose(_operand(node, 0), node.attributes.integers("perm"))


def expand(node: NodeContext) -> Array:
    """Expand: broadcast both ways."""
    data = _operand(node, 0)
    shape = np.broadcast_shapes(data.shape, tuple(int(e) for e in _operand(node, 1).reshape(-1)))
    node.charge(shape, data.itemsize)
    return np.broadcast_to(data, shape)


def tile(node: NodeContext) -> Array:
    """Tile."""
    data, repeats = _operand(node, 0), [int(r) for r in _operand(node, 1).reshape(-1)]
    node.charge((data.size, math.prod(repeats)), data.itemsize)
    return np.tile(data, repeats)


def where(node: NodeContext) -> Array:
    """Where."""
    return np.where(_operand(node, 0).astype(np.bool_), _operand(node, 1), _operand(node, 2))


def divide(node: NodeContext) -> Array:
    """Div: integers truncate towards zero."""
    dividend, divisor = _operand(node, 0), _operand(node, 1)
    if dividend.dtype.kind == "f":
        return np.divide(dividend, divisor)
    if not divisor.all():
        raise ModelError("bad-node", "integer division by zero", location=node.location)
    quotient = np.abs(dividend) // np.abs(divisor)
    return (quotient * np.sign(dividend) * np.sign(divisor)).astype(dividend.dtype)


def modulo(node: NodeContext) -> Array:
    """Mod: the remainder takes the sign of the divisor, with `fmod` that of the dividend."""
    function = np.fmod if node.attributes.integer("fmod", 0) else np.mod
    return np.asarray(function(_operand(node, 0), _operand(node, 1)))


def clip(node: NodeContext) -> Array:
    """Clip with bounds as operands or attributes."""
    data = _operand(node, 0)
    low = node.known(1) if node.opset >= 11 else node.attributes.number("min", -math.inf)
    high = node.known(2) if node.opset >= 11 else node.attributes.number("max", math.inf)
    data = data if low is None else np.maximum(data, low)
    return data if high is None else np.minimum(data, high)


def _reduction(function: Callable[..., Array]) -> Evaluator:
    def evaluate(node: NodeContext) -> Array:
        data = _operand(node, 0)
        axes = axes_of(node, data.ndim)
        keep = bool(node.attributes.integer("keepdims", 1))
        if axes == ():
            return data
        return np.asarray(function(data, axis=axes, keepdims=keep)).astype(data.dtype)

    return evaluate


def _elementwise(function: Callable[..., Array]) -> Evaluator:
    def evaluate(node: NodeContext) -> Array:
        arrays = _operands(node)
        node.charge(np.broadcast_shapes(*(a.shape for a in arrays)), arrays[0].itemsize)
        return np.asarray(function(*arrays))

    return evaluate


def _variadic(function: Callable[[Array, Array], Array]) -> Evaluator:
    def evaluate(node: NodeContext) -> Array:
        first, *rest = _operands(node)
        for array in rest:
            first = function(first, array)
        return np.asarray(first)

    return evaluate


def _power(base: Array, exponent: Array) -> Array:
    return np.power(base, exponent.astype(base.dtype))


def _operand(node: NodeContext, index: int) -> Array:
    return node.require_known(index, f"operand {index + 1}")


def _operands(node: NodeContext) -> list[Array]:
    return [_operand(node, index) for index in range(node.operand_count)]


EVALUATORS: MappingProxyType[str, Evaluator] = MappingProxyType(
    {
        "Constant": constant,
        "ConstantOfShape": constant_of_shape,
        "Range": range_of,
        "Cast": cast,
        "Gather": gather,
        "Slice": slice_of,
        "Concat": concat,
        "Split": split,
        "Reshape": reshape,
        "Flatten": flatten,
        "Squeeze": squeeze,
        "Unsqueeze": unsqueeze,
        "Transpose": transpose,
        "Expand": expand,
        "Tile": tile,
        "Where": where,
        "Div": divide,
        "Clip": clip,
        "Add": _elementwise(np.add),
        "Sub": _elementwise(np.subtract),
        "Mul": _elementwise(np.multiply),
        "Mod": modulo,
        "Pow": _elementwise(_power),
        "Neg": _elementwise(np.negative),
        "Abs": _elementwise(np.abs),
        "Sqrt": _elementwise(np.sqrt),
        "Exp": _elementwise(np.exp),
        "Log": _elementwise(np.log),
        "Reciprocal": _elementwise(np.reciprocal),
        "Sin": _elementwise(np.sin),
        "Cos": _elementwise(np.cos),
        "Tanh": _elementwise(np.tanh),
        "Floor": _elementwise(np.floor),
        "Ceil": _elementwise(np.ceil),
        "Round": _elementwise(np.round),
        "Sign": _elementwise(np.sign),
        "Not": _elementwise(np.logical_not),
        "And": _elementwise(np.logical_and),
        "Or": _elementwise(np.logical_or),
        "Xor": _elementwise(np.logical_xor),
        "Equal": _elementwise(np.equal),
        "Less": _elementwise(np.less),
        "LessOrEqual": _elementwise(np.less_equal),
        "Greater": _elementwise(np.greater),
        "GreaterOrEqual": _elementwise(np.greater_equal),
        "Max": _variadic(np.maximum),
        "Min": _variadic(np.minimum),
        "Sum": _variadic(np.add),
        "ReduceSum": _reduction(np.sum),
        "ReduceMean": _reduction(np.mean),
        "ReduceMax": _reduction(np.max),
        "ReduceMin": _reduction(np.min),
        "ReduceProd": _reduction(np.prod),
    }
)


def evaluate(node: NodeContext) -> tuple[Operand, ...] | None:
    """The results of `node` when all its operands are known and fpc can compute it, else None."""
    evaluator = EVALUATORS.get(node.op_type)
    if evaluator is None or not all(
        isinstance(node.operand(index), np.ndarray | None) for index in range(node.operand_count)
    ):
        return None
    results = evaluator(node)
    arrays = results if isinstance(results, tuple) else (results,)
    return tuple(np.asarray(array) for array in arrays)  # numpy gives scalars for rank 0
