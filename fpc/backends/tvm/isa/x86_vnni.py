"""The dot products of VNNI (Intel SDM), for vectors of 256 and of 512 bits.

`vpdpbusd` adds, for every unit, 4 products of unsigned and signed bytes, `vpdpwssd` 2 products of
int16. From LLVM 21 on the intrinsics take bytes and int16, not int32; TVM's own definition fails
there.
"""

from __future__ import annotations

from fpc.backends.tvm.isa.description import DotProduct
from fpc.backends.tvm.isa.dot_intrinsic import dot_product

WHOLE_DOT_PRODUCTS = "+fast-dpwssd"
"""LLVM's attribute without which it takes some of `vpdpwssd` apart, into `vpmaddwd` and `vpaddd`: a
shorter chain of sums, but there are sums enough beside each other."""

_CALL = """\
        C[T.ramp(T.int32(0), 1, {lanes})] = T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.x86.avx512.{instruction}.{bits}"),
            C.vload([0], dtype="int32x{lanes}"),
            T.reinterpret(
                T.broadcast(T.reinterpret(A.vload([0], "{terms}"), dtype="int32"), {lanes}),
                dtype="{weights}",
            ),
            B.vload([0, 0], dtype="{weights}"),
            dtype="int32x{lanes}",
        )
"""


def dot_of_bytes(lanes: int) -> DotProduct:
    """Four products of bytes for each of `lanes` units."""
    return _dot_product("vpdpbusd", ("uint8", "int8"), lanes, depth=4)


def dot_of_int16(lanes: int) -> DotProduct:
    """Two products of int16 for each of `lanes` units."""
    return _dot_product("vpdpwssd", ("int16", "int16"), lanes, depth=2)


def _dot_product(instruction: str, types: tuple[str, str], lanes: int, depth: int) -> DotProduct:
    activation, weight = types
    body = _CALL.format(
        instruction=instruction,
        lanes=lanes,
        bits=32 * lanes,
        terms=f"{activation}x{depth}",
        weights=f"{weight}x{depth * lanes}",
    )
    return dot_product(f"fpc.{instruction}.{32 * lanes}", types, lanes, depth, body)
