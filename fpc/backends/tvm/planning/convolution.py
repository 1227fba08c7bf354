"""Convolutions and dense layers."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.kernels.convolution import Convolution, ConvolutionTile
from fpc.backends.tvm.kernels.convolution import tiles as convolution_tiles
from fpc.backends.tvm.kernels.depthwise import Depthwise
from fpc.backends.tvm.kernels.depthwise import tiles as depthwise_tiles
from fpc.backends.tvm.kernels.depthwise_columns import DepthwiseColumns, pack_columns
from fpc.backends.tvm.kernels.requantise import limits_of, padded_channels
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.rescale import effective_scales_float32
from fpc.ir.constant import Array
from fpc.ir.ops import Conv2d, ConvTranspose2d, Dense

SumOfProducts: TypeAlias = Site[Conv2d] | Site[ConvTranspose2d] | Site[Dense]


def dense(site: Site[Dense]) -> None:
    """`Dense`."""
    weights = site.array(1, "weights")
    site.require_int8()
    multiply(site, site.operand_as_is(), Window.over_rows(site.result.rows), weights[:, np.newaxis])


def conv2d(site: Site[Conv2d]) -> None:
    """`Conv2d`, as a matrix product unless it is depthwise."""
    weights = site.array(1, "weights")
    site.require_int8()
    op, x = site.op, site.type()
    window = _window(site)
    units, taps_v, taps_h, depth = weights.shape
    if op.is_depthwise(x) and units == op.groups:
        _depthwise(site, window, weights)
        return
    weights = ungrouped(weights, op.groups).reshape(units, taps_v * taps_h, depth * op.groups)
    multiply(site, site.operand_as_is(), window, weights)


def _window(site: Site[Conv2d]) -> Window:
    op = site.op
    batch, _, height, width = op.layout.split(site.type().shape)
    _, _, *kernel = op.layout.split(site.type(1).shape)
    _, _, *count = op.layout.split(site.node.output.type.shape)
    if kernel == [1, 1] and op.strides == (1, 1) and not any(op.pads):
        return Window.over_rows(batch * height * width)
    return Window(
        batch,
        (height, width),
        (count[0], count[1]),
        (kernel[0], kernel[1]),
        op.strides,
        op.dilations,
        op.pads[:2],
    )


def ungrouped(weights: Array, groups: int) -> Array:
    """Filters OHWI that see all channels, with zeros for those of the other groups."""
    if groups == 1:
        return weights
    units, taps_v, taps_h, depth = weights.shape
    whole = np.zeros((groups, units // groups, taps_v, taps_h, groups, depth), weights.dtype)
    split = weights.reshape(groups, units // groups, taps_v, taps_h, depth)
    for group in range(groups):
        whole[group, :, :, :, group] = split[group]
    return whole.reshape(units, taps_v, taps_h, groups * depth)


def multiply(site: SumOfProducts, x: Stored, window: Window, weights: Array) -> None:
    """Let the result be the matrix product of what windows see with weights [unit, tap, channel].

    `x` is the map that windows slide over, quantised as the first operand.
    """
    isa = site.isa
    start = Convolution(x.buffer, site.result, window, ConvolutionTile(1, 1))
    tile = max(convolution_tiles(start, isa), key=_arithmetic_intensity)
    kernel = Convolution(x.buffer, site.result, window, tile)
    site.emit(kernel, [x], [isa.dot.pack(weights), *_epilogue(site, weights, isa.dot.lanes)])


def _arithmetic_intensity(tile: ConvolutionTile) -> tuple[float, int]:
    """Products a load of activations or weights; the wider tile of two equals."""
    loads = tile.positions + tile.vectors
    return tile.positions * tile.vectors / loads, tile.vectors


def _depthwise(site: Site[Conv2d], window: Window, weights: Array) -> None:
    isa, x, channels = site.isa, site.operand_as_is(), site.result.columns
    tile = max(depthwise_tiles(window, isa), key=lambda tile: min(tile.positions, 8))
    filters = weights[..., 0]
    if isa.column_dot is not None and window.dilations[1] == 1:
        kernel = DepthwiseColumns(x.buffer, site.result, window, tile)
        taps = pack_columns(filters, channels, isa.column_dot)
    else:
        kernel = Depthwise(x.buffer, site.result, window, tile)
        taps = np.zeros((*window.kernel, channels), np.int8)
        taps[..., : weights.shape[0]] = filters.transpose(1, 2, 0)
    site.emit(kernel, [x], [taps, *_epilogue(site, weights, isa.lanes)])


def _epilogue(site: SumOfProducts, weights: Array, lanes: int) -> list[Array]:
    """Bias, scale and limits, with what operands are offset by moved into the bias."""
    x, w, result = site.type(), site.type(1), site.node.output.type
    held = x.quantisation.zero_point + site.isa.offset
    bias = site.node.optional_input(2)
    sums = weights.reshape(weights.shape[0], -1).sum(axis=1, dtype=np.int64)
    addend = (0 if bias is None else bias.data.astype(np.int64)) - held * sums
    scales = effective_scales_float32(x.quantisation, w.quantisation, result.quantisation)
    return [
        padded_channels(addend.astype(np.int32), lanes),
        padded_channels(np.broadcast_to(scales, addend.shape), lanes),
        limits_of(result, site.op.activation, site.result, held),
    ]
