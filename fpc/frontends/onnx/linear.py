"""Gemm and MatMul: dense layers where one factor is known."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from fpc.frontends.onnx.context import Handler, NodeContext
from fpc.ir.constant import Array
from fpc.ir.graph import Value
from fpc.ir.ops import Add, Dense, MatMul, Mul, Reshape, Transpose


def gemm(node: NodeContext) -> Value:
    """Gemm: alpha * A' B' + beta * C, with A' and B' perhaps transposed."""
    alpha, beta = node.attributes.number("alpha", 1.0), node.attributes.number("beta", 1.0)
    a = _transposed(node, node.value(0)) if node.attributes.integer("transA", 0) else node.value(0)
    weight = node.known(1)
    if weight is None:
        return _dynamic_gemm(node, a, alpha, beta)
    is_transposed = bool(node.attributes.integer("transB", 0))
    weight = weight if is_transposed else weight.T
    if alpha != 1.0:
        w = node.constant(weight * np.float32(alpha), "weight")
    else:
        w = node.value(1) if is_transposed else node.weight(1, weight, 1)
    if node.operand(2) is None or beta == 0.0:
        return node.emit(Dense(), a, w)
    bias = _bias_vector(node.known(2), weight.shape[0])
    if bias is not None:
        b = node.constant(bias * np.float32(beta), "bias")
        return node.emit(Dense(), a, w, b)
    return node.emit(Add(), node.step(Dense(), a, w), _scaled(node, node.value(2), beta))


def matmul(node: NodeContext) -> Value:
    """MatMul; a known matrix on the right makes a dense layer."""
    a_shape, b_shape = node.shape(0), node.shape(1)
    a = node.value(0)
    if len(a_shape) == 1:
        a = node.step(Reshape((1, *a_shape)), a)
    weight = node.known(1)
    if weight is not None and len(b_shape) <= 2:
        columns = weight.reshape(b_shape[0], -1) if b_shape else weight
        w = node.weight(1, columns.T, 1)
        product = Dense(), a, w
    else:
        b = node.value(1)
        if len(b_shape) == 1:
            b = node.step(Reshape((*b_shape, 1)), b)
        product = MatMul(), a, b
    if len(a_shape) > 1 and len(b_shape) > 1:
        return node.emit(*product)
    full = node.step(*product)
    shape = list(full.type.shape)
    if len(b_shape) == 1:
        del shape[-1]
    if len(a_shape) == 1:
        del shape[-1 if len(b_shape) == 1 else -2]
    return node.emit(Reshape(tuple(shape)), full)


def _dynamic_gemm(node: NodeContext, a: Value, alpha: float, beta: float) -> Value:
    b = node.value(1)
    if node.attributes.integer("transB", 0):
        b = _transposed(node, b)
    has_bias = node.operand(2) is not None and beta != 0.0
    if alpha == 1.0 and not has_bias:
        return node.emit(MatMul(), a, b)
    product = _scaled(node, node.step(MatMul(), a, b), alpha)
    if not has_bias:
        return product
    return node.emit(Add(), product, _scaled(node, node.value(2), beta))


def _bias_vector(bias: Array | None, units: int) -> Array | None:
    """`bias` as one number a unit; None when it is not known or differs between rows."""
    if bias is None or (bias.ndim == 2 and bias.shape[0] != 1) or bias.ndim > 2:
        return None
    flat = bias.reshape(-1)
    return np.broadcast_to(flat, (units,)).copy() if flat.size in (1, units) else None


def _scaled(node: NodeContext, x: Value, factor: float) -> Value:
    return x if factor == 1.0 else node.step(Mul(), x, node.constant(factor, "factor"))


def _transposed(node: NodeContext, x: Value) -> Value:
    return node.step(Transpose((1, 0)), x)


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType({"Gemm": gemm, "MatMul": matmul})
