"""NEON without dot products (Cortex-A72, A53): widening multiplies, added in pairs to 32 bits.

`smull` and `smlal2` sum two products of signed bytes in 16 bits, `sadalp` adds neighbouring sums to
32 bits (Arm Architecture Reference Manual): 16 products of one unit in 3 instructions. Two products
of -128 and -128 would overflow the 16 bits, so weights are at least -127.
"""

from __future__ import annotations

from fpc.backends.tvm.isa.description import DotProduct, Intrinsic, Isa, Rounding

_STEP_FRAME = """
@T.prim_func(s_tir=True)
def {name}(
    A: T.Buffer((16,), "int8", offset_factor=1),
    B: T.Buffer((16,), "int8", offset_factor=1),
    C: T.Buffer((4,), "int32", offset_factor=1),
) -> None:
    with T.sblock("root"):
        T.reads(C[0:4], A[0:16], B[0:16])
        T.writes(C[0:4])
{body}"""

_STEP = """\
        for p in T.serial(0, 4):
            for k in T.serial(0, 4):
                with T.sblock("update"):
                    vp, vk = T.axis.remap("SR", [p, k])
                    C[vp] = C[vp] + T.cast(A[vk // 2 * 8 + vp * 2 + vk % 2], "int32") * T.cast(
                        B[vk // 2 * 8 + vp * 2 + vk % 2], "int32"
                    )
"""

_STEP_CALLS = """\
        C[T.ramp(0, 1, 4)] += T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.saddlp.v4i32.v8i16"),
            T.call_llvm_pure_intrin(
                T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.smull.v8i16"),
                T.vectorlow(A.vload([0], "int8x16"), dtype="int8x8"),
                T.vectorlow(B.vload([0], "int8x16"), dtype="int8x8"),
                dtype="int16x8",
            ) + T.call_llvm_pure_intrin(
                T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.smull.v8i16"),
                T.vectorhigh(A.vload([0], "int8x16"), dtype="int8x8"),
                T.vectorhigh(B.vload([0], "int8x16"), dtype="int8x8"),
                dtype="int16x8",
            ),
            dtype="int32x4",
        )
"""

_FOLD_FRAME = """
@T.prim_func(s_tir=True)
def {name}(
    C: T.Buffer((4, 4), "int32", offset_factor=1), S: T.Buffer((4,), "int32", offset_factor=1)
) -> None:
    with T.sblock("root"):
        T.reads(C[0:4, 0:4])
        T.writes(S[0:4])
{body}"""

_FOLD = """\
        for u in T.serial(0, 4):
            with T.sblock("fold"):
                vu = T.axis.remap("S", [u])
                S[vu] = C[vu, 0] + C[vu, 1] + C[vu, 2] + C[vu, 3]
"""

_FOLD_CALLS = """\
        S[T.ramp(0, 1, 4)] = T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.addp.v4i32"),
            T.call_llvm_pure_intrin(
                T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.addp.v4i32"),
                C.vload([0, 0], dtype="int32x4"),
                C.vload([1, 0], dtype="int32x4"),
                dtype="int32x4",
            ),
            T.call_llvm_pure_intrin(
                T.llvm_lookup_intrinsic_id("llvm.aarch64.neon.addp.v4i32"),
                C.vload([2, 0], dtype="int32x4"),
                C.vload([3, 0], dtype="int32x4"),
                dtype="int32x4",
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
    accumulators=8,
    least_weight=-127,
    rounding=Rounding("llvm.aarch64.neon.fcvtns", lanes=4),
    dot=DotProduct(
        lanes=8,
        depth=16,
        tile=(8, 16),
        axes=(0, 1),
        intrinsic=Intrinsic.framed("fpc.smlal.sadalp", _STEP_FRAME, _STEP, _STEP_CALLS),
        partials=4,
        fold=Intrinsic.framed("fpc.addp", _FOLD_FRAME, _FOLD, _FOLD_CALLS),
    ),
)
