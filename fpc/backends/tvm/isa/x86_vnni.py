"""The dot products of VNNI (Intel SDM), for vectors of 256 and of 512 bits.

`vpdpbusd` adds, for every unit, 4 products of unsigned and signed bytes, `vpdpwssd` 2 products of
int16. From LLVM 21 on the intrinsics take bytes and int16, not int32; TVM's own definition fails
there.
"""

from __future__ import annotations

from fpc.backends.tvm.isa.description import DotProduct
from fpc.backends.tvm.isa.dot_intrinsic import dot_intrinsic

_BYTES = """\
        C[T.ramp(T.int32(0), 1, {lanes})] = T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.x86.avx512.vpdpbusd.{bits}"),
            C.vload([0], dtype="int32x{lanes}"),
            T.reinterpret(
                T.broadcast(T.reinterpret(A.vload([0], "uint8x4"), dtype="int32"), {lanes}),
                dtype="int8x{bytes}",
            ),
            B.vload([0, 0], dtype="int8x{bytes}"),
            dtype="int32x{lanes}",
        )
"""

_INT16 = """\
        C[T.ramp(T.int32(0), 1, {lanes})] = T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.x86.avx512.vpdpwssd.{bits}"),
            C.vload([0], dtype="int32x{lanes}"),
            T.reinterpret(
                T.broadcast(T.reinterpret(A.vload([0], "int16x2"), dtype="int32"), {lanes}),
                dtype="int16x{pairs}",
            ),
            B.vload([0, 0], dtype="int16x{pairs}"),
            dtype="int32x{lanes}",
        )
"""


def dot_of_bytes(lanes: int) -> DotProduct:
    """Four products of bytes for each of `lanes` units."""
    body = _BYTES.format(lanes=lanes, bits=32 * lanes, bytes=4 * lanes)
    intrinsic = dot_intrinsic(f"fpc.vpdpbusd.{32 * lanes}", ("uint8", "int8"), lanes, 4, body)
    return DotProduct(lanes, depth=4, tile=(lanes, 4), axes=(0, 1), intrinsic=intrinsic)


def dot_of_int16(lanes: int) -> DotProduct:
    """Two products of int16 for each of `lanes` units."""
    body = _INT16.format(lanes=lanes, bits=32 * lanes, pairs=2 * lanes)
    intrinsic = dot_intrinsic(f"fpc.vpdpwssd.{32 * lanes}", ("int16", "int16"), lanes, 2, body)
    return DotProduct(lanes, depth=2, tile=(lanes, 2), axes=(0, 1), intrinsic=intrinsic)
