"""Convolutions and dense layers of int16 and float32."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.kernels.convolution import ConvolutionTile
from fpc.backends.tvm.kernels.depthwise import tiles as depthwise_tiles
from fpc.backends.tvm.kernels.requantise import padded_channels
from fpc.backends.tvm.kernels.wide.convolution import WideConvolution, wide_dot, wide_tiles
from fpc.backends.tvm.kernels.wide.depthwise import WideDepthwise
from fpc.backends.tvm.kernels.wide.scaling import Scaling
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.planning.convolution import is_depthwise, tap_by_tap, ungrouped, window_of
from fpc.backends.tvm.planning.site import Site
from fpc.backends.tvm.planning.transposed_convolution import spread_for
from fpc.backends.tvm.planning.wide.floating import limits
from fpc.interp.integer.fixed_point import quantize_multiplier, reduced_multiplier
from fpc.interp.integer.rescale import activation_range, effective_scales
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.ops import Conv2d, ConvTranspose2d, Dense

SumOfProducts: TypeAlias = Site[Conv2d] | Site[ConvTranspose2d] | Site[Dense]


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
    finish = _finish(site, weights, scaling, isa.dot.lanes)
    plain = WideConvolution(
        x.buffer, site.result, window, ConvolutionTile(1, 1), finish.sums, scaling
    )
    tile = max(wide_tiles(plain, isa), key=_arithmetic_intensity)
    packed = wide_dot(isa, finish.sums).pack(weights)
    site.emit(replace(plain, tile=tile), [x], [packed, *finish.parameters])


def _arithmetic_intensity(tile: ConvolutionTile) -> tuple[float, int]:
    """Products a load of activations or weights; the wider tile of two equals."""
    loads = tile.positions + tile.vectors
    return tile.positions * tile.vectors / loads, tile.vectors


def _depthwise(site: Site[Conv2d], window: Window, weights: Array) -> None:
    isa, x, stored = site.isa, site.operand(), site.result
    tile = max(depthwise_tiles(window, isa), key=lambda tile: min(tile.positions, 8))
    finish = _finish(site, weights, _scaling(site), isa.lanes)
    taps = np.zeros((*window.kernel, stored.columns), weights.dtype)
    taps[..., : weights.shape[0]] = weights[..., 0].transpose(1, 2, 0)
    kernel = WideDepthwise(x.buffer, stored, window, tile, finish.sums, _scaling(site))
    site.emit(kernel, [x], [taps, *finish.parameters])


@dataclass(frozen=True)
class _Finish:
    """Parameters of the kernels' `Finish`, and the type that holds every sum."""

    sums: DType
    parameters: tuple[Array, ...]


def _finish(site: SumOfProducts, weights: Array, scaling: Scaling, lanes: int) -> _Finish:
    given, result = site.node.optional_input(2), site.node.output.type
    bias = np.zeros(len(weights), weights.dtype) if given is None else given.data
    if scaling is Scaling.NONE:
        return _Finish(
            DType.F32, (padded_channels(bias.astype(np.float32), lanes), limits(site.op.activation))
        )
    sums = _sums(weights, bias)
    span = activation_range(result, site.op.activation, Numerics.TFLITE_XNNPACK)
    quants = site.type().quantisation, site.type(1).quantisation, result.quantisation
    factors = np.broadcast_to(effective_scales(*quants), bias.shape)
    return _Finish(
        sums,
        (
            padded_channels(bias.astype(sums.numpy), lanes),
            np.array(span, sums.numpy),
            *(
                _fixed_point(site, factors, lanes)
                if scaling is Scaling.FIXED_POINT
                else (padded_channels(factors.astype(np.float64).view(np.int64), lanes),)
            ),
        ),
    )


def _sums(weights: Array, bias: Array) -> DType:
    """int32 where no activations overflow it, partial sums included, else int64."""
    magnitudes = np.abs(weights.reshape(len(weights), -1).astype(np.int64)).sum(axis=1)
    greatest = magnitudes * -DType.I16.minimum + np.abs(bias.astype(np.int64))
    return DType.I32 if int(greatest.max(initial=0)) <= DType.I32.maximum else DType.I64


def _fixed_point(site: SumOfProducts, factors: Array, lanes: int) -> tuple[Array, Array]:
    multiplier = quantize_multiplier(factors)
    shift = 15 - multiplier.exponent
    if int(shift.min(initial=1)) < 1:
        raise site.unsupported(
            "its operands' scales are more than 2**14 times its result's",
            "calibrate with samples that are typical of the model's inputs",
        )
    reduced = padded_channels(reduced_multiplier(multiplier).astype(np.int32), lanes)
    # Padding is shifted by one bit, as shifts by none have no half.
    shifts = np.maximum(padded_channels(shift, lanes), 1).astype(np.int64)
    return reduced, np.stack([np.int64(1) << (shifts - 1), shifts])
