"""Functions of one and of two float32 tensors, and pools of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from fpc.backends.tvm.kernels.pool import MaxPool as MaxPoolKernel
from fpc.backends.tvm.kernels.wide import pool
from fpc.backends.tvm.kernels.wide.elementwise import FloatElementwise, FunctionOfTwo
from fpc.backends.tvm.kernels.wide.function import FloatFunction, FunctionName
from fpc.backends.tvm.planning.elementwise import emit_elementwise
from fpc.backends.tvm.planning.pooling import counts_of, window_of
from fpc.backends.tvm.planning.site import Site
from fpc.ir.constant import Array
from fpc.ir.op import Activation, Op, fused_activation
from fpc.ir.ops import (
    AvgPool,
    Clip,
    Gelu,
    HardSigmoid,
    LeakyRelu,
    MaxPool,
    Unary,
)


def limits(activation: Activation) -> Array:
    """The bounds of a fused activation, infinite where there are none."""
    low, high = activation.bounds
    return _numbers(-math.inf if low is None else low, math.inf if high is None else high)


def function_of_two(function: FunctionOfTwo) -> Callable[[Site[Op]], None]:
    """Plans an operator that computes `function`, and clamps where it has an activation."""

    def planned(site: Site[Op]) -> None:
        bounds = limits(fused_activation(site.op))
        emit_elementwise(site, partial(FloatElementwise, function=function), [bounds])

    return planned


def function(name: FunctionName, *numbers: float) -> Callable[[Site[Op]], None]:
    """Plans an operator that is always the same function."""

    def planned(site: Site[Op]) -> None:
        _emit(site, name, *numbers)

    return planned


def clip(site: Site[Clip]) -> None:
    """`Clip`."""
    low, high = site.op.minimum, site.op.maximum
    _emit(site, "clamp", -math.inf if low is None else low, math.inf if high is None else high)


def leaky_relu(site: Site[LeakyRelu]) -> None:
    """`LeakyRelu`."""
    _emit(site, "leaky_relu", site.op.alpha, 0)


def hard_sigmoid(site: Site[HardSigmoid]) -> None:
    """`HardSigmoid`."""
    _emit(site, "hard_sigmoid", site.op.alpha, site.op.beta)


def gelu(site: Site[Gelu]) -> None:
    """`Gelu`."""
    _emit(site, "gelu_by_tanh" if site.op.approximate else "gelu")


def unary(site: Site[Unary]) -> None:
    """`Unary`."""
    _emit(site, site.op.function.value)


def _emit(site: Site[Op], name: FunctionName, first: float = 0, second: float = 0) -> None:
    x = site.operand()
    site.emit(FloatFunction(x.buffer, site.result, name), [x], [_numbers(first, second)])


def _numbers(first: float, second: float) -> Array:
    return np.array((first, second), np.float32)


def max_pool(site: Site[MaxPool]) -> None:
    """`MaxPool`."""
    x = site.operand()
    site.emit(MaxPoolKernel(x.buffer, site.result, window_of(site, site.op.dilations)), [x])


def avg_pool(site: Site[AvgPool]) -> None:
    """`AvgPool`."""
    x, window = site.operand(), window_of(site, (1, 1))
    shares = (1 / counts_of(site, window)).astype(np.float32)
    site.emit(pool.FloatMeanPool(x.buffer, site.result, window), [x], [shares])
