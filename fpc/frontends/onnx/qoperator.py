"""Operators on quantised tensors: the QLinear family of ONNX and of the com.microsoft domain.

Each is imported as dequantize, the operator on reals, quantize; `fpc.frontends.onnx.integer` makes
operators on integers of them again, with fpc's rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from fpc.diagnostics.errors import ModelError
from fpc.frontends.onnx import activation, convolution, elementwise, linear, movement, pooling
from fpc.frontends.onnx.context import Handler, NodeContext, Operand, Unsupported
from fpc.frontends.onnx.quantisation import (
    dequantize_linear,
    quantisation_of,
    quantize_linear,
    stored_reals,
)
from fpc.ir.graph import Value
from fpc.ir.ops import Dequantize, Quantize


def qlinear_conv(node: NodeContext) -> Operand:
    """QLinearConv: x, w and y with scale and zero point each, then an int32 bias."""
    x, w = _real(node, 0), _real(node, 3, channel_axis=0)
    bias = _accumulator_bias(node, 8, 1, 4)
    return _quantised(node, convolution.conv, "Conv", (x, w, bias), 6)


def qlinear_matmul(node: NodeContext) -> Operand:
    """QLinearMatMul."""
    a, b = _real(node, 0), _real(node, 3, channel_axis=-1)
    return _quantised(node, linear.matmul, "MatMul", (a, b), 6)


def qgemm(node: NodeContext) -> Operand:
    """com.microsoft QGemm: a, b with scale and zero point each, an int32 bias, then y's."""
    channel_axis = 0 if node.attributes.integer("transB", 0) else 1
    a, b = _real(node, 0), _real(node, 3, channel_axis=channel_axis)
    bias = _accumulator_bias(node, 6, 1, 4)
    return _quantised(node, linear.gemm, "Gemm", (a, b, bias), 7)


def qlinear_concat(node: NodeContext) -> Operand:
    """com.microsoft QLinearConcat: y's scale and zero point, then triples."""
    operands = [_real(node, index) for index in range(2, node.operand_count, 3)]
    return _quantised(node, movement.concat, "Concat", operands, 0)


def _binary(handler: Handler, op_type: str) -> Handler:
    def handle(node: NodeContext) -> Operand:
        return _quantised(node, handler, op_type, (_real(node, 0), _real(node, 3)), 6)

    return handle


def _unary(handler: Handler, op_type: str) -> Handler:
    def handle(node: NodeContext) -> Operand:
        if node.attributes.integer("channels_last", 0):
            raise Unsupported("its tensors are NHWC", "export the model in NCHW")
        return _quantised(node, handler, op_type, (_real(node, 0),), 3)

    return handle


def _real(node: NodeContext, index: int, channel_axis: int = 0) -> str:
    """Operand `index` as reals, by the scale and zero point after it, under a name of its own."""
    name = f"{node.input_names[index]}.real"
    operands = node.scope.operands
    if operands.get(name) is None:
        stored = node.present(index)
        if isinstance(stored, Value):
            if not stored.type.is_quantised:
                raise Unsupported(f"its operand %{stored.name} has no quantisation")
            operands[name] = node.step(Dequantize(), stored)
        else:
            _, quant = quantisation_of(
                node, index + 1, index + 2, stored.shape, stored.dtype, channel_axis
            )
            operands[name] = stored_reals(node, stored, quant, name)
    return name


def _accumulator_bias(node: NodeContext, index: int, x_scale: int, w_scale: int) -> str:
    """A bias in steps of x scale times w scale, as reals under a name of its own."""
    if node.operand(index) is None:
        return ""
    steps = node.require_known(index, "bias")
    scales = node.require_known(x_scale, "scale") * node.require_known(w_scale, "scale")
    name = f"{node.input_names[index]}.real.{node.output_names[0]}"
    node.scope.operands[name] = steps.astype(np.float32) * scales.astype(np.float32).reshape(-1)
    return name


def _quantised(
    node: NodeContext, handler: Handler, op_type: str, operands: Sequence[str], result_index: int
) -> Operand:
    """The result of `handler` on real operands, quantised as operand `result_index` says."""
    reals = handler(replace(node, op_type=op_type, input_names=tuple(operands)))
    if not isinstance(reals, Value):
        raise ModelError(
            "bad-node", f"{node.op_type} works on constants only", location=node.location
        )
    dtype, quant = quantisation_of(node, result_index, result_index + 1, reals.type.shape)
    return node.emit(Quantize(dtype), reals, quant=quant)


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "QLinearConv": qlinear_conv,
        "QLinearMatMul": qlinear_matmul,
        "com.microsoft.QGemm": qgemm,
        "com.microsoft.QLinearConcat": qlinear_concat,
        "com.microsoft.QLinearAdd": _binary(elementwise.HANDLERS["Add"], "Add"),
        "com.microsoft.QLinearMul": _binary(elementwise.HANDLERS["Mul"], "Mul"),
        "com.microsoft.QLinearSigmoid": _unary(activation.HANDLERS["Sigmoid"], "Sigmoid"),
        "com.microsoft.QLinearLeakyRelu": _unary(activation.HANDLERS["LeakyRelu"], "LeakyRelu"),
        "com.microsoft.QLinearGlobalAveragePool": _unary(
            pooling.global_average_pool, "GlobalAveragePool"
        ),
        "com.microsoft.QLinearAveragePool": _unary(pooling.average_pool, "AveragePool"),
        "com.microsoft.QLinearSoftmax": _unary(activation.softmax, "Softmax"),
        "com.microsoft.QuantizeLinear": quantize_linear,
        "com.microsoft.DequantizeLinear": dequantize_linear,
    }
)
