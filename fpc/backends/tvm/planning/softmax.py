"""Softmax."""

from __future__ import annotations

import numpy as np

from fpc.backends.tvm.kernels import softmax as kernels
from fpc.backends.tvm.planning.movement import transposed
from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.softmax import exponentials_of_steps
from fpc.ir.ops import Softmax


def softmax(site: Site[Softmax]) -> None:
    """`Softmax` over the last axis; another one is brought there and back."""
    site.require_int8()
    kind, result, axis = site.type(), site.node.output.type, site.op.axis
    order = [*(other for other in range(kind.rank) if other != axis), axis]
    is_last = axis == kind.rank - 1
    x = site.operand() if is_last else transposed(site, kind.shape, order)
    zero_point, stored = result.quantisation.zero_point, x.buffer
    span = result.dtype.minimum - zero_point, result.dtype.maximum - zero_point
    numbers = (
        exponentials_of_steps(kind.quantisation),
        np.array([result.quantisation.scale], np.float32),
        np.array((*span, zero_point + stored.offset), np.int32),
    )
    made = site.assembler.call(kernels.Softmax(x.buffer, stored), [x], numbers)
    if not is_last:
        back = [order.index(other) for other in range(kind.rank)]
        made = transposed(site, [kind.shape[other] for other in order], back, made)
    site.assembler.define(site.node.output, made)
