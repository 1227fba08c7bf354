"""Pooling and reductions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.op import Layout, Op, Quantisation, require
from fpc.ir.ops.convolution import check_window, window_count
from fpc.ir.types import TensorType


def _pooled(
    x: TensorType,
    layout: Layout,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int] = (1, 1),
) -> TensorType:
    batch, channels, height, width = layout.split(x.shape)
    check_window(kernel, strides, pads, dilations)
    top, left, bottom, right = pads
    out_h = window_count(height + top + bottom, kernel[0], strides[0], dilations[0], "height")
    out_w = window_count(width + left + right, kernel[1], strides[1], dilations[1], "width")
    return x.with_shape(layout.shape(batch, channels, out_h, out_w))


@dataclass(frozen=True)
class MaxPool(Op):
    """The greatest value of each window; padding never wins."""

    mnemonic: ClassVar[str] = "max_pool"
    quantisation: ClassVar[Quantisation] = Quantisation.SAME

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    layout: Layout = Layout.NCHW

    def infer(self, x: TensorType) -> TensorType:
        """One value a window and channel."""
        return _pooled(x, self.layout, self.kernel, self.strides, self.pads, self.dilations)


@dataclass(frozen=True)
class AvgPool(Op):
    """The mean of each window, padding counted as zeros only with `count_include_pad`.

    Results share the operand's quantisation, as every int8 runtime wants it.
    """

    mnemonic: ClassVar[str] = "avg_pool"
    quantisation: ClassVar[Quantisation] = Quantisation.SAME

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    count_include_pad: bool = False
    layout: Layout = Layout.NCHW

    def infer(self, x: TensorType) -> TensorType:
        """One value a window and channel."""
        return _pooled(x, self.layout, self.kernel, self.strides, self.pads)


@dataclass(frozen=True)
class GlobalAvgPool(Op):
    """The mean of each channel's map, spatial extents kept as 1."""

    mnemonic: ClassVar[str] = "global_avg_pool"

    layout: Layout = Layout.NCHW

    def infer(self, x: TensorType) -> TensorType:
        """One value a channel."""
        batch, channels, _, _ = self.layout.split(x.shape)
        return TensorType(x.dtype, self.layout.shape(batch, channels, 1, 1))


@dataclass(frozen=True)
class ReduceMean(Op):
    """The mean over `axes` (sorted, non-negative)."""

    mnemonic: ClassVar[str] = "reduce_mean"

    axes: tuple[int, ...]
    keep_dims: bool = True

    def infer(self, x: TensorType) -> TensorType:
        """x with `axes` reduced to 1, or dropped."""
        require(
            all(0 <= axis < x.rank for axis in self.axes)
            and list(self.axes) == sorted(set(self.axes)),
            f"axes {list(self.axes)} are not sorted axes of {x}",
        )
        shape = tuple(
            1 if axis in self.axes else extent
            for axis, extent in enumerate(x.shape)
            if self.keep_dims or axis not in self.axes
        )
        return TensorType(x.dtype, shape)
