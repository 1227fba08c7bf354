"""Activations: functions of one value at a time, and softmax."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from fpc.backends.tflite.lowering.assembler import Operand
from fpc.backends.tflite.lowering.primitives import constant_like, reshape_to, transpose_to
from fpc.backends.tflite.lowering.site import Site, fused
from fpc.ir.dtype import DType
from fpc.ir.op import Activation, Op
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
from fpc.ir.types import QuantParams

_LARGEST_SOFTMAX_RANK = 4


def relu(site: Site[Relu]) -> None:
    """`Relu`."""
    site.emit("RELU", [site.operand()])


def relu6(site: Site[Relu6]) -> None:
    """`Relu6`."""
    site.emit("RELU6", [site.operand()])


def clip(site: Site[Clip]) -> None:
    """`Clip`: a RELU kind where one has the bounds, else MINIMUM and MAXIMUM."""
    x, low, high = site.operand(), site.op.minimum, site.op.maximum
    code = _RELU_KINDS.get((low, high))
    if code == "RELU_N1_TO_1" and x.type.dtype is DType.I16:
        code = None
    if code is not None:
        site.emit(code, [x])
        return
    bounds = [("MAXIMUM", low), ("MINIMUM", high)]
    steps = [(code, bound) for code, bound in bounds if bound is not None]
    y = site.result()
    for index, (code, bound) in enumerate(steps):
        last = index == len(steps) - 1 and x.type.quant == y.type.quant
        result = y if last else site.intermediate(code.lower(), x.type)
        operands = [x, constant_like(site, x, bound)]
        site.emit(code, operands, [result], "MaximumMinimumOptions")
        x = result
    if x is not y:
        if x.type.quant == y.type.quant:
            reshape_to(site, x, y)
        else:
            site.emit("QUANTIZE", [x], table="QuantizeOptions")


_RELU_KINDS: Mapping[tuple[float | None, float | None], str] = MappingProxyType(
    {(0.0, None): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}
)


def leaky_relu(site: Site[LeakyRelu]) -> None:
    """`LeakyRelu`."""
    site.emit(
        "LEAKY_RELU", [site.operand()], table="LeakyReluOptions", fields={"alpha": site.op.alpha}
    )


def prelu(site: Site[PRelu]) -> None:
    """`PRelu`."""
    x, slope = site.operand(0), site.operand(1)
    if x.type.dtype is DType.I16:
        raise site.unsupported("PRELU has no 16-bit form", "keep the node in float")
    if slope.type.rank < x.type.rank:
        shape = (1,) * (x.type.rank - slope.type.rank) + slope.type.shape
        slope = _with_shape(site, slope, shape)
    site.emit("PRELU", [x, slope])


def _with_shape(site: Site[PRelu], slope: Operand, shape: tuple[int, ...]) -> Operand:
    value = site.node.input(1)
    if value.is_constant:
        return site.constant("slope", value.data.reshape(shape), slope.type.quant)
    reshaped = site.intermediate("slope", slope.type.with_shape(shape))
    reshape_to(site, slope, reshaped)
    return reshaped


def sigmoid(site: Site[Sigmoid]) -> None:
    """`Sigmoid`."""
    _require_range(site, "LOGISTIC", 1 / 256, -128)
    site.emit("LOGISTIC", [site.operand()])


def tanh(site: Site[Tanh]) -> None:
    """`Tanh`."""
    _require_range(site, "TANH", 1 / 128, 0)
    site.emit("TANH", [site.operand()])


def _require_range(site: Site[Op], code: str, scale: float, zero_point: int) -> None:
    """Kernels of functions with a bounded range write one fixed quantisation.

    Values of the TFLite 8-bit quantisation specification; 16-bit results have 15 fraction bits.
    """
    y = site.result().type
    if y.quant is None:
        return
    if y.dtype is DType.I16:
        scale, zero_point = 1 / 32768, 0
    if y.quant != QuantParams.per_tensor(scale, zero_point):
        raise site.unsupported(
            f"{code} writes scale {scale:g} and zero point {zero_point}, not scale "
            f"{y.quant.scale:g} and zero point {y.quant.zero_point}",
            f"give the result scale {scale:g} and zero point {zero_point}, requantise after it",
        )


def softmax(site: Site[Softmax]) -> None:
    """`Softmax`, which TFLite has along the last axis only."""
    _require_range(site, "SOFTMAX", 1 / 256, -128)
    x, y, axis = site.operand(), site.result(), site.op.axis
    last = x.type.rank - 1
    if axis == last and x.type.rank <= _LARGEST_SOFTMAX_RANK:
        _softmax(site, x, y)
        return
    outer = math.prod(x.type.shape[:axis])
    extent, inner = x.type.shape[axis], math.prod(x.type.shape[axis + 1 :])
    rows, columns = (outer, inner, extent), (outer, extent, inner)
    scores = _moved(site, x, columns, rows)
    shares = site.intermediate("shares", y.type.with_shape(rows))
    _softmax(site, scores, shares)
    swapped = site.intermediate("swapped_back", y.type.with_shape(columns))
    transpose_to(site, shares, swapped, (0, 2, 1))
    reshape_to(site, swapped, y)


def _moved(site: Site[Op], x: Operand, columns: tuple[int, ...], rows: tuple[int, ...]) -> Operand:
    flat = site.intermediate("flat", x.type.with_shape(columns))
    swapped = site.intermediate("swapped", x.type.with_shape(rows))
    reshape_to(site, x, flat)
    transpose_to(site, flat, swapped, (0, 2, 1))
    return swapped


def _softmax(site: Site[Op], x: Operand, y: Operand) -> None:
    site.emit("SOFTMAX", [x], [y], "SoftmaxOptions", {"beta": 1.0})


def hard_sigmoid(site: Site[HardSigmoid]) -> None:
    """`HardSigmoid` as relu6(6 alpha x + 6 beta) / 6, a clamp that ADD has fused."""
    _require_float(
        site,
        "hard_sigmoid has no integer kernel",
        "fold its slope and offset into the convolution before it (the legalise passes do), "
        "or keep it in float",
    )
    x = site.operand()
    slope, offset = 6.0 * site.op.alpha, 6.0 * site.op.beta
    if not math.isclose(slope, 1.0, rel_tol=1e-7):
        x = _scaled(site, x, site.intermediate("sloped", x.type), slope)
    clamped = site.intermediate("clamped", x.type)
    operands = [x, constant_like(site, x, offset)]
    fields = {"fused_activation_function": fused(Activation.RELU6)}
    site.emit("ADD", operands, [clamped], "AddOptions", fields)
    _scaled(site, clamped, site.result(), 1.0 / 6.0)


def _scaled(site: Site[Op], x: Operand, y: Operand, factor: float) -> Operand:
    site.emit("MUL", [x, constant_like(site, x, factor)], [y], "MulOptions")
    return y


def silu(site: Site[Silu]) -> None:
    """`Silu` as LOGISTIC and MUL."""
    _require_float(
        site,
        "silu has no integer kernel",
        "rewrite it as sigmoid and mul before quantising (the legalise passes do)",
    )
    x = site.operand()
    gate = site.intermediate("gate", x.type)
    site.emit("LOGISTIC", [x], [gate])
    site.emit("MUL", [x, gate], table="MulOptions")


def hard_swish(site: Site[HardSwish]) -> None:
    """`HardSwish`."""
    if site.operand().type.dtype is DType.I16:
        raise site.unsupported(
            "HARD_SWISH has no 16-bit form", "rewrite it as add, relu6 and mul before quantising"
        )
    site.emit("HARD_SWISH", [site.operand()], table="HardSwishOptions")


def gelu(site: Site[Gelu]) -> None:
    """`Gelu`."""
    if site.operand().type.dtype is DType.I16:
        raise site.unsupported("GELU has no 16-bit form", "keep the node in float")
    fields = {"approximate": site.op.approximate}
    site.emit("GELU", [site.operand()], table="GeluOptions", fields=fields)


def unary(site: Site[Unary]) -> None:
    """`Unary`; there is no operator for erf."""
    function = site.op.function
    if function is Function.ERF:
        raise site.unsupported(
            "there is no ERF operator",
            "recover the GELU it belongs to, or export the model with the tanh approximation",
        )
    _require_float(site, f"fpc has no integer form of {function.value}", "keep the node in float")
    site.emit(function.name, [site.operand()], table=_UNARY_TABLES.get(function))


_UNARY_TABLES: Mapping[Function, str] = MappingProxyType(
    {Function.EXP: "ExpOptions", Function.ABS: "AbsOptions", Function.NEG: "NegOptions"}
)


def _require_float(site: Site[Op], reason: str, remedy: str) -> None:
    if site.is_quantised or site.operand().type.is_quantised:
        raise site.unsupported(reason, remedy)
