"""Signs of values: where nothing is below zero, and where nobody would see it."""

from __future__ import annotations

from fpc.ir import ops
from fpc.ir.graph import Node, Use, Value
from fpc.ir.op import Op, Quantisation, fused_activation


def is_non_negative(value: Value) -> bool:
    """Whether what computes `value` leaves nothing below zero, whatever it reads."""
    node = value.producer
    if node is None:
        return _is_stored_non_negative(value)
    if _ends_at_zero(node.op):
        return True
    return _keeps_signs(node.op) and all(map(is_non_negative, node.operands))


def is_clamped_at_zero(value: Value) -> bool:
    """Whether everything that reads `value` takes what is below zero for zero."""
    return value.use_count > 0 and all(map(_clamps_at_zero, value.uses))


def _clamps_at_zero(use: Use) -> bool:
    if not isinstance(use.user, Node):
        return False
    op = use.user.op
    if isinstance(op, ops.Relu | ops.Relu6 | ops.Clip):
        return _ends_at_zero(op)
    return commutes_with_clamps(op) and all(map(is_clamped_at_zero, use.user.outputs))


def commutes_with_clamps(op: Op) -> bool:
    """Whether `op` only moves or selects values, so that clamping before and after it is one."""
    match op:
        case ops.AvgPool():
            return False
        case ops.Resize(interpolation=interpolation):
            return interpolation is ops.Interpolation.NEAREST
        case _:
            return op.quantisation is Quantisation.SAME


def _ends_at_zero(op: Op) -> bool:
    match op:
        case ops.Relu() | ops.Relu6() | ops.Sigmoid() | ops.HardSigmoid() | ops.Softmax():
            return True
        case ops.Clip(minimum=low):
            return low is not None and low >= 0.0
        case _:
            low, _ = fused_activation(op).bounds
            return low is not None and low >= 0.0


def _keeps_signs(op: Op) -> bool:
    match op:
        case ops.Pad(value=filler):
            return filler >= 0.0
        case ops.GlobalAvgPool() | ops.ReduceMean() | ops.Requantize():
            return True
        case _:
            return op.quantisation is Quantisation.SAME


def _is_stored_non_negative(value: Value) -> bool:
    if value.constant is None or value.constant.is_abstract:
        return False
    quant = value.type.quant
    return (quant is None or quant.is_symmetric) and bool((value.data >= 0).all())
