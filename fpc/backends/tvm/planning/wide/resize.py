"""Resized feature maps of int16 and float32."""

from __future__ import annotations

import numpy as np

from fpc.backends.tvm.kernels.wide.bilinear import WIDE_SHARE_BITS, WideBilinear
from fpc.backends.tvm.planning.movement import elements
from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.resize import nearest_source, reference_blend
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.ops import Interpolation, Resize
from fpc.ir.resampling import nearest_indices, source_coordinates


def resize(site: Site[Resize]) -> None:
    """`Resize`."""
    op, (_, *extent, _) = site.op, site.type().shape
    axes = list(zip(extent, op.size, strict=True))
    if op.interpolation is Interpolation.NEAREST:
        rows, columns = (_nearest(site, *axis) for axis in axes)
        made = elements(site, site.node.output.type, {1: rows, 2: columns})
        site.assembler.define(site.node.output, made)
        return
    x = site.operand()
    shares = _shares if site.type().dtype is DType.F32 else _fixed_point_shares
    tables = [table for axis in axes for table in shares(op, *axis)]
    kernel = WideBilinear(x.buffer, site.result, (extent[0], extent[1]), op.size)
    site.emit(kernel, [x], tables)


def _nearest(site: Site[Resize], extent: int, size: int) -> Array:
    if site.type().dtype is DType.F32:
        at = source_coordinates(site.op.coordinates, extent, size)
        return nearest_indices(at, site.op.rounding, extent)
    return nearest_source(site.op, extent, size)


def _shares(op: Resize, extent: int, size: int) -> tuple[Array, Array]:
    at = np.clip(source_coordinates(op.coordinates, extent, size), 0, extent - 1)
    low = np.floor(at).astype(np.int32)
    high = np.minimum(low + 1, extent - 1)
    return np.stack([low, high]), (at - low).astype(np.float32)


def _fixed_point_shares(op: Resize, extent: int, size: int) -> tuple[Array, Array]:
    blend = reference_blend(op.coordinates, extent, size)
    assert blend.one == 1 << WIDE_SHARE_BITS
    return np.stack([blend.low, blend.high]).astype(np.int32), blend.share
