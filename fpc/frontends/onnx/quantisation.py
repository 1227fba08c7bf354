"""QuantizeLinear, DequantizeLinear and Cast.

Activations quantised to uint8 are held as int8 with a zero point 128 lower: the same real numbers,
the integers shifted. A later step (`fpc.frontends.onnx.integer`) turns operators between
dequantize and quantize into operators on integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from fpc.diagnostics.errors import ModelError
from fpc.frontends.onnx.context import Handler, NodeContext, Operand, Unsupported
from fpc.frontends.onnx.tensors import NUMPY_BY_ONNX_TYPE
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.ops import Cast, Dequantize, Quantize
from fpc.ir.types import QuantParams

_UINT8_SHIFT = 128


def cast(node: NodeContext) -> Operand:
    """Cast; between float types nothing happens, since all of them are float32 here."""
    code = node.attributes.integer("to", 1)
    dtype = NUMPY_BY_ONNX_TYPE.get(code)
    x = node.value(0)
    if dtype is None:
        raise Unsupported(f"it casts to element type {code}")
    try:
        target = DType.F32 if dtype.kind == "f" else DType.of(dtype)
    except KeyError:
        raise Unsupported(f"it casts to {dtype}") from None
    return x if target is x.type.dtype else node.emit(Cast(target), x)


def quantize_linear(node: NodeContext) -> Operand:
    """QuantizeLinear to int8, uint8 (held as int8) or int16."""
    known = node.known(0)
    dtype, quant = quantisation_of(node, 1, 2, node.shape(0))
    if known is None:
        return node.emit(Quantize(dtype), node.value(0), quant=quant)
    return _stored_as(node, known, quant)


def dequantize_linear(node: NodeContext) -> Operand:
    """DequantizeLinear of an activation, or of a stored tensor, which becomes known reals."""
    known = node.known(0)
    if known is not None:
        _, quant = quantisation_of(node, 1, 2, known.shape, stored=known.dtype)
        return stored_reals(node, known, quant, node.output_names[0])
    x = node.value(0)
    if x.type.is_quantised:
        return node.emit(Dequantize(), x)
    raise Unsupported(
        f"its operand %{x.name} is an integer that nothing quantised",
        "export the model with a float input followed by QuantizeLinear",
    )


def stored_reals(node: NodeContext, stored: Array, quant: QuantParams, name: str) -> Array:
    """The reals that a stored integer tensor means; remembers its quantisation under `name`."""
    shift = _UINT8_SHIFT if stored.dtype == np.uint8 else 0
    steps = stored.astype(np.int64) - shift - _along_axis(quant.zero_points, quant, stored.ndim)
    node.scope.stored_params[name] = quant
    scales = _along_axis(quant.scales, quant, stored.ndim).astype(np.float32)
    return np.asarray(steps.astype(np.float32) * scales)


def _stored_as(node: NodeContext, reals: Array, quant: QuantParams) -> Array:
    """A known tensor rounded to the integers that the model would store."""
    zero_points = node.known(2)
    dtype = np.dtype(np.uint8) if zero_points is None else zero_points.dtype
    shift = _UINT8_SHIFT if dtype == np.uint8 else 0
    steps = np.rint(reals / _along_axis(quant.scales, quant, reals.ndim).astype(np.float32))
    limits = np.iinfo(dtype)
    shifted = steps + _along_axis(quant.zero_points, quant, reals.ndim) + shift
    return np.clip(shifted, limits.min, limits.max).astype(dtype)


def _along_axis(numbers: Sequence[float], quant: QuantParams, rank: int) -> Array:
    """Scales or zero points shaped to broadcast over a tensor of `rank`."""
    array = np.array(numbers)
    if quant.axis is None:
        return array.reshape(())
    return array.reshape([-1 if axis == quant.axis else 1 for axis in range(rank)])


def quantisation_of(
    node: NodeContext,
    scale_index: int,
    zero_point_index: int,
    shape: tuple[int, ...],
    stored: np.dtype[np.generic] | None = None,
    default_axis: int = 1,
) -> tuple[DType, QuantParams]:
    """The integer type and parameters that a scale and a zero point operand describe.

    `shape` is that of the tensor, `stored` its element type where that is known.
    """
    scales = node.require_known(scale_index, "scale").astype(np.float32)
    zero_points = _zero_points(node, zero_point_index, scales, stored)
    dtype = zero_points.dtype
    if dtype == np.uint8:
        zero_points, dtype = zero_points.astype(np.int64) - _UINT8_SHIFT, np.dtype(np.int8)
    if dtype not in (np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.int32)):
        raise Unsupported(f"it quantises to {dtype}", "quantise to int8, uint8 or int16")
    if scales.ndim > 1 or scales.size != zero_points.size:
        raise Unsupported("it is quantised in blocks", "quantise per tensor or per channel")
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise ModelError(
            "bad-scale", "a quantisation scale is not positive and finite", location=node.location
        )
    axis = None
    if scales.size > 1:
        axis = node.axis(node.attributes.integer("axis", default_axis), len(shape))
        if scales.size != shape[axis]:
            raise ModelError(
                "bad-scale",
                f"there are {scales.size} quantisation scales for {shape[axis]} channels",
                location=node.location,
            )
    numbers = tuple(float(scale) for scale in scales.reshape(-1))
    zeros = tuple(int(zero) for zero in zero_points.reshape(-1))
    return DType.of(dtype), QuantParams(numbers, zeros, axis)


def _zero_points(
    node: NodeContext, index: int, scales: Array, stored: np.dtype[np.generic] | None
) -> Array:
    if node.operand(index) is not None:
        return node.require_known(index, "zero point").reshape(-1)
    code = node.attributes.integer("output_dtype", 0)
    dtype = stored or NUMPY_BY_ONNX_TYPE.get(code) or np.dtype(np.uint8)
    return np.zeros(scales.size, dtype)


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "Cast": cast,
        "QuantizeLinear": quantize_linear,
        "DequantizeLinear": dequantize_linear,
    }
)
