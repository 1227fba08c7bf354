"""Sums, clamps and the activations of a DPU's vector unit.

Source of the constants: Xilinx Vitis AI, vai_q_onnx (26 / 256 for the slope of a leaky ReLU,
2731 / 2**14 for the sixth of a hard sigmoid).
"""

from __future__ import annotations

import math

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.power_of_two.shift import Integers, exponent, saturated, shifted
from fpc.ir.op import Activation
from fpc.ir.ops import (
    Add,
    Clip,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Quantize,
    Relu,
    Relu6,
    Requantize,
)

_SIXTH, _SIXTH_BITS = 2731, 14
_SLOPE, _SLOPE_BITS = 26, 8
_GATE_BITS = 7
_FAR = 2.0**31


def add(call: Call[Add], a: Array, b: Array) -> Array:
    """`Add`: operands brought to the finer of their scales, summed exactly, shifted once."""
    first, second = exponent(call.operand(0)), exponent(call.operand(1))
    finest = min(first, second)
    total = (a.astype(np.int64) << (first - finest)) + (b.astype(np.int64) << (second - finest))
    places = exponent(call.result) - finest
    return saturated(shifted(total, places), call.result, call.op.activation)


def relu(call: Call[Relu], x: Array) -> Array:
    """`Relu`."""
    return saturated(_rescaled(call, x), call.result, Activation.RELU)


def relu6(call: Call[Relu6], x: Array) -> Array:
    """`Relu6`."""
    return saturated(_rescaled(call, x), call.result, Activation.RELU6)


def clip(call: Call[Clip], x: Array) -> Array:
    """`Clip`, its bounds rounded half up in the result's scale."""
    scale, low, high = call.result.quantisation.scale, call.op.minimum, call.op.maximum
    minimum = -np.inf if low is None else math.floor(low / scale + 0.5)
    maximum = np.inf if high is None else math.floor(high / scale + 0.5)
    limited = np.clip(_rescaled(call, x).astype(np.float64), minimum, maximum)
    return saturated(limited.astype(np.int64), call.result)


def leaky_relu(call: Call[LeakyRelu], x: Array) -> Array:
    """`LeakyRelu`: the slope is 26 / 256 whatever the network says."""
    wide = np.where(x >= 0, x.astype(np.int64) << _SLOPE_BITS, x.astype(np.int64) * _SLOPE)
    places = exponent(call.result) - exponent(call.operand(0)) + _SLOPE_BITS
    return saturated(shifted(wide, places), call.result)


def hard_sigmoid(call: Call[HardSigmoid], x: Array) -> Array:
    """`HardSigmoid`: relu6(x + 3) * 2731 / 2**14."""
    places = exponent(call.result) - exponent(call.operand(0)) + _SIXTH_BITS
    gate, up = _gate(x, exponent(call.operand(0)))
    return saturated(shifted(gate, places + up), call.result)


def hard_swish(call: Call[HardSwish], x: Array) -> Array:
    """`HardSwish`: x times its hard sigmoid, which is held in 7 fractional bits."""
    source = exponent(call.operand(0))
    gate, up = _gate(x, source)
    gate = np.minimum(shifted(gate, _SIXTH_BITS - _GATE_BITS - source + up), 2**_GATE_BITS - 1)
    places = exponent(call.result) - source + _GATE_BITS
    return saturated(shifted(gate * x, places), call.result)


def _gate(x: Array, source: int) -> tuple[Integers, int]:
    """2731 * relu6(x + 3) in units of 2**(source - up), and `up`: coarse scales lack a 3."""
    up = max(0, source)
    unit = 1 << (up - source)
    wide = (x.astype(np.int64) << up) + 3 * unit
    return _SIXTH * np.clip(wide, 0, 6 * unit), up


def quantize(call: Call[Quantize], x: Array) -> Array:
    """`Quantize`: real values to the nearest integer, halves up."""
    steps = np.floor(x.astype(np.float64) * 2.0 ** -exponent(call.result) + 0.5)
    limited = np.clip(np.nan_to_num(steps, posinf=_FAR, neginf=-_FAR), -_FAR, _FAR)
    return saturated(limited.astype(np.int64), call.result)


def requantize(call: Call[Requantize], x: Array) -> Array:
    """`Requantize`."""
    return saturated(_rescaled(call, x), call.result)


def _rescaled(call: Call[Relu] | Call[Relu6] | Call[Clip] | Call[Requantize], x: Array) -> Integers:
    return shifted(x.astype(np.int64), exponent(call.result) - exponent(call.operand(0)))
