"""NEON without dot products (Cortex-A72, A53): widening multiplies, added in pairs to 32 bits.

`smull` and `smlal` sum two products of signed bytes in 16 bits, `sadalp` adds neighbouring sums to
32 bits (Arm Architecture Reference Manual): 16 products in 3 instructions. Two products of -128 and
-128 would overflow the 16 bits, so weights are at least -127.
"""

from __future__ import annotations

from fpc.backends.tvm.isa.description import DotProduct, Intrinsic, Isa

_DESCRIPTION = """
@T.prim_func(s_tir=True)
def description(
    A: T.Buffer((4,), "int8", offset_factor=1),
    B: T.Buffer((2, 2, 4, 2), "int8", offset_factor=1),
    C: T.Buffer((8,), "int32", offset_factor=1),
) -> None:
    with T.sblock("root"):
        T.reads(C[0:8], A[0:4], B[0:2, 0:2, 0:4, 0:2])
        T.writes(C[0:8])
        for i in T.serial(0, 8):
            for k in T.serial(0, 4):
                with T.sblock("update"):
                    vi, vk = T.axis.remap("SR", [i, k])
                    C[vi] = C[vi] + T.cast(A[vk], "int32") * T.cast(
                        B[vi // 4, vk // 2, vi % 4, vk % 2], "int32"
                    )
"""

_IMPLEMENTATION = """
@T.prim_func(s_tir=True)
def implementation(
    A: T.Buffer((4,), "int8", offset_factor=1),
    B: T.Buffer((2, 2, 4, 2), "int8", offset_factor=1),
    C: T.Buffer((8,), "int32", offset_factor=1),
) -> None:
    with T.sblock("root"):
        T.reads(C[0:8], A[0:4], B[0:2, 0:2, 0:4, 0:2])
        T.writes(C[0:8])
        a = T.reinterpret(A.vload([0], "int8x4"), dtype="int16x2")
        first = T.reinterpret(T.broadcast(T.Shuffle([a], [0]), 4), dtype="int8x8")
        second = T.reinterpret(T.broadcast(T.Shuffle([a], [1]), 4), dtype="int8x8")
        for half in T.unroll(2):
            w = B.vload([half, 0, 0, 0], dtype="int8x16")
            C[T.ramp(half * 4, 1, 4)] += T.call_llvm_pure_intrin(
                T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.saddlp.v4i32.v8i16"),
                T.call_llvm_pure_intrin(
                    T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.smull.v8i16"),
                    first,
                    T.vectorlow(w, dtype="int8x8"),
                    dtype="int16x8",
                )
                + T.call_llvm_pure_intrin(
                    T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.smull.v8i16"),
                    second,
                    T.vectorhigh(w, dtype="int8x8"),
                    dtype="int16x8",
                ),
                dtype="int32x4",
            )
"""

NEON_MLAL = Isa(
    name="neon-mlal",
    title="64-bit ARM with NEON, without dot products (Cortex-A72, A53)",
    target={
        "kind": "llvm",
        "mtriple": "aarch64-linux-gnu",
        "mcpu": "cortex-a72",
        "mattr": ["+neon"],
        "num-cores": 1,
    },
    features=frozenset({"asimd"}),
    machine="aarch64",
    lanes=8,
    offset=0,
    accumulators=10,
    least_weight=-127,
    dot=DotProduct(
        lanes=8,
        depth=4,
        tile=(2, 2, 4, 2),
        axes=(0, 1, 0, 1),
        intrinsic=Intrinsic("fpc.smlal.sadalp", _DESCRIPTION, _IMPLEMENTATION),
    ),
)
