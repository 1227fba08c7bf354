"""Transposed convolutions: the map spread with zeros, then a convolution with flipped filters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.planning.convolution import multiply, tap_by_tap
from fpc.backends.tvm.planning.movement import elements
from fpc.backends.tvm.planning.site import Site
from fpc.ir.ops import ConvTranspose2d


def conv_transpose2d(site: Site[ConvTranspose2d]) -> None:
    """`ConvTranspose2d`."""
    weights = site.array(1, "weights")
    site.require_int8()
    x, window = spread_for(site)
    multiply(site, x, window, tap_by_tap(weights[:, ::-1, ::-1]), site.op.groups)


def spread_for(site: Site[ConvTranspose2d]) -> tuple[Stored, Window]:
    """The operand spread with real zeros, and the window of flipped filters that slides over it."""
    op, source = site.op, site.type()
    batch, *extent, channels = source.shape
    _, *kernel, _ = site.type(1).shape
    _, rows, columns, _ = site.node.output.type.shape
    tables: dict[int, NDArray[np.intp]] = {}
    for axis, count in enumerate((rows, columns)):
        reach = op.dilations[axis] * (kernel[axis] - 1) + 1
        first = reach - 1 - op.pads[axis]
        tables[axis + 1] = _spread(extent[axis], first, op.strides[axis], count + reach - 1)
    size = tables[1].size, tables[2].size
    spread = source.with_shape((batch, *size, channels))
    zero = 0 if source.quant is None else source.quant.zero_point
    window = Window(batch, size, (rows, columns), (kernel[0], kernel[1]), dilations=op.dilations)
    return elements(site, spread, tables, zero), window


def _spread(extent: int, first: int, stride: int, size: int) -> NDArray[np.intp]:
    """Which of `extent` elements lies where among `size`, -1 for none: every `stride`-th place."""
    table = np.full(size, -1)
    places = first + stride * np.arange(extent)
    inside = (places >= 0) & (places < size)
    table[places[inside]] = np.arange(extent)[inside]
    return table
