"""Sliding windows as ONNX describes them: kernels, strides, dilations and every kind of padding.

The IR knows two spatial axes and explicit pads. One-dimensional operators become two-dimensional
ones of height 1; `auto_pad` and `ceil_mode` become the pads that give the same windows (ONNX
operator specification, Conv and MaxPool).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fpc.diagnostics.errors import ModelError
from fpc.frontends.onnx.context import NodeContext, Unsupported
from fpc.ir.graph import Value
from fpc.ir.ops import Reshape


@dataclass(frozen=True)
class Window:
    """A two-dimensional sliding window; `pads` are (top, left, bottom, right)."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]

    @property
    def reach(self) -> tuple[int, int]:
        """The extent of the dilated kernel."""
        (kernel_h, kernel_w), (dilation_h, dilation_w) = self.kernel, self.dilations
        return dilation_h * (kernel_h - 1) + 1, dilation_w * (kernel_w - 1) + 1

    def ceiling_extension(self, extents: tuple[int, int]) -> tuple[int, int]:
        """How far `ceil_mode` reaches beyond the pads at the bottom and right.

        A last window that starts in the padding behind the map is left out, as every runtime does.
        """
        top, left, bottom, right = self.pads

        def extension(axis: int, before: int, after: int) -> int:
            stride, reach = self.strides[axis], self.reach[axis]
            free = extents[axis] + before + after - reach
            steps = -(-free // stride)
            if steps * stride >= extents[axis] + before:
                steps -= 1
            return max(0, steps * stride - free)

        return extension(0, top, bottom), extension(1, left, right)


def read_window(node: NodeContext, kernel: tuple[int, ...], extents: tuple[int, ...]) -> Window:
    """The window of a convolution or pooling node with `kernel` over a map of `extents`.

    One-dimensional attributes get a leading axis of extent 1.
    """
    rank = len(kernel)
    strides = _attribute(node, "strides", (1,) * rank)
    dilations = _attribute(node, "dilations", (1,) * rank)
    if min((*kernel, *strides, *dilations)) < 1:
        raise ModelError(
            "bad-attribute",
            f"{node.op_type} has kernel {list(kernel)}, strides {list(strides)}, dilations "
            f"{list(dilations)}; all must be at least 1",
            location=node.location,
        )
    before, after = _pads(node, kernel, strides, dilations, extents)
    if min((*before, *after)) < 0:
        raise Unsupported("its pads are negative", "put an explicit Slice in front of it")
    return Window(
        two_dimensional(kernel),
        two_dimensional(strides),
        two_dimensional(dilations),
        (*two_dimensional(before, 0), *two_dimensional(after, 0)),
    )


def two_dimensional(numbers: tuple[int, ...], filler: int = 1) -> tuple[int, int]:
    """`numbers` of one or two spatial axes as those of height and width."""
    match numbers:
        case (width,):
            return filler, width
        case (height, width):
            return height, width
        case _:
            raise Unsupported(
                f"it works on {len(numbers)} spatial axes",
                "fpc compiles one- and two-dimensional networks",
            )


def spatial_extents(node: NodeContext) -> tuple[int, ...]:
    """The spatial extents of operand 0; `Unsupported` unless there are one or two."""
    shape = node.shape(0)
    if len(shape) not in (3, 4):
        raise Unsupported(
            f"its operand has rank {len(shape)}", "fpc compiles one- and two-dimensional networks"
        )
    return shape[2:]


def on_feature_map(node: NodeContext, x: Value, apply: Callable[[Value], Value]) -> Value:
    """`apply(x)` for a 4-D x; a 3-D x [N, C, L] goes through [N, C, 1, L] and back."""
    if x.type.rank == 4:
        return apply(x)
    batch, channels, length = x.type.shape
    wide = apply(node.step(Reshape((batch, channels, 1, length)), x))
    batch, channels, _, length = wide.type.shape
    return node.emit(Reshape((batch, channels, length)), wide)


def _pads(
    node: NodeContext,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    extents: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rank = len(kernel)
    mode = node.attributes.text("auto_pad", "NOTSET")
    match mode:
        case "NOTSET" | "":
            pads = _attribute(node, "pads", (0,) * (2 * rank))
            return pads[:rank], pads[rank:]
        case "VALID":
            return (0,) * rank, (0,) * rank
        case "SAME_UPPER" | "SAME_LOWER":
            totals = [
                max(0, (-(-size // stride) - 1) * stride + dilation * (k - 1) + 1 - size)
                for size, k, stride, dilation in zip(
                    extents, kernel, strides, dilations, strict=True
                )
            ]
            return split_padding(tuple(totals), extra_at_end=mode == "SAME_UPPER")
        case _:
            raise ModelError(
                "bad-attribute",
                f"{node.op_type} has auto_pad '{mode}', which ONNX does not know",
                location=node.location,
            )


def split_padding(
    totals: tuple[int, ...], *, extra_at_end: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Total pads cut in halves; the odd element goes to the end or to the beginning."""
    small = tuple(total // 2 for total in totals)
    large = tuple(total - half for total, half in zip(totals, small, strict=True))
    return (small, large) if extra_at_end else (large, small)


def _attribute(node: NodeContext, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    numbers = node.attributes.integers(name) or default
    if len(numbers) != len(default):
        raise ModelError(
            "bad-attribute",
            f"{node.op_type} has {len(numbers)} {name}, expected {len(default)}",
            location=node.location,
        )
    return numbers
