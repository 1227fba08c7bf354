"""Activations, the exotic ones spelt out in operators every target has."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from fpc.frontends.onnx.context import Handler, NodeContext, Unsupported
from fpc.frontends.onnx.reduction import maximum_over
from fpc.ir.graph import Value
from fpc.ir.op import Op
from fpc.ir.ops import (
    Add,
    Clip,
    Div,
    Function,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Maximum,
    Minimum,
    Mul,
    PRelu,
    ReduceMean,
    Relu,
    Relu6,
    Reshape,
    Sigmoid,
    Silu,
    Softmax,
    Sub,
    Tanh,
    Unary,
)

_SOFTMAX_ALONG_ONE_AXIS = 13
_CLIP_BOUNDS_AS_OPERANDS = 11

# Klambauer et al., "Self-Normalizing Neural Networks", 2017; ONNX rounds them to float32.
_SELU_ALPHA = 1.6732632423543772
_SELU_GAMMA = 1.0507009873554805


def clip(node: NodeContext) -> Value:
    """Clip; relu and relu6 where the bounds say so."""
    if node.opset < _CLIP_BOUNDS_AS_OPERANDS:
        low = node.attributes.number("min", -math.inf)
        high = node.attributes.number("max", math.inf)
    else:
        low, high = _bound(node, 1, -math.inf), _bound(node, 2, math.inf)
    if low is None or high is None:
        return _clip_to_values(node)
    return clamp(node, node.value(0), low, high)


def clamp(node: NodeContext, x: Value, low: float, high: float) -> Value:
    """The clamp of `x` to [low, high] in its most specific form; beyond float32 means open."""
    limit = float(np.finfo(np.float32).max)
    minimum = None if low <= -limit else low
    maximum = None if high >= limit else high
    match minimum, maximum:
        case None, None:
            return x
        case 0.0, None:
            return node.emit(Relu(), x)
        case 0.0, 6.0:
            return node.emit(Relu6(), x)
        case _:
            return node.emit(Clip(minimum, maximum), x)


def softmax(node: NodeContext) -> Value:
    """Softmax; before opset 13 over all axes from `axis` on, taken as one."""
    x = node.value(0)
    rank = x.type.rank
    default = -1 if node.opset >= _SOFTMAX_ALONG_ONE_AXIS else 1
    axis = node.axis(node.attributes.integer("axis", default), rank)
    trailing = math.prod(x.type.shape[axis + 1 :])
    if node.opset >= _SOFTMAX_ALONG_ONE_AXIS or trailing == 1:
        return node.emit(Softmax(axis), x)
    rows = math.prod(x.type.shape[:axis])
    flat = node.step(Reshape((rows, x.type.size // max(rows, 1))), x)
    return node.emit(Reshape(x.type.shape), node.step(Softmax(1), flat))


def log_softmax(node: NodeContext) -> Value:
    """LogSoftmax: d - log(sum(exp(d))) with d = x - max(x), which neither over- nor underflows."""
    x = node.value(0)
    shape = x.type.shape
    default = -1 if node.opset >= _SOFTMAX_ALONG_ONE_AXIS else 1
    axis = node.axis(node.attributes.integer("axis", default), x.type.rank)
    if node.opset < _SOFTMAX_ALONG_ONE_AXIS and math.prod(shape[axis + 1 :]) != 1:
        raise Unsupported("it normalises over several axes", "convert the model to opset 13")
    distance = node.step(Sub(), x, maximum_over(node, x, (axis,), keep_dims=True))
    mean = node.step(ReduceMean((axis,)), node.step(Unary(Function.EXP), distance))
    total = node.step(Mul(), mean, node.constant(float(shape[axis]), "count"))
    return node.emit(Sub(), distance, node.step(Unary(Function.LOG), total))


def prelu(node: NodeContext) -> Value:
    """PRelu; a slope of one number is a leaky relu."""
    slope = node.known(1)
    if slope is not None and slope.size == 1:
        return node.emit(LeakyRelu(float(slope.reshape(-1)[0])), node.value(0))
    return node.emit(PRelu(), node.value(0), node.value(1))


def gelu(node: NodeContext) -> Value:
    """Gelu of opset 20 and of the com.microsoft domain."""
    approximate = node.attributes.text("approximate", "none") == "tanh"
    return node.emit(Gelu(approximate), node.value(0))


def fast_gelu(node: NodeContext) -> Value:
    """com.microsoft FastGelu: the tanh form, with an optional bias."""
    return node.emit(Gelu(approximate=True), _biased(node))


def bias_gelu(node: NodeContext) -> Value:
    """com.microsoft BiasGelu."""
    return node.emit(Gelu(), _biased(node))


def swish(node: NodeContext) -> Value:
    """Swish (opset 24) and QuickGelu (com.microsoft): x * sigmoid(alpha * x)."""
    alpha = node.attributes.number("alpha", 1.0 if node.op_type == "Swish" else 1.702)
    x = node.value(0)
    if alpha == 1.0:
        return node.emit(Silu(), x)
    gate = node.step(Sigmoid(), node.step(Mul(), x, node.constant(alpha, "alpha")))
    return node.emit(Mul(), x, gate)


def mish(node: NodeContext) -> Value:
    """Mish: x * tanh(softplus(x)) (Misra, 2019)."""
    x = node.value(0)
    return node.emit(Mul(), x, node.step(Tanh(), _softplus(node, x, node.step)))


def softplus(node: NodeContext) -> Value:
    """Softplus: log(1 + exp(x))."""
    return _softplus(node, node.value(0), node.emit)


def softsign(node: NodeContext) -> Value:
    """Softsign: x / (1 + |x|)."""
    x = node.value(0)
    grown = node.step(Add(), node.step(Unary(Function.ABS), x), node.constant(1.0, "one"))
    return node.emit(Div(), x, grown)


def elu(node: NodeContext) -> Value:
    """Elu: max(x, 0) + alpha * (exp(min(x, 0)) - 1)."""
    return _exponential_linear(node, node.attributes.number("alpha", 1.0), 1.0, 1.0)


def selu(node: NodeContext) -> Value:
    """Selu: gamma * elu(x, alpha)."""
    alpha = node.attributes.number("alpha", _SELU_ALPHA)
    gamma = node.attributes.number("gamma", _SELU_GAMMA)
    return _exponential_linear(node, alpha * gamma, gamma, 1.0)


def celu(node: NodeContext) -> Value:
    """Celu: max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)."""
    alpha = node.attributes.number("alpha", 1.0)
    return _exponential_linear(node, alpha, 1.0, 1.0 / alpha)


def _exponential_linear(node: NodeContext, alpha: float, slope: float, inner: float) -> Value:
    """slope * max(x, 0) + alpha * (exp(inner * min(x, 0)) - 1)."""
    x = node.value(0)
    zero, one = node.constant(0.0, "zero"), node.constant(1.0, "one")
    positive = node.step(Relu(), x)
    if slope != 1.0:
        positive = node.step(Mul(), positive, node.constant(slope, "slope"))
    negative = node.step(Minimum(), x, zero)
    if inner != 1.0:
        negative = node.step(Mul(), negative, node.constant(inner, "inner"))
    negative = node.step(Sub(), node.step(Unary(Function.EXP), negative), one)
    if alpha != 1.0:
        negative = node.step(Mul(), negative, node.constant(alpha, "alpha"))
    return node.emit(Add(), positive, negative)


def _softplus(node: NodeContext, x: Value, last: Callable[..., Value]) -> Value:
    """max(x, 0) + log(1 + exp(-|x|)), which does not overflow."""
    folded = node.step(Unary(Function.NEG), node.step(Unary(Function.ABS), x))
    grown = node.step(Add(), node.step(Unary(Function.EXP), folded), node.constant(1.0, "one"))
    return last(Add(), node.step(Relu(), x), node.step(Unary(Function.LOG), grown))


def _bound(node: NodeContext, index: int, default: float) -> float | None:
    """A bound of Clip; None when the network computes it."""
    if node.operand(index) is None:
        return default
    known = node.known(index)
    return None if known is None else float(known.reshape(-1)[0])


def _clip_to_values(node: NodeContext) -> Value:
    x, low, high = node.value(0), node.optional_value(1), node.optional_value(2)
    if low is not None:
        x = node.emit(Maximum(), x, low)
    return x if high is None else node.emit(Minimum(), x, high)


def _biased(node: NodeContext) -> Value:
    bias = node.optional_value(1)
    return node.value(0) if bias is None else node.step(Add(), node.value(0), bias)


def _pointwise(make: Callable[[NodeContext], Op]) -> Handler:
    def handle(node: NodeContext) -> Value:
        return node.emit(make(node), node.value(0))

    return handle


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "Relu": _pointwise(lambda _: Relu()),
        "LeakyRelu": _pointwise(lambda n: LeakyRelu(n.attributes.number("alpha", 0.01))),
        "Sigmoid": _pointwise(lambda _: Sigmoid()),
        "Tanh": _pointwise(lambda _: Tanh()),
        "HardSigmoid": _pointwise(
            lambda n: HardSigmoid(
                n.attributes.number("alpha", 0.2), n.attributes.number("beta", 0.5)
            )
        ),
        "HardSwish": _pointwise(lambda _: HardSwish()),
        "Clip": clip,
        "PRelu": prelu,
        "Gelu": gelu,
        "com.microsoft.Gelu": gelu,
        "com.microsoft.FastGelu": fast_gelu,
        "com.microsoft.BiasGelu": bias_gelu,
        "com.microsoft.QuickGelu": swish,
        "Swish": swish,
        "Mish": mish,
        "Softplus": softplus,
        "Softsign": softsign,
        "Elu": elu,
        "Selu": selu,
        "Celu": celu,
        "Softmax": softmax,
        "LogSoftmax": log_softmax,
    }
)
