"""Operators that move values."""

from __future__ import annotations

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.kernels.copy import Copy
from fpc.backends.tvm.planning.site import Site
from fpc.ir.ops import Reshape


def reshape(site: Site[Reshape]) -> None:
    """`Reshape`: the same memory where the last axis stays as it is, else a copy."""
    x, result = site.operand(), site.result
    if x.buffer == result:
        site.assembler.define(site.node.output, Stored(x.slot, result))
    else:
        site.emit(Copy(x.buffer, result), [x])
