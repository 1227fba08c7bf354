"""AVX2, with and without AVX-VNNI (Intel SDM).

`vpmaddubsw`, which multiplies bytes, saturates the sums of two products. `vpmaddwd` is exact: it
multiplies int16 and adds two products in int32. Weights are widened as they are loaded, activations
once before, but for those of depthwise filters, which `vpshufb` interleaves by two pixels.

A table of 256 bytes is 16 tables of 16, of which `vpshufb` reads one at a time: it gives zero where
the index's sign bit is set, and saturation sets that for indices of other tables.
"""

from __future__ import annotations

from dataclasses import replace

from fpc.backends.tvm.isa.description import ByteLookup, Isa
from fpc.backends.tvm.isa.dot_intrinsic import column_dot, dot_product, interleaved
from fpc.backends.tvm.isa.x86_narrowing import narrowings
from fpc.backends.tvm.isa.x86_vnni import (
    PRODUCTS_OF_BYTES,
    PRODUCTS_OF_INT16,
    WHOLE_DOT_PRODUCTS,
)
from fpc.ir.dtype import DType

_SUM = """\
        C[T.ramp(T.int32(0), 1, 8)] = C.vload([0], dtype="int32x8") + T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.x86.avx2.pmadd.wd"),
            {terms},
            {weights},
            dtype="int32x8",
        )
"""

_SHARED = """T.reinterpret(
                T.broadcast(T.reinterpret(A.vload([0], "int16x2"), dtype="int32"), 8),
                dtype="int16x16",
            )"""
_COLUMNS = f'T.Shuffle([A.vload([0, 0], "int16x16")], {interleaved(2, 8)})'
_BYTE_COLUMNS = f'T.Cast("int16x16", T.Shuffle([A.vload([0, 0], "uint8x16")], {interleaved(2, 8)}))'
_WEIGHTS = 'B.vload([0, 0], "int16x16")'
_BYTE_WEIGHTS = 'T.Cast("int16x16", B.vload([0, 0], "int8x16"))'


def _sum(terms: str, weights: str) -> str:
    """The products of two terms of int16 each, added to eight sums."""
    return _SUM.format(terms=terms, weights=weights)


def _entries_from(first: int) -> str:
    """The 16 entries from `first` on, where bytes are their indices, and zeros."""
    sixteen = f'table.vload([0, {first}], dtype="uint8x16")'
    return f"""T.call_llvm_pure_intrin(
                T.llvm_lookup_intrinsic_id("llvm.x86.avx2.pshuf.b"),
                T.Shuffle([{sixteen}, {sixteen}], {list(range(32))}),
                T.call_llvm_pure_intrin(
                    T.llvm_lookup_intrinsic_id("llvm.uadd.sat"),
                    T.bitwise_xor({{bytes}}, T.broadcast(T.uint8({first}), 32)),
                    T.broadcast(T.uint8(112), 32),
                    dtype="uint8x32",
                ),
                dtype="uint8x32",
            )"""


X86_AVX2 = Isa(
    name="x86-avx2",
    title="x86-64 with AVX2 (Intel Haswell and later, AMD Zen and later)",
    target={"kind": "llvm", "mcpu": "haswell", "num-cores": 1},
    features=frozenset({"avx2", "bmi2", "fma"}),
    machine="x86_64",
    lanes=8,
    offset=128,
    accumulators=14,
    sums_and_weights=16,
    dot=replace(
        dot_product("fpc.vpmaddwd.bytes", ("int16", "int8"), 8, 2, _sum(_SHARED, _BYTE_WEIGHTS)),
        terms=DType.I16,
        cycles=2 / 3,
        latency=1.0,
        widening=1 / 4,
    ),
    dot_int16=dot_product("fpc.vpmaddwd", ("int16", "int16"), 8, 2, _sum(_SHARED, _WEIGHTS)),
    column_dot=column_dot(
        "fpc.vpmaddwd.columns.bytes", ("uint8", "int8"), 8, 2, _sum(_BYTE_COLUMNS, _BYTE_WEIGHTS)
    ),
    column_dot_int16=column_dot(
        "fpc.vpmaddwd.columns", ("int16", "int16"), 8, 2, _sum(_COLUMNS, _WEIGHTS)
    ),
    lookup=ByteLookup(32, " | ".join(map(_entries_from, range(0, 256, 16)))),
    narrowings=narrowings(8),
)

X86_AVX_VNNI = replace(
    X86_AVX2,
    name="x86-avx-vnni",
    title="x86-64 with AVX-VNNI (Intel Alder Lake and later, AMD Zen 5 and later)",
    target={**X86_AVX2.target, "mattr": ["+avxvnni", WHOLE_DOT_PRODUCTS]},
    features=X86_AVX2.features | {"avx_vnni"},
    sums_and_weights=15,
    dot=PRODUCTS_OF_BYTES.dot(8),
    dot_int16=PRODUCTS_OF_INT16.dot(8),
    column_dot=PRODUCTS_OF_BYTES.column_dot(8),
    column_dot_int16=PRODUCTS_OF_INT16.column_dot(8),
)
