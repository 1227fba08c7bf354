"""The dot products of VNNI (Intel SDM), for vectors of 256 and of 512 bits.

`vpdpbusd` adds, for every unit, 4 products of unsigned and signed bytes, `vpdpwssd` 2 products of
int16. From LLVM 21 on the intrinsics take bytes and int16, not int32; TVM's own definition fails
there. A depthwise filter sees four neighbouring pixels, or two of int16, in a vector that `vpermb`
and `vpermw` bring into the order of the dot product, or without AVX512 `vpermd` and `vpshufb`.
"""

from __future__ import annotations

from fpc.backends.tvm.isa.description import ColumnDot, DotProduct
from fpc.backends.tvm.isa.dot_intrinsic import column_dot, dot_product, interleaved

WHOLE_DOT_PRODUCTS = "+fast-dpwssd"
"""LLVM's attribute without which it takes some of `vpdpwssd` apart, into `vpmaddwd` and `vpaddd`: a
shorter chain of sums, but there are sums enough beside each other."""

_CALL = """\
        C[T.ramp(T.int32(0), 1, {lanes})] = T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.x86.avx512.{instruction}.{bits}"),
            C.vload([0], dtype="int32x{lanes}"),
            T.reinterpret({terms}, dtype="{weight}x{elements}"),
            B.vload([0, 0], dtype="{weight}x{elements}"),
            dtype="int32x{lanes}",
        )
"""

_SHARED = 'T.broadcast(T.reinterpret(A.vload([0], "{activation}x{depth}"), dtype="int32"), {lanes})'
_INTERLEAVED = 'T.Shuffle([A.vload([0, 0], dtype="{activation}x{elements}")], {order})'


def dot_of_bytes(lanes: int) -> DotProduct:
    """Four products of bytes for each of `lanes` units."""
    types = "uint8", "int8"
    body = _body("vpdpbusd", types, lanes, 4, _SHARED)
    return dot_product(f"fpc.vpdpbusd.{32 * lanes}", types, lanes, 4, body)


def dot_of_int16(lanes: int) -> DotProduct:
    """Two products of int16 for each of `lanes` units."""
    types = "int16", "int16"
    body = _body("vpdpwssd", types, lanes, 2, _SHARED)
    return dot_product(f"fpc.vpdpwssd.{32 * lanes}", types, lanes, 2, body)


def dot_of_byte_columns(lanes: int) -> ColumnDot:
    """Products of bytes of four pixels for each of `lanes` channels."""
    types = "uint8", "int8"
    body = _body("vpdpbusd", types, lanes, 4, _INTERLEAVED)
    return column_dot(f"fpc.vpdpbusd.columns.{32 * lanes}", types, lanes, 4, body)


def dot_of_int16_columns(lanes: int) -> ColumnDot:
    """Products of int16 of two pixels for each of `lanes` channels."""
    types = "int16", "int16"
    body = _body("vpdpwssd", types, lanes, 2, _INTERLEAVED)
    return column_dot(f"fpc.vpdpwssd.columns.{32 * lanes}", types, lanes, 2, body)


def _body(instruction: str, types: tuple[str, str], lanes: int, depth: int, terms: str) -> str:
    activation, weight = types
    words = {"lanes": lanes, "elements": lanes * depth, "activation": activation, "weight": weight}
    given = terms.format(depth=depth, order=interleaved(depth, lanes), **words)
    return _CALL.format(instruction=instruction, bits=32 * lanes, terms=given, **words)
