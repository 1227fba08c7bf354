"""Pooling over windows and over whole maps."""

from __future__ import annotations

from types import MappingProxyType

from fpc.diagnostics.errors import ModelError
from fpc.frontends.onnx.context import Handler, NodeContext, Unsupported
from fpc.frontends.onnx.windows import (
    Window,
    on_feature_map,
    read_window,
    spatial_extents,
    two_dimensional,
)
from fpc.ir.graph import Value
from fpc.ir.ops import AvgPool, GlobalAvgPool, MaxPool, Pad


def max_pool(node: NodeContext) -> Value:
    """MaxPool; windows that `ceil_mode` adds become padding, which never wins."""
    if len(node.output_names) > 1:
        raise Unsupported("its indices are used", "export the network without MaxUnpool")
    extents = spatial_extents(node)
    window = _window(node, extents)
    top, left, bottom, right = window.pads
    below, beside = _extension(node, window, extents)
    op = MaxPool(
        window.kernel,
        window.strides,
        (top, left, bottom + below, right + beside),
        window.dilations,
    )
    emit = node.emit if len(extents) == 2 else node.step
    return on_feature_map(node, node.value(0), lambda x: emit(op, x))


def average_pool(node: NodeContext) -> Value:
    """AveragePool; what `ceil_mode` adds is never counted, declared pads perhaps are."""
    extents = spatial_extents(node)
    window = _window(node, extents)
    if window.dilations != (1, 1):
        raise Unsupported("its windows are dilated", "use a depthwise convolution instead")
    emit = node.emit if len(extents) == 2 else node.step
    if window.kernel == two_dimensional(extents) and not any(window.pads):
        return on_feature_map(node, node.value(0), lambda x: emit(GlobalAvgPool(), x))
    counts_pads = bool(node.attributes.integer("count_include_pad", 0))
    top, left, bottom, right = window.pads
    below, beside = _extension(node, window, extents)

    def pool(x: Value) -> Value:
        if not counts_pads or (below, beside) == (0, 0):
            pads = (top, left, bottom + below, right + beside)
            return emit(AvgPool(window.kernel, window.strides, pads, counts_pads), x)
        padded = node.step(Pad((0, 0, top, left), (0, 0, bottom, right)), x)
        return emit(AvgPool(window.kernel, window.strides, (0, 0, below, beside)), padded)

    return on_feature_map(node, node.value(0), pool)


def global_average_pool(node: NodeContext) -> Value:
    """GlobalAveragePool."""
    emit = node.emit if len(spatial_extents(node)) == 2 else node.step
    return on_feature_map(node, node.value(0), lambda x: emit(GlobalAvgPool(), x))


def global_max_pool(node: NodeContext) -> Value:
    """GlobalMaxPool as a window over the whole map."""
    extents = spatial_extents(node)
    op = MaxPool(two_dimensional(extents))
    emit = node.emit if len(extents) == 2 else node.step
    return on_feature_map(node, node.value(0), lambda x: emit(op, x))


def _window(node: NodeContext, extents: tuple[int, ...]) -> Window:
    kernel = node.attributes.integers("kernel_shape")
    if kernel is None or len(kernel) != len(extents):
        raise ModelError(
            "bad-attribute",
            f"{node.op_type} has kernel_shape {kernel} for {len(extents)} spatial axes",
            location=node.location,
        )
    return read_window(node, kernel, extents)


def _extension(node: NodeContext, window: Window, extents: tuple[int, ...]) -> tuple[int, int]:
    if not node.attributes.integer("ceil_mode", 0):
        return 0, 0
    return window.ceiling_extension(two_dimensional(extents))


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "MaxPool": max_pool,
        "AveragePool": average_pool,
        "GlobalAveragePool": global_average_pool,
        "GlobalMaxPool": global_max_pool,
    }
)
