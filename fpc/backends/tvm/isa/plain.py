"""No instruction by name: whatever LLVM makes of the loops. Always right, nowhere fast."""

from __future__ import annotations

from fpc.backends.tvm.isa.description import DotProduct, Isa

PLAIN = Isa(
    name="plain",
    title="any processor of this machine's architecture",
    target={"kind": "llvm", "num-cores": 1},
    features=frozenset(),
    lanes=16,
    offset=0,
    accumulators=12,
    dot=DotProduct(lanes=16, depth=4, tile=(4, 16), axes=(1, 0)),
)
