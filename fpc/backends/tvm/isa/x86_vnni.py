"""The dot products of VNNI (Intel SDM), for vectors of 256 and of 512 bits.

`vpdpbusd` adds, for every unit, 4 products of unsigned and signed bytes, `vpdpwssd` 2 products of
int16. From LLVM 21 on the intrinsics take bytes and int16, not int32; TVM's own definition fails
there. A depthwise filter sees four neighbouring pixels, or two of int16, in a vector that `vpermb`
and `vpermw` bring into the order of the dot product, or without AVX512 `vpermd` and `vpshufb`.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class VnniInstruction:
    """An instruction that adds `depth` products to every int32, `types` are of both factors."""

    name: str
    types: tuple[str, str]
    depth: int

    def dot(self, lanes: int) -> DotProduct:
        """Products for each of `lanes` units, which all see the same activations."""
        name, body = f"fpc.{self.name}.{32 * lanes}", self._body(lanes, _SHARED)
        return dot_product(name, self.types, lanes, self.depth, body)

    def column_dot(self, lanes: int) -> ColumnDot:
        """Products of neighbouring pixels for each of `lanes` channels."""
        name, body = f"fpc.{self.name}.columns.{32 * lanes}", self._body(lanes, _INTERLEAVED)
        return column_dot(name, self.types, lanes, self.depth, body)

    def _body(self, lanes: int, terms: str) -> str:
        activation, weight = self.types
        words = {
            "lanes": lanes,
            "elements": lanes * self.depth,
            "activation": activation,
            "weight": weight,
        }
        given = terms.format(depth=self.depth, order=interleaved(self.depth, lanes), **words)
        return _CALL.format(instruction=self.name, bits=32 * lanes, terms=given, **words)


PRODUCTS_OF_BYTES = VnniInstruction("vpdpbusd", ("uint8", "int8"), 4)
PRODUCTS_OF_INT16 = VnniInstruction("vpdpwssd", ("int16", "int16"), 2)
