"""Float activations."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fpc.interp.call import Array, Call
from fpc.ir.ops import (
    Clip,
    Function,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    PRelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Softmax,
    Tanh,
    Unary,
)


def relu(call: Call[Relu], x: Array) -> Array:
    """`Relu`."""
    del call
    return np.maximum(x, x.dtype.type(0))


def relu6(call: Call[Relu6], x: Array) -> Array:
    """`Relu6`."""
    del call
    return np.clip(x, 0, 6)


def clip(call: Call[Clip], x: Array) -> Array:
    """`Clip`; a lower bound above the upper one gives the upper one, as in ONNX."""
    low, high = call.op.minimum, call.op.maximum
    if low is not None:
        x = np.maximum(x, x.dtype.type(low))
    return x if high is None else np.minimum(x, x.dtype.type(high))


def leaky_relu(call: Call[LeakyRelu], x: Array) -> Array:
    """`LeakyRelu`."""
    return np.where(x > 0, x, x * x.dtype.type(call.op.alpha))


def prelu(call: Call[PRelu], x: Array, slope: Array) -> Array:
    """`PRelu`."""
    del call
    return np.where(x > 0, x, x * slope)


def sigmoid(call: Call[Sigmoid], x: Array) -> Array:
    """`Sigmoid`."""
    del call
    return logistic(x)


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)), accurate for large negative x too, by the exponential that shrinks."""
    shrunk = np.exp(-np.abs(x))
    return np.where(x >= 0, x.dtype.type(1), shrunk) / (1 + shrunk)


def hard_sigmoid(call: Call[HardSigmoid], x: Array) -> Array:
    """`HardSigmoid`."""
    op = call.op
    return np.clip(x * x.dtype.type(op.alpha) + x.dtype.type(op.beta), 0, 1)


def silu(call: Call[Silu], x: Array) -> Array:
    """`Silu`."""
    del call
    return x * logistic(x)


def hard_swish(call: Call[HardSwish], x: Array) -> Array:
    """`HardSwish`."""
    del call
    y = np.clip(x + x.dtype.type(3), 0, 6)
    y *= x
    y /= x.dtype.type(6)
    return y


def tanh(call: Call[Tanh], x: Array) -> Array:
    """`Tanh`."""
    del call
    return np.tanh(x)


def gelu(call: Call[Gelu], x: Array) -> Array:
    """`Gelu`."""
    half = x.dtype.type(0.5)
    if call.op.approximate:
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)
        return (half * x * (1 + np.tanh(inner))).astype(x.dtype)
    return (half * x * (1 + error_function(x * math.sqrt(0.5)))).astype(x.dtype)


@cache
def _error_function_samples() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes = np.arange(-_ERF_LIMIT * _ERF_STEPS, _ERF_LIMIT * _ERF_STEPS + 1) / _ERF_STEPS
    values = np.array([math.erf(node) for node in nodes])
    slopes = 2.0 / math.sqrt(math.pi) * np.exp(-nodes * nodes)
    return values, slopes


_ERF_LIMIT = 6
_ERF_STEPS = 256


def error_function(x: Array) -> NDArray[np.float64]:
    """erf(x) to 3e-9: its third-order Taylor polynomial around the nearest of 3073 exact samples.

    Beyond |x| = 6 erf is 1 in float64.
    """
    values, slopes = _error_function_samples()
    clipped = np.clip(np.asarray(x, np.float64), -_ERF_LIMIT, _ERF_LIMIT)
    index = np.rint(clipped * _ERF_STEPS).astype(np.intp)
    node = index / _ERF_STEPS
    index += _ERF_LIMIT * _ERF_STEPS
    step = clipped - node
    correction = step * (1.0 - step * (node - step * (2.0 * node * node - 1.0) / 3.0))
    return values[index] + slopes[index] * correction


def unary(call: Call[Unary], x: Array) -> Array:
    """`Unary`; outside a function's domain the result is NaN or infinite, as IEEE 754 says."""
    match call.op.function:
        case Function.EXP:
            return np.exp(x)
        case Function.LOG:
            return np.log(x)
        case Function.SQRT:
            return np.sqrt(x)
        case Function.ABS:
            return np.abs(x)
        case Function.NEG:
            return np.negative(x)
        case Function.ERF:
            return error_function(x).astype(x.dtype)
        case Function.FLOOR:
            return np.floor(x)


def softmax(call: Call[Softmax], x: Array) -> Array:
    """`Softmax`."""
    axis = call.op.axis
    y = np.exp(x - x.max(axis=axis, keepdims=True))
    y /= y.sum(axis=axis, keepdims=True)
    return y
