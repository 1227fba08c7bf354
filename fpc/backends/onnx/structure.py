"""ONNX forms of matrix products, movements and changes of representation."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from fpc.backends.onnx.lowering import Lowering, LoweringRule, rule
from fpc.backends.onnx.writer import Attribute
from fpc.ir.dtype import DType
from fpc.ir.op import Op
from fpc.ir.ops import (
    Cast,
    Concat,
    Dense,
    Dequantize,
    MatMul,
    Pad,
    PadMode,
    Quantize,
    ReduceMean,
    Requantize,
    Reshape,
    Slice,
    Split,
    Transpose,
)

_AXES_AS_OPERAND = 18
_ONNX_TYPES = MappingProxyType(
    {
        DType.F32: 1,
        DType.U8: 2,
        DType.I8: 3,
        DType.I16: 5,
        DType.I32: 6,
        DType.I64: 7,
        DType.BOOL: 9,
        DType.F16: 10,
    }
)


def dense(lowering: Lowering[Dense]) -> str:
    """Gemm for matrices, MatMul and Add for other ranks."""
    x, bias = lowering.operand(0), lowering.optional_operand(2)
    if lowering.node.input(0).type.rank == 2:
        product = lowering.add("Gemm", x, lowering.weight(1, (0, 1)), bias, transB=1)
    else:
        product = lowering.add("MatMul", x, lowering.weight(1, (1, 0)))
        product = product if bias is None else lowering.add("Add", product, bias)
    return lowering.activated(product, lowering.op.activation)


def matmul(lowering: Lowering[MatMul]) -> str:
    """MatMul."""
    return lowering.add("MatMul", *lowering.operands())


def reduce_mean(lowering: Lowering[ReduceMean]) -> str:
    """ReduceMean; the axes are an operand since opset 18."""
    op, x = lowering.op, lowering.operand(0)
    keep_dims = int(op.keep_dims)
    if lowering.opset < _AXES_AS_OPERAND:
        return lowering.add("ReduceMean", x, axes=op.axes, keepdims=keep_dims)
    axes = lowering.integers(op.axes, "axes")
    return lowering.add("ReduceMean", x, axes, keepdims=keep_dims)


def concat(lowering: Lowering[Concat]) -> str:
    """Concat."""
    return lowering.add("Concat", *lowering.operands(), axis=lowering.op.axis)


def split(lowering: Lowering[Split]) -> tuple[str, ...]:
    """Split with explicit sizes."""
    op = lowering.op
    sizes = lowering.integers(op.sizes, "sizes")
    return lowering.add_many("Split", lowering.operand(0), sizes, count=len(op.sizes), axis=op.axis)


def slice_(lowering: Lowering[Slice]) -> str:
    """Slice of the axes that are cut."""
    op, shape = lowering.op, lowering.node.input(0).type.shape
    bounds = list(zip(op.starts, op.ends, op.steps, strict=True))
    axes = [axis for axis, bound in enumerate(bounds) if bound != (0, shape[axis], 1)] or [0]
    return lowering.add(
        "Slice",
        lowering.operand(0),
        lowering.integers([op.starts[axis] for axis in axes], "starts"),
        lowering.integers([op.ends[axis] for axis in axes], "ends"),
        lowering.integers(axes, "axes"),
        lowering.integers([op.steps[axis] for axis in axes], "steps"),
    )


def pad(lowering: Lowering[Pad]) -> str:
    """Pad."""
    op, dtype = lowering.op, lowering.node.input(0).type.dtype
    pads = lowering.integers((*op.before, *op.after), "pads")
    is_plain_integer = dtype.is_integer and not lowering.node.input(0).type.is_quantised
    filler_dtype = dtype.numpy if is_plain_integer else np.dtype(np.float32)
    filler = lowering.writer.scalar(op.value, filler_dtype, f"{lowering.hint}_filler")
    operands = (pads, filler) if op.mode is PadMode.CONSTANT else (pads,)
    return lowering.add("Pad", lowering.operand(0), *operands, mode=op.mode.value)


def reshape(lowering: Lowering[Reshape]) -> str:
    """Reshape."""
    shape = lowering.op.shape
    attributes: dict[str, Attribute] = {"allowzero": 1} if 0 in shape else {}
    return lowering.add(
        "Reshape", lowering.operand(0), lowering.integers(shape, "shape"), **attributes
    )


def transpose(lowering: Lowering[Transpose]) -> str:
    """Transpose."""
    return lowering.add("Transpose", lowering.operand(0), perm=lowering.op.permutation)


def cast(lowering: Lowering[Cast]) -> str:
    """Cast of the numbers as they are stored."""
    stored = lowering.tensors.stored(lowering.node.input(0))
    return lowering.add("Cast", stored, to=_ONNX_TYPES[lowering.op.to])


def dequantize(lowering: Lowering[Dequantize]) -> str:
    """DequantizeLinear."""
    x = lowering.node.input(0)
    return lowering.tensors.dequantised(lowering.tensors.stored(x), x.type, lowering.hint)


def same_real_numbers(lowering: Lowering[Op]) -> str:
    """Nothing: the real numbers stay, and the result is quantised as its type says anyway."""
    return lowering.operand(0)


RULES: MappingProxyType[type[Op], LoweringRule] = MappingProxyType(
    dict(
        (
            rule(Dense, dense),
            rule(MatMul, matmul),
            rule(ReduceMean, reduce_mean),
            rule(Concat, concat),
            rule(Split, split),
            rule(Slice, slice_),
            rule(Pad, pad),
            rule(Reshape, reshape),
            rule(Transpose, transpose),
            rule(Cast, cast),
            rule(Quantize, same_real_numbers),
            rule(Dequantize, dequantize),
            rule(Requantize, same_real_numbers),
        )
    )
)
