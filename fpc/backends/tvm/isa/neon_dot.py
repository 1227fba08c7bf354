"""NEON with dot products (Cortex-A55, A76 and later): `sdot` adds 4 products for 4 units.

Armv8.2-A FEAT_DotProd (Arm Architecture Reference Manual). Depthwise filters add two products in 16
bits as on older processors, so weights are at least -127 here too.
"""

from __future__ import annotations

from fpc.backends.tvm.isa.description import Isa, Rounding
from fpc.backends.tvm.isa.dot_intrinsic import dot_product

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

NEON_DOT = Isa(
    name="neon-dot",
    title="64-bit ARM with dot products (Cortex-A55, A76 and later)",
    target={
        "kind": "llvm",
        "mtriple": "aarch64-linux-gnu",
        "mcpu": "cortex-a76",
        "mattr": ["+neon", "+dotprod"],
        "num-cores": 1,
    },
    features=frozenset({"asimd", "asimddp"}),
    machine="aarch64",
    lanes=8,
    offset=0,
    accumulators=10,
    least_weight=-127,
    rounding=Rounding("llvm.aarch64.neon.fcvtns", lanes=4),
    dot=dot_product("fpc.sdot", ("int8", "int8"), lanes=8, depth=4, body=_DOT),
)
