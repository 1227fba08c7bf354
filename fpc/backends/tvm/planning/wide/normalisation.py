"""Normalisations of float32."""

from __future__ import annotations

from fpc.backends.tvm.kernels.wide.local_response_norm import LocalResponseNorm as Kernel
from fpc.backends.tvm.planning.site import Site
from fpc.ir.ops import LocalResponseNorm


def local_response_norm(site: Site[LocalResponseNorm]) -> None:
    """`LocalResponseNorm`."""
    op, x = site.op, site.operand()
    kernel = Kernel(x.buffer, site.result, op.size, op.alpha / op.size, op.beta, op.bias)
    site.emit(kernel, [x])
