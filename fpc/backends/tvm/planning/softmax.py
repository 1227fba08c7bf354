"""Softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.kernels import softmax as kernels
from fpc.backends.tvm.planning.movement import transposed
from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.softmax import exponentials_of_steps
from fpc.ir.ops import Softmax


def softmax(site: Site[Softmax]) -> None:
    """`Softmax`."""
    site.require_int8()
    over_last_axis(site, lambda x: _of_rows(site, x))


def _of_rows(site: Site[Softmax], x: Stored) -> Stored:
    result = site.node.output.type
    zero_point, stored = result.quantisation.zero_point, x.buffer
    span = result.dtype.minimum - zero_point, result.dtype.maximum - zero_point
    numbers = (
        exponentials_of_steps(site.type().quantisation),
        np.array([result.quantisation.scale], np.float32),
        np.array((*span, zero_point + stored.offset), np.int32),
    )
    return site.assembler.call(kernels.Softmax(x.buffer, stored), [x], numbers)


def over_last_axis(site: Site[Softmax], of_rows: Callable[[Stored], Stored]) -> None:
    """Let the result be `of_rows` of the operand, its axis last: brought there and back."""
    kind, axis = site.type(), site.op.axis
    order = [*(other for other in range(kind.rank) if other != axis), axis]
    is_last = axis == kind.rank - 1
    made = of_rows(site.operand() if is_last else transposed(site, kind.shape, order))
    if not is_last:
        back = [order.index(other) for other in range(kind.rank)]
        made = transposed(site, [kind.shape[other] for other in order], back, made)
    site.assembler.define(site.node.output, made)
