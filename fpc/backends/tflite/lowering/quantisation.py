"""Changes of number representation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fpc.backends.tflite.lowering.site import Site
from fpc.backends.tflite.model import ElementType
from fpc.ir.dtype import DType
from fpc.ir.ops import Cast, Dequantize, Quantize, Requantize


def cast(site: Site[Cast]) -> None:
    """`Cast`."""
    x = site.operand()
    fields = {
        "in_data_type": _element_type(x.type.dtype),
        "out_data_type": _element_type(site.op.to),
    }
    site.emit("CAST", [x], table="CastOptions", fields=fields)


def quantize(site: Site[Quantize]) -> None:
    """`Quantize`."""
    _quantize(site)


def requantize(site: Site[Requantize]) -> None:
    """`Requantize`: QUANTIZE also changes one integer representation into another."""
    _quantize(site)


_NARROW = (DType.I8, DType.U8, DType.I16)
_QUANTIZE_TO: Mapping[DType, tuple[DType, ...]] = MappingProxyType(
    {
        DType.F32: _NARROW,
        DType.I8: _NARROW,
        DType.U8: _NARROW,
        DType.I16: (DType.I8, DType.I16, DType.I32),
        DType.I32: (DType.I8, DType.I16),
    }
)
"""What each element type can be quantised to (`Prepare` of TFLite's quantize.cc)."""


def _quantize(site: Site[Quantize] | Site[Requantize]) -> None:
    source, target = site.operand().type.dtype, site.op.to
    if target not in _QUANTIZE_TO.get(source, ()):
        raise site.unsupported(
            f"QUANTIZE does not turn {source.value} into {target.value}",
            "go by way of int8 or int16",
        )
    site.emit("QUANTIZE", [site.operand()], table="QuantizeOptions")


def dequantize(site: Site[Dequantize]) -> None:
    """`Dequantize`."""
    source = site.operand().type.dtype
    if source not in _NARROW:
        raise site.unsupported(
            f"DEQUANTIZE does not take {source.value}", "requantise to int8 or int16 first"
        )
    site.emit("DEQUANTIZE", [site.operand()], table="DequantizeOptions")


def _element_type(dtype: DType) -> ElementType:
    return ElementType[dtype.numpy.name.upper()]
