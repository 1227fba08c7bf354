"""Functions of two values."""

from __future__ import annotations

from fpc.backends.tflite.lowering.site import Site, fused
from fpc.ir.dtype import DType
from fpc.ir.ops import Add, Div, Maximum, Minimum, Mul, Sub


def add(site: Site[Add]) -> None:
    """`Add`; 16-bit operands may have any scales, not only powers of two."""
    fields = {"fused_activation_function": fused(site.op.activation), "pot_scale_int16": False}
    site.emit("ADD", site.operands(), table="AddOptions", fields=fields)


def sub(site: Site[Sub]) -> None:
    """`Sub`; 16-bit operands may have any scales, not only powers of two."""
    fields = {"fused_activation_function": fused(site.op.activation), "pot_scale_int16": False}
    site.emit("SUB", site.operands(), table="SubOptions", fields=fields)


def mul(site: Site[Mul]) -> None:
    """`Mul`."""
    fields = {"fused_activation_function": fused(site.op.activation)}
    site.emit("MUL", site.operands(), table="MulOptions", fields=fields)


def div(site: Site[Div]) -> None:
    """`Div`, which no runtime has for quantised integers."""
    if site.is_quantised or site.operand(0).type.dtype not in (DType.F32, DType.I32):
        raise site.unsupported(
            f"DIV does not take {site.operand(0).type.dtype.value} values",
            "keep the division in float, or multiply by the reciprocal of a constant divisor",
        )
    fields = {"fused_activation_function": fused(site.op.activation)}
    site.emit("DIV", site.operands(), table="DivOptions", fields=fields)


def maximum(site: Site[Maximum]) -> None:
    """`Maximum`."""
    site.emit("MAXIMUM", site.operands(), table="MaximumMinimumOptions")


def minimum(site: Site[Minimum]) -> None:
    """`Minimum`."""
    site.emit("MINIMUM", site.operands(), table="MaximumMinimumOptions")
