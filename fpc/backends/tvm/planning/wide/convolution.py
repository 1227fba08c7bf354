"""Convolutions and dense layers of int16 and float32."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.buffer import round_up
from fpc.backends.tvm.kernels.convolution import ConvolutionTile
from fpc.backends.tvm.kernels.requantise import padded_channels
from fpc.backends.tvm.kernels.wide.convolution import WideConvolution, wide_dot, wide_tiles
from fpc.backends.tvm.kernels.wide.depthwise import WideDepthwise
from fpc.backends.tvm.kernels.wide.scaling import Scaling
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.planning.convolution import is_depthwise, tap_by_tap, ungrouped, window_of
from fpc.backends.tvm.planning.site import Site
from fpc.backends.tvm.planning.tiles import line_tile
from fpc.backends.tvm.planning.transposed_convolution import spread_for
from fpc.backends.tvm.planning.wide.floating import limits
from fpc.interp.integer.fixed_point import quantize_multiplier, reduced_multiplier
from fpc.interp.integer.rescale import activation_range, effective_scales
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.ops import Conv2d, ConvTranspose2d, Dense
from fpc.quant.accumulators import greatest_sums_of_parts, span_of

SumOfProducts: TypeAlias = Site[Conv2d] | Site[ConvTranspose2d] | Site[Dense]

_MOST_PARTS = 64


def dense(site: Site[Dense]) -> None:
    """`Dense`."""
    weights = site.array(1, "weights")
    window = Window.over_rows(site.result.rows)
    scaling = Scaling.NONE if site.type().dtype is DType.F32 else Scaling.REAL
    _multiply(site, site.operand(), window, weights[:, np.newaxis], scaling)


def conv2d(site: Site[Conv2d]) -> None:
    """`Conv2d`, as a matrix product unless it is depthwise."""
    weights, op, window = site.array(1, "weights"), site.op, window_of(site)
    if is_depthwise(site.node):
        _depthwise(site, window, weights)
        return
    flat = ungrouped(tap_by_tap(weights), op.groups)
    _multiply(site, site.operand(), window, flat, _scaling(site))


def conv_transpose2d(site: Site[ConvTranspose2d]) -> None:
    """`ConvTranspose2d`: the map spread with zeros, then a convolution with flipped filters."""
    weights = site.array(1, "weights")
    x, window = spread_for(site)
    flat = ungrouped(tap_by_tap(weights[:, ::-1, ::-1]), site.op.groups)
    _multiply(site, x, window, flat, _scaling(site))


def _scaling(site: SumOfProducts) -> Scaling:
    return Scaling.NONE if site.type().dtype is DType.F32 else Scaling.FIXED_POINT


def _multiply(
    site: SumOfProducts, x: Stored, window: Window, weights: Array, scaling: Scaling
) -> None:
    isa = site.isa
    sums, parts = _accumulators(site, weights)
    plain = WideConvolution(
        x.buffer, site.result, window, ConvolutionTile(1, 1), sums, scaling, parts
    )
    tile = max(wide_tiles(plain, isa), key=_arithmetic_intensity)
    more = plain.terms(isa) - weights.shape[2]
    whole = np.pad(weights.astype(x.buffer.dtype.numpy), ((0, 0), (0, 0), (0, more)))
    packed = wide_dot(isa, sums).pack(whole)
    finish = _finish(site, scaling, isa.dot.lanes)
    site.emit(replace(plain, tile=tile), [x], [packed, *finish])


def _arithmetic_intensity(tile: ConvolutionTile) -> tuple[float, int]:
    """Products a load of activations or weights; the wider tile of two equals."""
    loads = tile.positions + tile.vectors
    return tile.positions * tile.vectors / loads, tile.vectors


def _depthwise(site: Site[Conv2d], window: Window, weights: Array) -> None:
    isa, x, stored = site.isa, site.operand(), site.result
    tile = line_tile(window, isa)
    finish = _finish(site, _scaling(site), isa.lanes)
    taps = np.zeros((*window.kernel, stored.columns), x.buffer.dtype.numpy)
    taps[..., : weights.shape[0]] = weights[..., 0].transpose(1, 2, 0)
    sums, parts = _accumulators(site, weights.reshape(len(weights), -1, 1))
    assert parts == 1
    kernel = WideDepthwise(x.buffer, stored, window, tile, sums, _scaling(site))
    site.emit(kernel, [x], [taps, *finish])


class _Accumulators(NamedTuple):
    """The type in which products are summed, and in how many parts of the input channels."""

    sums: DType
    parts: int


def _accumulators(site: SumOfProducts, weights: Array) -> _Accumulators:
    """What holds every sum with weights [unit, tap, channel]: int32 in as few parts as will do.

    int64 where the parts would be too many.
    """
    if site.type().dtype is DType.F32:
        return _Accumulators(DType.F32, 1)
    channels, span = weights.shape[2], span_of(site.node.input(0), DType.I16)
    terms = round_up(channels, site.isa.lanes)
    whole = np.pad(weights, ((0, 0), (0, 0), (0, terms - channels))).swapaxes(1, 2)
    steps = terms // wide_dot(site.isa, DType.I32).depth
    for parts in (number for number in range(1, _MOST_PARTS + 1) if steps % number == 0):
        greatest = greatest_sums_of_parts(whole, span, parts)
        if greatest.max(initial=0) <= DType.I32.maximum:
            return _Accumulators(DType.I32, parts)
    return _Accumulators(DType.I64, 1)


def _finish(site: SumOfProducts, scaling: Scaling, lanes: int) -> tuple[Array, ...]:
    """The parameters of the kernels' `Finish`."""
    given, result = site.node.optional_input(2), site.node.output.type
    units = site.type(1).shape[0]
    bias = np.zeros(units, scaling.sums.numpy) if given is None else given.data
    if scaling is Scaling.NONE:
        return limits(site.op.activation), padded_channels(bias, lanes)
    span = activation_range(result, site.op.activation, Numerics.TFLITE_XNNPACK)
    quants = site.type().quantisation, site.type(1).quantisation, result.quantisation
    factors = np.broadcast_to(effective_scales(*quants), bias.shape)
    if scaling is Scaling.REAL:
        bits = factors.astype(np.float64).view(np.int64)
        numbers = padded_channels(bias, lanes), padded_channels(bits, lanes)
    else:
        numbers = _fixed_point(site, factors, bias, lanes)
    return np.array(span, np.int64), *numbers


def _fixed_point(
    site: SumOfProducts, factors: Array, bias: Array, lanes: int
) -> tuple[Array, Array]:
    multiplier = quantize_multiplier(factors)
    shift = 15 - multiplier.exponent
    if int(shift.min(initial=1)) < 1:
        raise site.unsupported(
            "its operands' scales are more than 2**14 times its result's",
            "calibrate with samples that are typical of the model's inputs",
        )
    reduced = reduced_multiplier(multiplier)
    addend = bias * reduced + (np.int64(1) << (shift - 1))
    numbers = np.stack([padded_channels(addend, lanes), padded_channels(shift, lanes)])
    return padded_channels(reduced.astype(np.int32), lanes), numbers
