"""Arithmetic of one or more values at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from fpc.frontends.onnx.context import Handler, NodeContext, Unsupported
from fpc.ir.graph import Value
from fpc.ir.op import Op, ShapeMismatch, broadcast
from fpc.ir.ops import Add, Div, Function, Maximum, Minimum, Mul, Sub, Unary


def power(node: NodeContext) -> Value:
    """Pow with a known small exponent, or a known positive base."""
    base = node.known(0)
    if base is not None and base.size == 1 and float(base.reshape(-1)[0]) > 0.0:
        factor = node.constant(math.log(float(base.reshape(-1)[0])), "log_base")
        return node.emit(Unary(Function.EXP), node.step(Mul(), node.value(1), factor))
    exponents = node.require_known(1, "exponent").astype(np.float32)
    if exponents.size == 0 or (exponents != exponents.flat[0]).any():
        raise Unsupported("its exponents differ from element to element")
    _check_shape(node, node.shape(0))
    x, exponent = node.value(0), float(exponents.flat[0])
    match exponent:
        case 1.0:
            return x
        case 2.0:
            return node.emit(Mul(), x, x)
        case 3.0:
            return node.emit(Mul(), node.step(Mul(), x, x), x)
        case 4.0:
            square = node.step(Mul(), x, x)
            return node.emit(Mul(), square, square)
        case 0.5:
            return node.emit(Unary(Function.SQRT), x)
        case -1.0:
            return node.emit(Div(), node.constant(1.0, "one"), x)
        case -0.5:
            root = node.step(Unary(Function.SQRT), x)
            return node.emit(Div(), node.constant(1.0, "one"), root)
        case _:
            raise Unsupported(
                f"its exponent is {exponent}",
                "exponents -1, -0.5, 0.5, 1, 2, 3 and 4 are supported",
            )


def reciprocal(node: NodeContext) -> Value:
    """Reciprocal."""
    return node.emit(Div(), node.constant(1.0, "one"), node.value(0))


def ceiling(node: NodeContext) -> Value:
    """Ceil: -floor(-x)."""
    negated = node.step(Unary(Function.NEG), node.value(0))
    return node.emit(Unary(Function.NEG), node.step(Unary(Function.FLOOR), negated))


def mean(node: NodeContext) -> Value:
    """Mean of any number of operands."""
    total = _folded(node, Add(), node.values())
    return node.emit(Mul(), total, node.constant(1.0 / node.operand_count, "share"))


def where(node: NodeContext) -> Value:
    """Where with a known condition: x * mask + y * (1 - mask), exact for finite values."""
    mask = node.require_known(0, "condition").astype(np.bool_)
    for branch, chosen in ((1, mask.all()), (2, not mask.any())):
        if chosen and broadcast(mask.shape, node.shape(1), node.shape(2)) == node.shape(branch):
            return node.value(branch)
    share = mask.astype(np.float32)
    taken = node.step(Mul(), node.value(1), node.constant(share, "mask"))
    other = node.step(Mul(), node.value(2), node.constant(np.float32(1.0) - share, "inverse"))
    return node.emit(Add(), taken, other)


def _binary(op: Op) -> Handler:
    def handle(node: NodeContext) -> Value:
        return node.emit(op, node.value(0), node.value(1))

    return handle


def _variadic(op: Op) -> Handler:
    def handle(node: NodeContext) -> Value:
        return _folded(node, op, node.values())

    return handle


def _unary(function: Function) -> Handler:
    def handle(node: NodeContext) -> Value:
        return node.emit(Unary(function), node.value(0))

    return handle


def _folded(node: NodeContext, op: Op, values: tuple[Value, ...]) -> Value:
    first, *rest = values
    emit: Callable[..., Value] = node.step
    for index, value in enumerate(rest):
        emit = node.emit if index == len(rest) - 1 else node.step
        first = emit(op, first, value)
    return first


def _check_shape(node: NodeContext, shape: tuple[int, ...]) -> None:
    try:
        fits = broadcast(shape, node.shape(1)) == shape
    except ShapeMismatch:
        fits = False
    if not fits:
        raise Unsupported("its exponent broadcasts the base to a larger shape")


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "Add": _binary(Add()),
        "Sub": _binary(Sub()),
        "Mul": _binary(Mul()),
        "Div": _binary(Div()),
        "Sum": _variadic(Add()),
        "Max": _variadic(Maximum()),
        "Min": _variadic(Minimum()),
        "Mean": mean,
        "Pow": power,
        "Reciprocal": reciprocal,
        "Where": where,
        "Ceil": ceiling,
        "Exp": _unary(Function.EXP),
        "Log": _unary(Function.LOG),
        "Sqrt": _unary(Function.SQRT),
        "Abs": _unary(Function.ABS),
        "Neg": _unary(Function.NEG),
        "Erf": _unary(Function.ERF),
        "Floor": _unary(Function.FLOOR),
    }
)
