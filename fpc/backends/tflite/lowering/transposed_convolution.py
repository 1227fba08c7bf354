"""TRANSPOSE_CONV, with the pads, dilations and groups it does not have made from other ops."""

from __future__ import annotations

import numpy as np

from fpc.backends.tflite.lowering.assembler import Operand
from fpc.backends.tflite.lowering.convolution import bias_of, convolve, depthwise_weights
from fpc.backends.tflite.lowering.primitives import cut_box, pad_with_zeros, reshape_to
from fpc.backends.tflite.lowering.site import Site, fused
from fpc.backends.tflite.model import Padding
from fpc.ir.op import Layout
from fpc.ir.ops import Conv2d, ConvTranspose2d


def conv_transpose2d(site: Site[ConvTranspose2d]) -> None:
    """`ConvTranspose2d`."""
    if site.op.groups == 1:
        _dense(site)
    else:
        _grouped(site)


def _dense(site: Site[ConvTranspose2d]) -> None:
    """TRANSPOSE_CONV; a cut that SAME does not make is a slice of the full result."""
    op, x, y = site.op, site.operand(0), site.result()
    weights = _undilated_weights(site)
    batch, height, width, channels = y.type.shape
    full = [
        (size - 1) * stride + reach
        for size, stride, reach in zip(
            x.type.shape[1:3], op.strides, weights.type.shape[1:3], strict=True
        )
    ]
    top, left = op.pads[:2]
    whole, padding = y, Padding.SAME
    if not _is_same(x, y, full, op):
        padding = Padding.VALID
        grown = (batch, max(full[0], top + height), max(full[1], left + width), channels)
        if grown != y.type.shape:
            whole = site.intermediate("full", y.type.with_shape(grown))
    fields = {
        "padding": padding,
        "stride_w": op.strides[1],
        "stride_h": op.strides[0],
        "fused_activation_function": fused(op.activation),
    }
    shape = site.integers("output_shape", whole.type.shape)
    operands = [shape, weights, x, bias_of(site, x.type)]
    site.emit("TRANSPOSE_CONV", operands, [whole], "TransposeConvOptions", fields)
    if whole is not y:
        cut_box(site, whole, y, (0, top, left, 0), (batch, top + height, left + width, channels))


def _is_same(x: Operand, y: Operand, full: list[int], op: ConvTranspose2d) -> bool:
    """Whether SAME cuts just these pads: half of what is too much, the smaller half in front."""
    return all(
        reach >= size and (reach - size) // 2 == before and -(-size // stride) == extent
        for extent, size, reach, before, stride in zip(
            x.type.shape[1:3], y.type.shape[1:3], full, op.pads[:2], op.strides, strict=True
        )
    )


def _undilated_weights(site: Site[ConvTranspose2d]) -> Operand:
    """The filters, with zeros between the taps where they are dilated."""
    vertical, horizontal = site.op.dilations
    if (vertical, horizontal) == (1, 1):
        return site.operand(1)
    filters = site.array(1, "weights")
    count, height, width, depth = filters.shape
    shape = (count, (height - 1) * vertical + 1, (width - 1) * horizontal + 1, depth)
    spread = np.zeros(shape, filters.dtype)
    spread[:, ::vertical, ::horizontal] = filters
    return site.constant("weights", spread, site.node.input(1).type.quant)


def _grouped(site: Site[ConvTranspose2d]) -> None:
    """A grouped or depthwise convolution, filters turned by 180 degrees, of the spread operand.

    TRANSPOSE_CONV has no groups. The operand's pixels move `strides` apart, zeros between them.
    """
    op, y = site.op, site.result()
    _, kernel_h, kernel_w, _ = site.node.input(1).type.shape
    x = _spread(site, site.operand(0), op.strides)
    _, height, width, _ = x.type.shape
    top, bottom = _pads(height, y.type.shape[1], op.dilations[0] * (kernel_h - 1), op.pads[0])
    left, right = _pads(width, y.type.shape[2], op.dilations[1] * (kernel_w - 1), op.pads[1])
    x = _cropped(site, x, tuple(max(0, -pad) for pad in (top, left, bottom, right)))
    convolution = Conv2d(
        pads=(max(0, top), max(0, left), max(0, bottom), max(0, right)),
        dilations=op.dilations,
        groups=op.groups,
        activation=op.activation,
        layout=Layout.NHWC,
    )
    filters = np.ascontiguousarray(site.array(1, "weights")[:, ::-1, ::-1])
    if convolution.is_depthwise(x.type):
        weights = depthwise_weights(site, filters)
    else:
        weights = site.constant("weights", filters, site.node.input(1).type.quant)
    convolve(site, convolution, x, weights)


def _pads(extent: int, size: int, span: int, cut: int) -> tuple[int, int]:
    """Rows to add (or, negative, to cut) before and after `extent` for `size` windows.

    `span` is the distance from a filter's first tap to its last, `cut` what the op cuts in front.
    """
    before = span - cut
    return before, size + span - extent - before


def _spread(site: Site[ConvTranspose2d], x: Operand, strides: tuple[int, int]) -> Operand:
    """`x` with strides - 1 zeros after every row and column."""
    batch, height, width, channels = x.type.shape
    views = (
        (batch * height, 1, width * channels, strides[0]),
        (batch * height * strides[0] * width, 1, channels, strides[1]),
    )
    for count, one, inner, stride in views:
        if stride > 1:
            apart = site.intermediate("apart", x.type.with_shape((count, one, inner)))
            reshape_to(site, x, apart)
            x = pad_with_zeros(site, apart, [(0, 0), (0, stride - 1), (0, 0)])
    shape = (batch, height * strides[0], width * strides[1], channels)
    if x.type.shape != shape:
        spread = site.intermediate("spread", x.type.with_shape(shape))
        reshape_to(site, x, spread)
        x = spread
    return x


def _cropped(site: Site[ConvTranspose2d], x: Operand, cuts: tuple[int, ...]) -> Operand:
    if not any(cuts):
        return x
    top, left, bottom, right = cuts
    batch, height, width, channels = x.type.shape
    shape = (batch, height - top - bottom, width - left - right, channels)
    cropped = site.intermediate("cropped", x.type.with_shape(shape))
    cut_box(site, x, cropped, (0, top, left, 0), (batch, height - bottom, width - right, channels))
    return cropped
