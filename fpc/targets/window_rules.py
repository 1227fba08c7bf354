"""Rules on sliding windows: kernels, strides, dilations, groups."""

from __future__ import annotations

import math

from fpc.ir.graph import Node
from fpc.ir.op import Op
from fpc.ir.ops import (
    AvgPool,
    Conv2d,
    ConvTranspose2d,
    Dense,
    GlobalAvgPool,
    MaxPool,
)
from fpc.ir.padding import PaddedWindow
from fpc.ir.signs import is_clamped_at_zero, is_non_negative
from fpc.targets.rule import Numbers


def _kernel(node: Node[Op]) -> tuple[int, int] | None:
    match node.op:
        case Conv2d() | ConvTranspose2d():
            _, _, height, width = node.op.layout.split(node.input(1).type.shape)
            return height, width
        case MaxPool() | AvgPool():
            return node.op.kernel
        case _:
            return None


def _strides(node: Node[Op]) -> tuple[int, int] | None:
    match node.op:
        case Conv2d() | ConvTranspose2d() | MaxPool() | AvgPool():
            return node.op.strides
        case _:
            return None


def depthwise_taps(node: Node[Op], numbers: Numbers) -> str | None:
    """A depthwise filter has at most {maximum:.0f} taps."""
    op = node.op
    if not isinstance(op, Conv2d) or not op.is_depthwise(node.input(0).type):
        return None
    kernel = _kernel(node)
    if kernel is None or kernel[0] * kernel[1] <= numbers["maximum"]:
        return None
    return f"{kernel[0]} x {kernel[1]} = {kernel[0] * kernel[1]} taps"


def kernel_extent(node: Node[Op], numbers: Numbers) -> str | None:
    """Each side of a kernel is between {minimum:.0f} and {maximum:.0f}."""
    kernel = _kernel(node)
    if kernel is None or all(numbers["minimum"] <= k <= numbers["maximum"] for k in kernel):
        return None
    return f"kernel {kernel[0]} x {kernel[1]}"


def stride(node: Node[Op], numbers: Numbers) -> str | None:
    """Strides are between {minimum:.0f} and {maximum:.0f}."""
    strides = _strides(node)
    if strides is None or all(numbers["minimum"] <= s <= numbers["maximum"] for s in strides):
        return None
    return f"strides {strides[0]} x {strides[1]}"


def undilated(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001 - a rule's form
    """Kernels are not dilated."""
    op = node.op
    if not isinstance(op, Conv2d | ConvTranspose2d | MaxPool) or op.dilations == (1, 1):
        return None
    return f"dilations {op.dilations[0]} x {op.dilations[1]}"


def ungrouped_transpose(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """Transposed convolutions have one group."""
    op = node.op
    if not isinstance(op, ConvTranspose2d) or op.groups == 1:
        return None
    return f"{op.groups} groups"


def pool_stride_within_kernel(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """The stride of a pool is at most its window (1 x 1 windows aside, which are slices)."""
    op = node.op
    if not isinstance(op, MaxPool | AvgPool) or op.kernel == (1, 1):
        return None
    if all(stride <= kernel for stride, kernel in zip(op.strides, op.kernel, strict=True)):
        return None
    return f"window {op.kernel[0]} x {op.kernel[1]}, strides {op.strides[0]} x {op.strides[1]}"


def depthwise_rows(node: Node[Op], numbers: Numbers) -> str | None:
    """A depthwise filter has at least {minimum:.0f} rows."""
    kernel = _kernel(node)
    if kernel is None or kernel[0] >= numbers["minimum"] or not _is_depthwise(node):
        return None
    return f"{kernel[0]} x {kernel[1]} filters"


def depth_multiplier(node: Node[Op], numbers: Numbers) -> str | None:
    """A depthwise convolution has at most {maximum:.0f} filters a channel."""
    op = node.op
    if not isinstance(op, Conv2d) or not op.is_depthwise(node.input(0).type):
        return None
    filters = node.input(1).type.shape[0] // op.groups
    return f"{filters} filters a channel" if filters > numbers["maximum"] else None


def ungrouped_convolution(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """Convolutions have one group, or are depthwise."""
    op = node.op
    if not isinstance(op, Conv2d) or op.groups == 1 or op.is_depthwise(node.input(0).type):
        return None
    return f"{op.groups} groups"


def dilated_depthwise_only(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """Only depthwise filters of stride 1 are dilated."""
    op = node.op
    if not isinstance(op, Conv2d) or op.dilations == (1, 1):
        return None
    if op.is_depthwise(node.input(0).type) and op.strides == (1, 1):
        return None
    return (
        f"dilations {op.dilations[0]} x {op.dilations[1]}, "
        f"strides {op.strides[0]} x {op.strides[1]}, {op.groups} groups"
    )


def max_pool_padding(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """The padding of a max pool is TensorFlow's SAME, or its map is nowhere negative."""
    op = node.op
    if not isinstance(op, MaxPool):
        return None
    x, window = node.input(0), PaddedWindow(op.kernel, op.strides, op.pads)
    _, _, height, width = op.layout.split(x.type.shape)
    if not any(window.needed_pads((height, width))) or window.is_same((height, width)):
        return None
    if is_non_negative(x) or is_clamped_at_zero(x):
        return None
    return f"pads {list(op.pads)} of a map that may be negative"


def convolution_kernel(node: Node[Op], numbers: Numbers) -> str | None:
    """Each side of a kernel that is not depthwise is between {minimum:.0f} and {maximum:.0f}."""
    return None if _is_depthwise(node) else kernel_extent(node, numbers)


def convolution_stride(node: Node[Op], numbers: Numbers) -> str | None:
    """Strides that are not depthwise are between {minimum:.0f} and {maximum:.0f}."""
    return None if _is_depthwise(node) else stride(node, numbers)


def weight_bank(node: Node[Op], numbers: Numbers) -> str | None:
    """Taps x input channels / {parallel:.0f}, rounded up, are at most {maximum:.0f}."""
    match node.op:
        case Conv2d() if not _is_depthwise(node):
            taps = math.prod(_kernel(node) or ())
            features = node.input(0).type.shape[node.op.layout.channel_axis]
        case Dense():
            taps, features = 1, node.input(1).type.shape[1]
        case _:
            return None
    words = taps * math.ceil(features / numbers["parallel"])
    if words <= numbers["maximum"]:
        return None
    return f"{taps} taps of {features} channels take {words}"


def output_channels(node: Node[Op], numbers: Numbers) -> str | None:
    """There are at most {maximum:.0f} output channels."""
    if not isinstance(node.op, Conv2d | Dense):
        return None
    channels = node.input(1).type.shape[0]
    return f"{channels} output channels" if channels > numbers["maximum"] else None


def global_window(node: Node[Op], numbers: Numbers) -> str | None:
    """A map that is averaged whole has at most {maximum:.0f} rows and columns."""
    if not isinstance(node.op, GlobalAvgPool):
        return None
    _, _, height, width = node.op.layout.split(node.input(0).type.shape)
    return f"{height} x {width}" if max(height, width) > numbers["maximum"] else None


def leading_padding(node: Node[Op], numbers: Numbers) -> str | None:
    """At most {maximum:.0f} rows and columns are padded at the top and left."""
    op = node.op
    if not isinstance(op, Conv2d | MaxPool | AvgPool) or max(op.pads[:2]) <= numbers["maximum"]:
        return None
    return f"{op.pads[0]} rows, {op.pads[1]} columns"


def _is_depthwise(node: Node[Op]) -> bool:
    return isinstance(node.op, Conv2d) and node.op.is_depthwise(node.input(0).type)
