"""AVX512-VNNI: the dot products of VNNI for 16 units (Intel SDM).

A depthwise filter sees four neighbouring pixels of 16 channels in 64 bytes that `vpermb` (VBMI)
brings into the order of the dot product, and two of int16 that `vpermw` does.
"""

from __future__ import annotations

from fpc.backends.tvm.isa.description import ByteLookup, ColumnDot, Intrinsic, Isa
from fpc.backends.tvm.isa.x86_narrowing import narrowings
from fpc.backends.tvm.isa.x86_vnni import WHOLE_DOT_PRODUCTS, dot_of_bytes, dot_of_int16

_COLUMNS_BUFFERS = """\
    A: T.Buffer(({columns}, 16), "{activation}", offset_factor=1),
    B: T.Buffer((16, {columns}), "{weight}", offset_factor=1),
    C: T.Buffer((16,), "int32", offset_factor=1),
) -> None:
    with T.sblock("root"):
        T.reads(C[0:16], A[0:{columns}, 0:16], B[0:16, 0:{columns}])
        T.writes(C[0:16])
"""

_COLUMNS_DESCRIPTION = f"""
@T.prim_func(s_tir=True)
def description(
{_COLUMNS_BUFFERS}\
        for i in T.serial(0, 16):
            for k in T.serial(0, {{columns}}):
                with T.sblock("update"):
                    vi, vk = T.axis.remap("SR", [i, k])
                    C[vi] = C[vi] + T.cast(A[vk, vi], "int32") * T.cast(B[vi, vk], "int32")
"""

_COLUMNS_IMPLEMENTATION = f"""
@T.prim_func(s_tir=True)
def implementation(
{_COLUMNS_BUFFERS}\
        C[T.ramp(T.int32(0), 1, 16)] = T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.x86.avx512.{{instruction}}.512"),
            C.vload([0], dtype="int32x16"),
            T.reinterpret(
                T.Shuffle(
                    [A.vload([0, 0], dtype="{{activation}}x{{elements}}")], {{interleaved}}
                ),
                dtype="{{weight}}x{{elements}}",
            ),
            B.vload([0, 0], dtype="{{weight}}x{{elements}}"),
            dtype="int32x16",
        )
"""


def _column_dot(permutation: str, instruction: str, activation: str, weight: str) -> ColumnDot:
    """Pixels of 16 channels that fill 64 bytes, permuted for `instruction` to sum each channel."""
    columns = 4 if weight == "int8" else 2
    facts = {
        "columns": columns,
        "elements": 16 * columns,
        "activation": activation,
        "weight": weight,
        "instruction": instruction,
        "interleaved": [16 * column + lane for lane in range(16) for column in range(columns)],
    }
    texts = (text.format(**facts) for text in (_COLUMNS_DESCRIPTION, _COLUMNS_IMPLEMENTATION))
    return ColumnDot(16, columns, Intrinsic(f"fpc.{permutation}.{instruction}.512", *texts))


_ENTRIES_OF_HALF = """\
T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.x86.avx512.vpermi2var.qi.512"),
            table.vload([0, {first}], dtype="uint8x64"),
            {bytes},
            table.vload([0, {second}], dtype="uint8x64"),
            dtype="uint8x64",
        )"""


def _entries() -> str:
    """`vpermi2b` picks from 128 entries: two of them, and the sign bit chooses."""
    low, high = (
        _ENTRIES_OF_HALF.format(first=first, second=first + 64, bytes="{bytes}")
        for first in (0, 128)
    )
    return f"T.Select({{bytes}} >= T.broadcast(T.uint8(128), 64), {high}, {low})"


X86_AVX512_VNNI = Isa(
    name="x86-avx512-vnni",
    title="x86-64 with AVX512-VNNI (Intel Ice Lake and later, AMD Zen 4 and later)",
    target={
        "kind": "llvm",
        "mcpu": "icelake-server",
        "mattr": [WHOLE_DOT_PRODUCTS],
        "num-cores": 1,
    },
    features=frozenset({"avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512vbmi"}),
    machine="x86_64",
    lanes=16,
    offset=128,
    accumulators=28,
    dot=dot_of_bytes(16),
    dot_int16=dot_of_int16(16),
    column_dot=_column_dot("vpermb", "vpdpbusd", "uint8", "int8"),
    column_dot_int16=_column_dot("vpermw", "vpdpwssd", "int16", "int16"),
    lookup=ByteLookup(64, _entries()),
    narrowings=narrowings(16),
    sums_and_weights=31,
)
