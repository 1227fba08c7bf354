"""Conv and ConvTranspose."""

from __future__ import annotations

from types import MappingProxyType

from fpc.diagnostics.errors import ModelError
from fpc.frontends.onnx.context import Handler, NodeContext, Unsupported
from fpc.frontends.onnx.windows import (
    on_feature_map,
    read_window,
    spatial_extents,
    split_padding,
    two_dimensional,
)
from fpc.ir.constant import Array
from fpc.ir.graph import Value
from fpc.ir.ops import Conv2d, ConvTranspose2d


def conv(node: NodeContext) -> Value:
    """Conv: operands x [N, C, (H,) W], w [O, C / group, (kH,) kW], b [O]."""
    extents = spatial_extents(node)
    w = _filters(node)
    window = read_window(node, node.shape(1)[2:], extents)
    op = Conv2d(window.strides, window.pads, window.dilations, node.attributes.integer("group", 1))
    bias = node.optional_value(2)
    emit = node.emit if len(extents) == 2 else node.step
    return on_feature_map(node, node.value(0), lambda x: emit(op, x, w, bias))


def conv_transpose(node: NodeContext) -> Value:
    """ConvTranspose: w [C, O / group, (kH,) kW], which the IR keeps with O first."""
    extents = spatial_extents(node)
    groups = node.attributes.integer("group", 1)
    stored = node.require_known(1, "filter")
    if stored.ndim != len(extents) + 2 or groups < 1 or stored.shape[0] % groups:
        raise _bad_filters(node)
    w = node.weight(1, _output_channels_first(stored, groups), 1 if groups == 1 else -1)
    window = read_window(node, stored.shape[2:], extents)
    output_pads = node.attributes.integers("output_padding") or (0,) * len(extents)
    pads = _transposed_pads(node, window.pads, window.strides, window.reach, output_pads)
    op = ConvTranspose2d(
        window.strides, pads, two_dimensional(output_pads, 0), window.dilations, groups
    )
    bias = node.optional_value(2)
    emit = node.emit if len(extents) == 2 else node.step
    return on_feature_map(node, node.value(0), lambda x: emit(op, x, w, bias))


def _filters(node: NodeContext) -> Value:
    shape = node.shape(1)
    if len(shape) != len(node.shape(0)):
        raise _bad_filters(node)
    if len(shape) == 4:
        return node.value(1)
    known = node.require_known(1, "filter")
    return node.weight(1, known[:, :, None, :], 0)


def _output_channels_first(stored: Array, groups: int) -> Array:
    """[C, O / groups, kH, kW] as [O, C / groups, kH, kW]."""
    if stored.ndim == 3:
        stored = stored[:, :, None, :]
    channels, group_outputs, height, width = stored.shape
    grouped = stored.reshape(groups, channels // groups, group_outputs, height, width)
    return grouped.transpose(0, 2, 1, 3, 4).reshape(
        groups * group_outputs, channels // groups, height, width
    )


def _transposed_pads(
    node: NodeContext,
    pads: tuple[int, int, int, int],
    strides: tuple[int, int],
    reach: tuple[int, int],
    output_pads: tuple[int, ...],
) -> tuple[int, int, int, int]:
    """The rows and columns cut from the full result; given, or implied by the extents wanted."""
    extents = two_dimensional(spatial_extents(node))
    extra = two_dimensional(output_pads, 0)
    mode = node.attributes.text("auto_pad", "NOTSET")
    wanted = node.attributes.integers("output_shape")
    if wanted is not None:
        result = two_dimensional(wanted[-len(spatial_extents(node)) :])
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        result = extents[0] * strides[0], extents[1] * strides[1]
    else:
        return pads
    totals = tuple(
        (extents[axis] - 1) * strides[axis] + reach[axis] + extra[axis] - result[axis]
        for axis in range(2)
    )
    if min(totals) < 0:
        raise Unsupported(
            f"its output_shape {list(result)} is larger than what the filters reach",
            "export it with explicit pads and output_padding",
        )
    before, after = split_padding(totals, extra_at_end=mode == "SAME_UPPER")
    return (before[0], before[1], after[0], after[1])


def _bad_filters(node: NodeContext) -> ModelError:
    return ModelError(
        "bad-node",
        f"{node.op_type} has filters of shape {list(node.shape(1))} for a map of shape "
        f"{list(node.shape(0))}",
        location=node.location,
    )


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {"Conv": conv, "ConvTranspose": conv_transpose}
)
