"""AVX512-VNNI: `vpdpbusd` adds, for 16 units, 4 products of unsigned and signed bytes (Intel SDM).

From LLVM 21 on the intrinsic takes bytes, not words; TVM's own definition of it fails there.
"""

from __future__ import annotations

from fpc.backends.tvm.isa.description import DotProduct, Intrinsic, Isa

_DESCRIPTION = """
@T.prim_func(s_tir=True)
def description(
    A: T.Buffer((4,), "uint8", offset_factor=1),
    B: T.Buffer((16, 4), "int8", offset_factor=1),
    C: T.Buffer((16,), "int32", offset_factor=1),
) -> None:
    with T.sblock("root"):
        T.reads(C[0:16], A[0:4], B[0:16, 0:4])
        T.writes(C[0:16])
        for i in T.serial(0, 16):
            for k in T.serial(0, 4):
                with T.sblock("update"):
                    vi, vk = T.axis.remap("SR", [i, k])
                    C[vi] = C[vi] + T.cast(A[vk], "int32") * T.cast(B[vi, vk], "int32")
"""

_IMPLEMENTATION = """
@T.prim_func(s_tir=True)
def implementation(
    A: T.Buffer((4,), "uint8", offset_factor=1),
    B: T.Buffer((16, 4), "int8", offset_factor=1),
    C: T.Buffer((16,), "int32", offset_factor=1),
) -> None:
    with T.sblock("root"):
        T.reads(C[0:16], A[0:4], B[0:16, 0:4])
        T.writes(C[0:16])
        a = T.reinterpret(A.vload([0], "uint8x4"), dtype="int32")
        C[T.ramp(T.int32(0), 1, 16)] = T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.x86.avx512.vpdpbusd.512"),
            C.vload([0], dtype="int32x16"),
            T.reinterpret(T.broadcast(a, 16), dtype="int8x64"),
            B.vload([0, 0], dtype="int8x64"),
            dtype="int32x16",
        )
"""

X86_AVX512_VNNI = Isa(
    name="x86-avx512-vnni",
    title="x86-64 with AVX512-VNNI (Intel Ice Lake and later, AMD Zen 4 and later)",
    target={"kind": "llvm", "mcpu": "icelake-server", "num-cores": 1},
    features=frozenset({"avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512vbmi"}),
    lanes=16,
    offset=128,
    accumulators=28,
    dot=DotProduct(
        lanes=16,
        depth=4,
        tile=(16, 4),
        axes=(0, 1),
        intrinsic=Intrinsic("fpc.vpdpbusd.512", _DESCRIPTION, _IMPLEMENTATION),
    ),
)
