"""AVX512-VNNI: the dot products of VNNI for 16 units, and tables read by `vpermi2b` (Intel SDM)."""

from __future__ import annotations

from fpc.backends.tvm.isa.description import ByteLookup, Isa
from fpc.backends.tvm.isa.x86_narrowing import narrowings
from fpc.backends.tvm.isa.x86_vnni import (
    PRODUCTS_OF_BYTES,
    PRODUCTS_OF_INT16,
    WHOLE_DOT_PRODUCTS,
)

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
    dot=PRODUCTS_OF_BYTES.dot(16),
    dot_int16=PRODUCTS_OF_INT16.dot(16),
    column_dot=PRODUCTS_OF_BYTES.column_dot(16),
    column_dot_int16=PRODUCTS_OF_INT16.column_dot(16),
    lookup=ByteLookup(64, _entries()),
    narrowings=narrowings(16),
    sums_and_weights=31,
)
