"""Pooling and means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpc.backends.tflite.lowering.assembler import Operand
from fpc.backends.tflite.lowering.primitives import pad_with, pad_with_zeros, padded_shape
from fpc.backends.tflite.lowering.site import Site
from fpc.backends.tflite.lowering.slicing import take_steps
from fpc.backends.tflite.lowering.window import spatial_widths
from fpc.backends.tflite.model import Padding
from fpc.ir.graph import Value
from fpc.ir.op import Op
from fpc.ir.ops import AvgPool, GlobalAvgPool, MaxPool, ReduceMean
from fpc.ir.padding import PaddedWindow, Pads
from fpc.ir.signs import is_non_negative
from fpc.ir.types import TensorType


def max_pool(site: Site[MaxPool]) -> None:
    """`MaxPool`: MAX_POOL_2D, before it a pad with the lowest value where SAME does not fit."""
    op, x = site.op, site.operand()
    if op.dilations != (1, 1):
        raise site.unsupported(
            f"MAX_POOL_2D has no dilations, this one has {list(op.dilations)}",
            "cut the map into interleaved ones, or train with an undilated pool",
        )
    window = PaddedWindow(op.kernel, op.strides, op.pads)
    _, height, width, _ = x.type.shape
    pads = window.needed_pads((height, width))
    if _takes_single_pixels(op, pads):
        take_steps(site, (0, 0, 0, 0), (1, *op.strides, 1))
    elif not any(pads):
        _pool(site, "MAX_POOL_2D", x, site.result(), Padding.VALID)
    elif window.is_same((height, width)):
        _pool(site, "MAX_POOL_2D", x, site.result(), Padding.SAME)
    elif _zero_is_lowest(site.node.input(0)):
        padded = pad_with_zeros(site, x, spatial_widths(pads))
        _pool(site, "MAX_POOL_2D", padded, site.result(), Padding.VALID)
    else:
        widths = spatial_widths(pads)
        padded = site.intermediate("pad", x.type.with_shape(padded_shape(x, widths)))
        pad_with(site, x, widths, _lowest(site, x.type), padded)
        _pool(site, "MAX_POOL_2D", padded, site.result(), Padding.VALID)


def avg_pool(site: Site[AvgPool]) -> None:
    """`AvgPool`: AVERAGE_POOL_2D, whose SAME leaves padding out of the mean."""
    op, x = site.op, site.operand()
    window = PaddedWindow(op.kernel, op.strides, op.pads)
    _, height, width, _ = x.type.shape
    pads = window.needed_pads((height, width))
    if _takes_single_pixels(op, pads):
        take_steps(site, (0, 0, 0, 0), (1, *op.strides, 1))
    elif not any(pads):
        _pool(site, "AVERAGE_POOL_2D", x, site.result(), Padding.VALID)
    elif op.count_include_pad:
        padded = pad_with_zeros(site, x, spatial_widths(pads))
        _pool(site, "AVERAGE_POOL_2D", padded, site.result(), Padding.VALID)
    elif window.is_same((height, width)):
        _pool(site, "AVERAGE_POOL_2D", x, site.result(), Padding.SAME)
    else:
        _weighted_average(site, x, pads)


def _weighted_average(site: Site[AvgPool], x: Operand, pads: Pads) -> None:
    """The mean with padding as zeros, times how much of each window the padding takes."""
    if site.is_quantised:
        raise site.unsupported(
            f"a mean over unpadded pixels with pads {list(pads)} that are not TensorFlow's SAME",
            "keep the node in float, or train with count_include_pad",
        )
    y, (kernel_h, kernel_w) = site.result(), site.op.kernel
    mean = site.intermediate("mean", y.type)
    padded = pad_with_zeros(site, x, spatial_widths(pads))
    _pool(site, "AVERAGE_POOL_2D", padded, mean, Padding.VALID)
    rows = _inside(y.type.shape[1], site.op.strides[0], kernel_h, pads[0], x.type.shape[1])
    columns = _inside(y.type.shape[2], site.op.strides[1], kernel_w, pads[1], x.type.shape[2])
    share = kernel_h * kernel_w / (rows[:, None] * columns[None, :])
    factor = site.constant("share", share.astype(np.float32)[None, :, :, None])
    site.emit("MUL", [mean, factor], [y], "MulOptions")


def _inside(count: int, stride: int, kernel: int, before: int, size: int) -> NDArray[Any]:
    """How many of each window's rows (or columns) lie on the map."""
    starts = np.arange(count) * stride - before
    return np.minimum(starts + kernel, size) - np.maximum(starts, 0)


def _takes_single_pixels(op: MaxPool | AvgPool, pads: Pads) -> bool:
    """Whether the pool only thins the map out, which XNNPACK does not take as a pool."""
    return op.kernel == (1, 1) and not any(pads)


def _pool(
    site: Site[MaxPool] | Site[AvgPool], code: str, x: Operand, y: Operand, padding: Padding
) -> None:
    op = site.op
    fields = {
        "padding": padding,
        "stride_w": op.strides[1],
        "stride_h": op.strides[0],
        "filter_width": op.kernel[1],
        "filter_height": op.kernel[0],
    }
    site.emit(code, [x], [y], "Pool2DOptions", fields)


def _lowest(site: Site[MaxPool], type: TensorType) -> Operand:
    lowest = type.dtype.minimum if type.dtype.is_integer else -np.inf
    return site.constant("lowest", np.array(lowest, type.dtype.numpy), type.quant)


def _zero_is_lowest(value: Value) -> bool:
    """Whether zero padding never beats a value: PAD then does, which XNNPACK runs."""
    quant = value.type.quant
    is_lowest = quant is not None and quant.zero_point == value.type.dtype.minimum
    return is_lowest or is_non_negative(value)


def global_avg_pool(site: Site[GlobalAvgPool]) -> None:
    """`GlobalAvgPool`: MEAN, which XNNPACK runs and which requantises."""
    _mean(site, (1, 2), keep_dims=True)


def reduce_mean(site: Site[ReduceMean]) -> None:
    """`ReduceMean`."""
    _mean(site, site.op.axes, keep_dims=site.op.keep_dims)


def _mean(site: Site[Op], axes: tuple[int, ...], *, keep_dims: bool) -> None:
    operands = [site.operand(), site.integers("axes", axes)]
    site.emit("MEAN", operands, table="ReducerOptions", fields={"keep_dims": keep_dims})
