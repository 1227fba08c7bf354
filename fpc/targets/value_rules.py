"""Rules on everything but sliding windows: ranks, operands, padding, resizing, activations."""

from __future__ import annotations

from fpc.ir.graph import Node
from fpc.ir.op import Activation, Op, fused_activation
from fpc.ir.ops import (
    Concat,
    Coordinates,
    Dense,
    Interpolation,
    LeakyRelu,
    Pad,
    PadMode,
    ReduceMean,
    Resize,
)
from fpc.ir.resampling import repeats
from fpc.targets.rule import Numbers


def rank(node: Node[Op], numbers: Numbers) -> str | None:
    """Tensors have at most {maximum:.0f} dimensions."""
    highest = max((value.type.rank for value in (*node.operands, *node.outputs)), default=0)
    return f"{highest} dimensions" if highest > numbers["maximum"] else None


def leaky_slope(node: Node[Op], numbers: Numbers) -> str | None:
    """The slope of a leaky ReLU is between {minimum} and {maximum}."""
    op = node.op
    if not isinstance(op, LeakyRelu) or numbers["minimum"] <= op.alpha <= numbers["maximum"]:
        return None
    return f"slope {op.alpha:g}"


def concat_operands(node: Node[Op], numbers: Numbers) -> str | None:
    """At most {maximum:.0f} tensors are joined at a time."""
    count = len(node.operands) if isinstance(node.op, Concat) else 0
    return f"{count} tensors" if count > numbers["maximum"] else None


def whole_nearest_factor(node: Node[Op], numbers: Numbers) -> str | None:
    """Nearest-neighbour resizing is by whole factors up to {maximum:.0f}."""
    op = node.op
    if not isinstance(op, Resize) or op.interpolation is not Interpolation.NEAREST:
        return None
    _, _, height, width = op.layout.split(node.input(0).type.shape)
    whole = op.size[0] % height == 0 and op.size[1] % width == 0
    if whole and max(op.size[0] // height, op.size[1] // width) <= numbers["maximum"]:
        return None
    return f"{height} x {width} to {op.size[0]} x {op.size[1]}"


def repeated_pixels(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """Nearest-neighbour resizing repeats every pixel equally often."""
    op = node.op
    if not isinstance(op, Resize) or op.interpolation is not Interpolation.NEAREST:
        return None
    _, _, height, width = op.layout.split(node.input(0).type.shape)
    if repeats(op, (height, width)) is not None:
        return None
    return f"{op.coordinates.value} coordinates, {op.rounding.value}"


def zero_padding(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """Padding is with zeros."""
    op = node.op
    if not isinstance(op, Pad) or (op.mode is PadMode.CONSTANT and op.value == 0.0):
        return None
    return f"{op.mode.value} {op.value:g}" if op.mode is PadMode.CONSTANT else op.mode.value


def no_fused_activation(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """No activation is fused into the operator."""
    activation = fused_activation(node.op)
    return f"{activation.value} is fused" if activation is not Activation.NONE else None


def zero_constant_padding(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """Padding is with zeros, or with what is at the edge."""
    op = node.op
    if not isinstance(op, Pad) or op.mode is not PadMode.CONSTANT or op.value == 0.0:
        return None
    return f"filled with {op.value:g}"


def bilinear_extent(node: Node[Op], numbers: Numbers) -> str | None:
    """Bilinear resizing gives at most {maximum:.0f} rows and columns."""
    op = node.op
    if not isinstance(op, Resize) or op.interpolation is not Interpolation.BILINEAR:
        return None
    return f"to {op.size[0]} x {op.size[1]}" if max(op.size) > numbers["maximum"] else None


def bilinear_coordinates(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """Bilinear resizing has asymmetric coordinates, or aligns corners."""
    op = node.op
    if not isinstance(op, Resize) or op.interpolation is not Interpolation.BILINEAR:
        return None
    return "half-pixel centres" if op.coordinates is Coordinates.HALF_PIXEL else None


def rows_and_features(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """A dense layer reads a matrix: rows of features."""
    rank = node.input(0).type.rank
    return f"{rank} dimensions" if isinstance(node.op, Dense) and rank != 2 else None


def one_weight_scale(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """Weights that come quantised have one scale a tensor."""
    quant = node.input(1).type.quant if len(node.inputs) > 1 else None
    return None if quant is None or quant.axis is None else f"{len(quant.scales)} scales"


def equal_shapes(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """Both operands have the same shape and are computed."""
    shapes = [list(value.type.shape) for value in node.operands]
    if all(shape == shapes[0] for shape in shapes) and not any(
        v.is_constant for v in node.operands
    ):
        return None
    return " and ".join(map(str, shapes))


def fused_relu_only(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """No activation but a ReLU is fused into the operator."""
    fused = fused_activation(node.op)
    return None if fused in (Activation.NONE, Activation.RELU) else f"{fused.value} is fused"


def fused_relu_or_relu6(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """No activation but a ReLU or ReLU6 is fused into the operator."""
    fused = fused_activation(node.op)
    return f"{fused.value} is fused" if fused is Activation.RELU_N1_TO_1 else None


def spatial_mean(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """A mean is over the rows and columns of a map."""
    op = node.op
    if not isinstance(op, ReduceMean) or (op.axes in ((1, 2), (2, 3)) and op.keep_dims):
        return None
    return f"axes {list(op.axes)}"
