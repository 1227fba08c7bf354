"""Convolutions and dense layers of int16 and float32."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.kernels.column_sums import pack_columns
from fpc.backends.tvm.kernels.depthwise import pack_taps
from fpc.backends.tvm.kernels.filters import ConvolutionTile
from fpc.backends.tvm.kernels.groups import Groups
from fpc.backends.tvm.kernels.wide.convolution import WideConvolution, wide_dot
from fpc.backends.tvm.kernels.wide.depthwise import WideDepthwise
from fpc.backends.tvm.kernels.wide.depthwise_columns import WideDepthwiseColumns
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.planning.convolution import (
    is_depthwise,
    lies_in_lines,
    tap_by_tap,
    ungrouped,
    window_of,
)
from fpc.backends.tvm.planning.site import Site, SumOfProducts
from fpc.backends.tvm.planning.tiles import line_tile, wide_convolution_tile
from fpc.backends.tvm.planning.transposed_convolution import spread_for
from fpc.backends.tvm.planning.wide.accumulators import accumulators_of
from fpc.backends.tvm.planning.wide.elementwise import int16_sum_numbers
from fpc.backends.tvm.planning.wide.floating import limits
from fpc.backends.tvm.planning.wide.scaling import ending_of
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.ops import Conv2d, ConvTranspose2d, Dense


def dense(site: Site[Dense]) -> None:
    """`Dense`."""
    weights = site.array(1, "weights")
    window = Window.over_rows(site.result.rows)
    _multiply(site, site.operand(), window, weights[:, np.newaxis])


def conv2d(site: Site[Conv2d]) -> None:
    """`Conv2d`, as a matrix product unless it is depthwise."""
    weights, window = site.array(1, "weights"), window_of(site)
    if is_depthwise(site.node):
        _depthwise(site, window, weights)
        return
    given = site.operand_as_is()
    x = given if lies_in_lines(given.buffer, window, site.isa) else site.operand()
    _multiply(site, x, window, tap_by_tap(weights), site.op.groups)


def conv_transpose2d(site: Site[ConvTranspose2d]) -> None:
    """`ConvTranspose2d`: the map spread with zeros, then a convolution with flipped filters."""
    weights = site.array(1, "weights")
    x, window = spread_for(site)
    _multiply(site, x, window, tap_by_tap(weights[:, ::-1, ::-1]), site.op.groups)


def _multiply(
    site: SumOfProducts, x: Stored, window: Window, weights: Array, groups: int = 1
) -> None:
    """Let the result be the product with weights [unit, tap, channel of its group]."""
    isa = site.isa
    seen = Groups(groups, x.buffer.width, len(weights), isa.dot.lanes, isa.lanes)
    if seen.span == seen.row:
        weights, seen = ungrouped(weights, groups), replace(seen, count=1)
    accumulators = accumulators_of(site, seen.weights(weights))
    scaling, parameters = ending_of(site, accumulators, isa.dot.lanes)
    residual, numbers = _residual_of(site)
    sums, parts = accumulators
    plain = WideConvolution(
        x.buffer,
        site.result,
        window,
        ConvolutionTile(1, 1),
        sums,
        scaling,
        parts,
        residual=None if residual is None else residual.buffer,
        group_count=seen.count,
    )
    filters = plain.groups(isa).weights(weights).astype(x.buffer.dtype.numpy)
    if (parts, seen.count) == (1, 1) and lies_in_lines(x.buffer, window, isa):
        plain = replace(plain, by_line=True)
        filters = weights.astype(filters.dtype).reshape(len(weights), window.kernel[0], -1)
    tile = wide_convolution_tile(plain, isa)
    packed = wide_dot(isa, sums).pack(filters)
    operands = [x] if residual is None else [x, residual]
    site.emit(replace(plain, tile=tile), operands, [packed, *parameters, *numbers])


def _residual_of(site: SumOfProducts) -> tuple[Stored | None, list[Array]]:
    """What the sum that is fused adds, and its parameters."""
    fused = site.fused
    if fused is None:
        return None, []
    residual = site.assembler.operand(fused.residual)
    if residual.buffer.dtype is DType.F32:
        return residual, [limits(fused.node.op.activation)]
    return residual, int16_sum_numbers(Site(fused.node, site.assembler), fused.own)


def _depthwise(site: Site[Conv2d], window: Window, weights: Array) -> None:
    isa, x, stored = site.isa, site.operand(), site.result
    tile = line_tile(window, isa)
    accumulators = accumulators_of(site, weights.reshape(len(weights), -1, 1))
    scaling, parameters = ending_of(site, accumulators, isa.lanes)
    filters, sums = weights[..., 0].astype(x.buffer.dtype.numpy), accumulators.sums
    dot = isa.column_dot_int16
    if dot is not None and sums is DType.I32 and window.dilations[1] == 1:
        kernel = WideDepthwiseColumns(x.buffer, stored, window, tile, scaling)
        taps = pack_columns(filters, stored.columns, dot)
    else:
        kernel = WideDepthwise(x.buffer, stored, window, tile, sums, scaling)
        taps = pack_taps(filters, stored.columns)
    site.emit(kernel, [x], [taps, *parameters])
