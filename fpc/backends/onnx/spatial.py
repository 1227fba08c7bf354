"""ONNX forms of the operators on feature maps."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from fpc.backends.onnx.lowering import Lowering, LoweringRule, rule
from fpc.ir.constant import Array
from fpc.ir.op import Layout, Op
from fpc.ir.ops import (
    AvgPool,
    Conv2d,
    ConvTranspose2d,
    Coordinates,
    DepthToSpace,
    GlobalAvgPool,
    Interpolation,
    LocalResponseNorm,
    MaxPool,
    NearestRounding,
    Resize,
)

_NEAREST_MODES = MappingProxyType(
    {
        NearestRounding.FLOOR: "floor",
        NearestRounding.CEIL: "ceil",
        NearestRounding.HALF_DOWN: "round_prefer_floor",
        NearestRounding.HALF_UP: "round_prefer_ceil",
    }
)
_COORDINATE_MODES = MappingProxyType(
    {
        Coordinates.HALF_PIXEL: "half_pixel",
        Coordinates.ASYMMETRIC: "asymmetric",
        Coordinates.ALIGN_CORNERS: "align_corners",
    }
)


def conv2d(lowering: Lowering[Conv2d]) -> str:
    """Conv."""
    op = lowering.op
    response = lowering.add(
        "Conv",
        lowering.feature_map(0, op.layout),
        lowering.filters(1, op.layout),
        lowering.optional_operand(2),
        strides=op.strides,
        pads=op.pads,
        dilations=op.dilations,
        group=op.groups,
    )
    return lowering.restored(lowering.activated(response, op.activation), op.layout)


def conv_transpose2d(lowering: Lowering[ConvTranspose2d]) -> str:
    """ConvTranspose, whose filters are [C, O / groups, kH, kW]."""
    op = lowering.op
    response = lowering.add(
        "ConvTranspose",
        lowering.feature_map(0, op.layout),
        _input_channels_first(lowering),
        lowering.optional_operand(2),
        strides=op.strides,
        pads=op.pads,
        output_padding=op.output_pads,
        dilations=op.dilations,
        group=op.groups,
    )
    return lowering.restored(lowering.activated(response, op.activation), op.layout)


def max_pool(lowering: Lowering[MaxPool]) -> str:
    """MaxPool."""
    op = lowering.op
    pooled = lowering.add(
        "MaxPool",
        lowering.feature_map(0, op.layout),
        kernel_shape=op.kernel,
        strides=op.strides,
        pads=op.pads,
        dilations=op.dilations,
    )
    return lowering.restored(pooled, op.layout)


def avg_pool(lowering: Lowering[AvgPool]) -> str:
    """AveragePool."""
    op = lowering.op
    pooled = lowering.add(
        "AveragePool",
        lowering.feature_map(0, op.layout),
        kernel_shape=op.kernel,
        strides=op.strides,
        pads=op.pads,
        count_include_pad=int(op.count_include_pad),
    )
    return lowering.restored(pooled, op.layout)


def global_avg_pool(lowering: Lowering[GlobalAvgPool]) -> str:
    """GlobalAveragePool."""
    layout = lowering.op.layout
    pooled = lowering.add("GlobalAveragePool", lowering.feature_map(0, layout))
    return lowering.restored(pooled, layout)


def resize(lowering: Lowering[Resize]) -> str:
    """Resize to explicit sizes."""
    op = lowering.op
    batch, channels, _, _ = op.layout.split(lowering.node.input(0).type.shape)
    sizes = lowering.integers((batch, channels, *op.size), "sizes")
    is_nearest = op.interpolation is Interpolation.NEAREST
    resized = lowering.add(
        "Resize",
        lowering.feature_map(0, op.layout),
        None,
        None,
        sizes,
        mode="nearest" if is_nearest else "linear",
        coordinate_transformation_mode=_COORDINATE_MODES[op.coordinates],
        nearest_mode=_NEAREST_MODES[op.rounding],
    )
    return lowering.restored(resized, op.layout)


def depth_to_space(lowering: Lowering[DepthToSpace]) -> str:
    """DepthToSpace."""
    op = lowering.op
    moved = lowering.add(
        "DepthToSpace",
        lowering.feature_map(0, op.layout),
        blocksize=op.block,
        mode=op.order.value.upper(),
    )
    return lowering.restored(moved, op.layout)


def local_response_norm(lowering: Lowering[LocalResponseNorm]) -> str:
    """LRN."""
    op = lowering.op
    normal = lowering.add(
        "LRN",
        lowering.feature_map(0, op.layout),
        size=op.size,
        alpha=op.alpha,
        beta=op.beta,
        bias=op.bias,
    )
    return lowering.restored(normal, op.layout)


def _input_channels_first(lowering: Lowering[ConvTranspose2d]) -> str:
    """Filters [O, C / groups, kH, kW] (or OHWI) as ONNX stores them."""
    op, value = lowering.op, lowering.node.input(1)
    if op.groups == 1:
        return lowering.weight(1, (1, 0, 2, 3) if op.layout is Layout.NCHW else (3, 0, 1, 2))
    reals = lowering.tensors.real_data(value)
    if op.layout is Layout.NHWC:
        reals = reals.transpose(0, 3, 1, 2)
    return lowering.writer.constant(_regrouped(reals, op.groups), f"{value.name}_regrouped")


def _regrouped(filters: Array, groups: int) -> Array:
    outputs, group_channels, height, width = filters.shape
    apart = filters.reshape(groups, outputs // groups, group_channels, height, width)
    return np.ascontiguousarray(apart.transpose(0, 2, 1, 3, 4)).reshape(
        groups * group_channels, outputs // groups, height, width
    )


RULES: MappingProxyType[type[Op], LoweringRule] = MappingProxyType(
    dict(
        (
            rule(Conv2d, conv2d),
            rule(ConvTranspose2d, conv_transpose2d),
            rule(MaxPool, max_pool),
            rule(AvgPool, avg_pool),
            rule(GlobalAvgPool, global_avg_pool),
            rule(Resize, resize),
            rule(DepthToSpace, depth_to_space),
            rule(LocalResponseNorm, local_response_norm),
        )
    )
)
