"""AVX2, with and without AVX-VNNI (Intel SDM).

`vpmaddubsw`, which multiplies bytes, saturates the sums of two products. `vpmaddwd` is exact: it
multiplies int16 and adds two products in int32. Weights are widened as they are loaded, activations
once before.

A table of 256 bytes is 16 tables of 16, of which `vpshufb` reads one at a time: it gives zero where
the index's sign bit is set, and saturation sets that for indices of other tables.
"""

from __future__ import annotations

from dataclasses import replace

from fpc.backends.tvm.isa.column_dot import permuted_dot
from fpc.backends.tvm.isa.description import ByteLookup, Isa
from fpc.backends.tvm.isa.dot_intrinsic import dot_product
from fpc.backends.tvm.isa.x86_narrowing import narrowings
from fpc.backends.tvm.isa.x86_vnni import WHOLE_DOT_PRODUCTS, dot_of_bytes, dot_of_int16
from fpc.ir.dtype import DType

_SUM = """\
        C[T.ramp(T.int32(0), 1, 8)] = C.vload([0], dtype="int32x8") + {products}
"""

_PAIRS = """T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.x86.avx2.pmadd.wd"),
            T.reinterpret({a}, dtype="int16x16"),
            {b},
            dtype="int32x8",
        )"""

_DOT = _SUM.format(
    products=_PAIRS.format(
        a='T.broadcast(T.reinterpret(A.vload([0], "int16x2"), dtype="int32"), 8)',
        b='T.cast(B.vload([0, 0], dtype="int8x16"), "int16x16")',
    )
)

_DOT_INT16 = _SUM.format(
    products=_PAIRS.format(
        a='T.broadcast(T.reinterpret(A.vload([0], "int16x2"), dtype="int32"), 8)',
        b='B.vload([0, 0], dtype="int16x16")',
    )
)


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
        dot_product("fpc.vpmaddwd.bytes", ("int16", "int8"), lanes=8, depth=2, body=_DOT),
        terms=DType.I16,
        cycles=2 / 3,
        latency=1.0,
        widening=1 / 4,
    ),
    dot_int16=dot_product("fpc.vpmaddwd", ("int16", "int16"), lanes=8, depth=2, body=_DOT_INT16),
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
    dot=dot_of_bytes(8),
    dot_int16=dot_of_int16(8),
    column_dot=permuted_dot("vpdpbusd", ("uint8", "int8"), 8),
    column_dot_int16=permuted_dot("vpdpwssd", ("int16", "int16"), 8),
)
