"""What quantised types must satisfy for an integer graph to have one exact meaning."""

from __future__ import annotations

import numpy as np

from fpc.ir.graph import Node, Value
from fpc.ir.op import Op, Quantisation
from fpc.ir.ops import Cast, Conv2d, ConvTranspose2d, Dense, Dequantize, Quantize
from fpc.ir.types import QuantParams, TensorType

_BIAS_TOLERANCE = 1e-6
"""Relative; a product of two float32 scales, rounded to float32, is within 6e-8."""


class BrokenRuleError(Exception):
    """A rule is broken; `help` says what would keep it."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


def check_type(type: TensorType) -> None:
    """Zero points are integers of the type, scales float32 numbers."""
    if type.quant is None:
        return
    low, high = type.dtype.minimum, type.dtype.maximum
    for zero_point in type.quant.zero_points:
        if not low <= zero_point <= high:
            raise BrokenRuleError(f"zero point {zero_point} is not a value of {type.dtype.value}")
    for scale in type.quant.scales:
        if float(np.float32(scale)) != scale:
            raise BrokenRuleError(
                f"scale {scale!r} is not a float32 number",
                "make it with QuantParams.per_tensor or QuantParams.per_axis",
            )


def check_node(node: Node[Op]) -> None:
    """Operands and results of `node` are quantised as its operator wants them.

    Operators that move values share one quantisation. All others take operands that are all
    quantised, or none, and give results like them; quantisation along an axis is for weights and
    biases only.
    """
    match node.op:
        case Quantize():
            _require(node.output.type.is_quantised, "the result has no quantisation")
        case Dequantize() | Cast():
            for value in node.outputs:
                _require(not value.type.is_quantised, f"%{value.name} must not be quantised")
        case op if op.quantisation is Quantisation.SAME:
            _check_shared(node)
        case Conv2d() | ConvTranspose2d() | Dense():
            _check_uniform(node, node.inputs[:1])
            if node.input(0).type.is_quantised:
                _check_weight(node.input(1))
                _check_bias(node.input(0), node.input(1), node.optional_input(2))
        case _:
            _check_uniform(node, node.inputs)


def _check_shared(node: Node[Op]) -> None:
    first, *others = (*node.operands, *node.outputs)
    for value in others:
        _require(
            value.type.quant == first.type.quant,
            f"%{first.name} and %{value.name} differ in quantisation",
            "put a requantize between them",
        )


def _check_uniform(node: Node[Op], activations: tuple[Value | None, ...]) -> None:
    """Operands and results are all quantised or none, and not along an axis."""
    quantised = any(value.type.is_quantised for value in node.operands)
    for value in (*node.operands, *node.outputs):
        whether = "must be" if quantised else "must not be"
        _require(
            value.type.is_quantised == quantised,
            f"%{value.name} {whether} quantised, as %{node.operands[0].name} is"
            if value is not node.operands[0]
            else f"%{value.name} is not quantised, but another operand is",
        )
    for value in (*activations, *node.outputs):
        if value is not None and value.type.quant is not None:
            _require(value.type.quant.axis is None, f"%{value.name} is quantised along an axis")


def _check_weight(weight: Value) -> None:
    quant = weight.type.quantisation
    _require(quant.is_symmetric, f"weights %{weight.name} have zero points other than 0")
    _require(
        quant.axis in (None, 0),
        f"weights %{weight.name} are quantised along axis {quant.axis}, not output channels",
    )


def _check_bias(x: Value, weight: Value, bias: Value | None) -> None:
    if bias is None:
        return
    quant = bias.type.quantisation
    _require(quant.is_symmetric, f"bias %{bias.name} has zero points other than 0")
    channels = bias.type.size
    found = _by_channel(quant, channels)
    wanted = x.type.quantisation.scale * _by_channel(weight.type.quantisation, channels)
    error = np.abs(found / wanted - 1)
    worst = int(np.argmax(error))
    _require(
        error[worst] <= _BIAS_TOLERANCE,
        f"bias %{bias.name} has scale {found[worst]:.9g} at channel {worst}, "
        f"where activations and weights make {wanted[worst]:.9g}",
        "a bias is in units of activation scale times weight scale",
    )


def _by_channel(quant: QuantParams, channels: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    scales = np.array(quant.scales, np.float64)
    return scales if quant.axis is not None else np.repeat(scales, channels)


def _require(condition: bool, message: str, help: str | None = None) -> None:
    if not condition:
        raise BrokenRuleError(message, help)
