"""Resized feature maps."""

from __future__ import annotations

import numpy as np

from fpc.backends.tvm.kernels.bilinear import SHARE_BITS, Bilinear
from fpc.backends.tvm.planning.movement import elements
from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.resize import nearest_source, xnnpack_blend
from fpc.ir.constant import Array
from fpc.ir.ops import Interpolation, Resize


def resize(site: Site[Resize]) -> None:
    """`Resize`."""
    site.require_int8()
    op, (_, height, width, _) = site.op, site.type().shape
    if op.interpolation is Interpolation.NEAREST:
        rows = nearest_source(op, height, op.size[0])
        columns = nearest_source(op, width, op.size[1])
        made = elements(site, site.node.output.type, {1: rows, 2: columns})
        site.assembler.define(site.node.output, made)
        return
    x = site.operand()
    tables = [_shares(op, height, op.size[0]), _shares(op, width, op.size[1])]
    site.emit(Bilinear(x.buffer, site.result, (height, width), op.size), [x], tables)


def _shares(op: Resize, extent: int, size: int) -> Array:
    blend = xnnpack_blend(op.coordinates, extent, size)
    assert blend.one == 1 << SHARE_BITS
    return np.array([blend.low, blend.high, blend.share], np.int32)
