"""NEON with dot products (Cortex-A55, A76 and later): `sdot` adds 4 products for 4 units.

Armv8.2-A FEAT_DotProd (Arm Architecture Reference Manual). Depthwise filters add two products in 16
bits as on older processors, so weights are at least -127 here too.
"""

from __future__ import annotations

from dataclasses import replace

from fpc.backends.tvm.isa.dot_intrinsic import dot_product
from fpc.backends.tvm.isa.neon_mlal import NEON_MLAL

_DOT = """\
        for half in T.unroll(2):
            C[T.ramp(half * 4, 1, 4)] = T.call_llvm_pure_intrin(
                T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.sdot.v4i32.v16i8"),
                C[T.ramp(half * 4, 1, 4)],
                T.reinterpret(
                    T.broadcast(T.reinterpret(A.vload([0], "int8x4"), dtype="int32"), 4),
                    dtype="int8x16",
                ),
                B.vload([half * 4, 0], dtype="int8x16"),
                dtype="int32x4",
            )
"""

NEON_DOT = replace(
    NEON_MLAL,
    name="neon-dot",
    title="64-bit ARM with dot products (Cortex-A55, A76 and later)",
    target={**NEON_MLAL.target, "mcpu": "cortex-a76", "mattr": ["+neon", "+dotprod"]},
    features=NEON_MLAL.features | {"asimddp"},
    accumulators=10,
    dot=dot_product("fpc.sdot", ("int8", "int8"), lanes=8, depth=4, body=_DOT),
)
