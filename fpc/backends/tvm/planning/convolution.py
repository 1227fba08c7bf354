"""Convolutions and dense layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.column_sums import pack_columns
from fpc.backends.tvm.kernels.convolution import Convolution
from fpc.backends.tvm.kernels.depthwise import Depthwise, pack_taps
from fpc.backends.tvm.kernels.depthwise_columns import DepthwiseColumns
from fpc.backends.tvm.kernels.filters import ConvolutionTile
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.planning.requantisation import requantisation
from fpc.backends.tvm.planning.site import Site, SumOfProducts
from fpc.backends.tvm.planning.tiles import (
    columns_tile,
    convolution_tile,
    depthwise_tile,
    takes_groups,
)
from fpc.ir.constant import Array
from fpc.ir.graph import Node
from fpc.ir.op import Op
from fpc.ir.ops import Conv2d, Dense


def dense(site: Site[Dense]) -> None:
    """`Dense`."""
    weights = site.array(1, "weights")
    site.require_int8()
    multiply(site, site.operand_as_is(), Window.over_rows(site.result.rows), weights[:, np.newaxis])


def conv2d(site: Site[Conv2d]) -> None:
    """`Conv2d`, as a matrix product unless it is depthwise."""
    weights, window = site.array(1, "weights"), window_of(site)
    site.require_int8()
    if is_depthwise(site.node):
        _depthwise(site, window, weights)
        return
    multiply(site, site.operand_as_is(), window, tap_by_tap(weights), site.op.groups)


def is_depthwise(node: Node[Op]) -> bool:
    """Whether it is a convolution with one filter for every channel."""
    op, x, result = node.op, node.input(0).type, node.outputs[0].type
    if not isinstance(op, Conv2d) or not op.is_depthwise(x):
        return False
    return result.shape[op.layout.channel_axis] == op.groups


def window_of(site: Site[Conv2d]) -> Window:
    """How the filters slide; over rows where they have one tap and take every position."""
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


def tap_by_tap(weights: Array) -> Array:
    """Filters OHWI as [unit, tap, channel]."""
    return weights.reshape(weights.shape[0], -1, weights.shape[3])


def ungrouped(weights: Array, groups: int) -> Array:
    """Filters [unit, tap, channel] that see all channels, with zeros for those of other groups."""
    if groups == 1:
        return weights
    units, taps, depth = weights.shape
    whole = np.zeros((groups, units // groups, taps, groups, depth), weights.dtype)
    split = weights.reshape(groups, units // groups, taps, depth)
    for group in range(groups):
        whole[group, :, :, group] = split[group]
    return whole.reshape(units, taps, groups * depth)


def multiply(
    site: SumOfProducts, x: Stored, window: Window, weights: Array, groups: int = 1
) -> None:
    """Let the result be the product of what windows see with weights [unit, tap, channel].

    `x` is the map that windows slide over, quantised as the first operand; channels are those of
    the unit's group.
    """
    isa = site.isa
    _require_range(site, weights)
    end = requantisation(site, weights, isa.dot.lanes)
    plain = Convolution(
        x.buffer,
        site.result,
        window,
        ConvolutionTile(1, 1),
        end.saturates,
        residual=None if end.residual is None else end.residual.buffer,
        rectifies=end.rectifies,
    )
    grouped = replace(plain, group_count=groups)
    if takes_groups(grouped, isa):
        plain, weights = grouped, grouped.groups(isa).weights(weights)
    else:
        weights = ungrouped(weights, groups)
    whole_dots = x.buffer.width % isa.dot.depth == 0
    if plain.group_count == 1 and not whole_dots and lies_in_lines(x.buffer, window, isa):
        padding = site.type().quantisation.zero_point + isa.offset
        plain = replace(plain, by_line=True, padding=padding)
        weights = weights.reshape(len(weights), window.kernel[0], -1)
    site.emit(
        replace(plain, tile=convolution_tile(plain, isa)),
        [x] if end.residual is None else [x, end.residual],
        [isa.dot.pack(weights), *end.parameters],
    )


def lies_in_lines(x: Buffer, window: Window, isa: Isa) -> bool:
    """Whether the pixels of a line lie side by side, of too few channels for a vector."""
    return x.columns == x.width < isa.lanes and window.kernel[1] > 1 and window.dilations[1] == 1


def _depthwise(site: Site[Conv2d], window: Window, weights: Array) -> None:
    isa, x, channels = site.isa, site.operand_as_is(), site.result.columns
    _require_range(site, weights)
    filters, end = weights[..., 0], requantisation(site, weights, isa.lanes)
    if isa.column_dot is not None and window.dilations[1] == 1:
        family, tile = DepthwiseColumns, columns_tile(window, isa)
        taps = pack_columns(filters, channels, isa.column_dot)
    else:
        family, tile = Depthwise, depthwise_tile(window, isa)
        taps = pack_taps(filters, channels)
    kernel = family(x.buffer, site.result, window, tile, end.saturates, end.rectifies)
    site.emit(kernel, [x], [taps, *end.parameters])


def _require_range(site: SumOfProducts, weights: Array) -> None:
    """`UnsupportedOpError` for weights that the instruction set cannot multiply by."""
    least = site.isa.least_weight
    if weights.min(initial=0) < least:
        raise site.unsupported(
            f"kernels for {site.isa.name} take weights from {least} to 127, one is {weights.min()}",
            "quantise the weights to the narrow range, as fpc does, or use --backend tflite",
        )
