"""The vocabulary of limits that target descriptions are written in.

A rule is a function of a node and the limit's numbers. Its docstring is what the user reads, in a
diagnostic and in the manual, with the numbers of the target filled in.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fpc.ir.graph import Node
from fpc.ir.op import Activation, Op
from fpc.ir.ops import (
    AvgPool,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Interpolation,
    LeakyRelu,
    MaxPool,
    Pad,
    PadMode,
    Resize,
)

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Violation:
    """A rule a node breaks: the rule in words, and the node's own numbers."""

    rule: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule} ({self.found})"


RuleFunction = Callable[[Node[Op], Numbers], str | None]
"""Says what a node has that the rule does not allow, None when the node keeps the rule."""


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


def rank(node: Node[Op], numbers: Numbers) -> str | None:
    """Tensors have at most {maximum:.0f} dimensions."""
    highest = max((value.type.rank for value in (*node.operands, *node.outputs)), default=0)
    return f"{highest} dimensions" if highest > numbers["maximum"] else None


def pool_stride_within_kernel(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """The stride of a pool is at most its window (1 x 1 windows aside, which are slices)."""
    op = node.op
    if not isinstance(op, MaxPool | AvgPool) or op.kernel == (1, 1):
        return None
    if all(stride <= kernel for stride, kernel in zip(op.strides, op.kernel, strict=True)):
        return None
    return f"window {op.kernel[0]} x {op.kernel[1]}, strides {op.strides[0]} x {op.strides[1]}"


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


def zero_padding(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """Padding is with zeros."""
    op = node.op
    if not isinstance(op, Pad) or (op.mode is PadMode.CONSTANT and op.value == 0.0):
        return None
    return f"{op.mode.value} {op.value:g}" if op.mode is PadMode.CONSTANT else op.mode.value


def no_fused_activation(node: Node[Op], numbers: Numbers) -> str | None:  # noqa: ARG001
    """No activation is fused into the operator."""
    activation = getattr(node.op, "activation", Activation.NONE)
    return f"{activation.value} is fused" if activation is not Activation.NONE else None


RULES: Mapping[str, RuleFunction] = MappingProxyType(
    {
        "depthwise-taps": depthwise_taps,
        "kernel-extent": kernel_extent,
        "stride": stride,
        "undilated": undilated,
        "ungrouped-transpose": ungrouped_transpose,
        "rank": rank,
        "pool-stride-within-kernel": pool_stride_within_kernel,
        "leaky-slope": leaky_slope,
        "concat-operands": concat_operands,
        "whole-nearest-factor": whole_nearest_factor,
        "zero-padding": zero_padding,
        "no-fused-activation": no_fused_activation,
    }
)


def describe(rule: str, numbers: Numbers) -> str:
    """The rule called `rule` in words, with `numbers` filled in."""
    text = inspect.getdoc(RULES[rule]) or rule
    return text.splitlines()[0].format(**numbers)


def judge(rule: str, node: Node[Op], numbers: Numbers) -> Violation | None:
    """How `node` breaks the rule called `rule`, None when it keeps it."""
    found = RULES[rule](node, numbers)
    return None if found is None else Violation(describe(rule, numbers), found)
