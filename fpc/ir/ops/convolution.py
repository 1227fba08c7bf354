"""Convolutions and their transposes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.dtype import DType
from fpc.ir.op import Activation, Layout, Op, require
from fpc.ir.types import TensorType


def accumulator_dtype(x: TensorType) -> DType:
    """The element type of a bias added to products of `x`: the width the products are summed in."""
    if x.dtype is DType.I16:
        return DType.I64
    return DType.I32 if x.dtype.is_integer else x.dtype


def check_weight(x: TensorType, w: TensorType) -> None:
    """Weights are float with float activations, int8 or int16 with int16, int8 with other ones."""
    alike = w.dtype is x.dtype
    fits = alike if x.dtype.is_float else w.dtype is DType.I8 or (alike and x.dtype is DType.I16)
    require(fits, f"weights of type {w.dtype.value} with activations of type {x.dtype.value}")


def check_bias(x: TensorType, bias: TensorType | None, channels: int) -> None:
    """A bias is one number an output channel, of the accumulator's type."""
    if bias is None:
        return
    require(bias.shape == (channels,), f"bias of shape {list(bias.shape)}, expected [{channels}]")
    expected = accumulator_dtype(x)
    require(bias.dtype is expected, f"bias of type {bias.dtype.value}, expected {expected.value}")


@dataclass(frozen=True)
class Conv2d(Op):
    """2-D cross-correlation, grouped, with bias and fused clamp.

    x: feature map; w: filters OIHW (NCHW) or OHWI (NHWC), I = input channels / groups; b: [O].
    `pads` are zeros added (top, left, bottom, right). Depthwise when groups = input channels.
    """

    mnemonic: ClassVar[str] = "conv2d"

    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    activation: Activation = Activation.NONE
    layout: Layout = Layout.NCHW

    def infer(self, x: TensorType, w: TensorType, b: TensorType | None = None) -> TensorType:
        """The feature map of the filters' responses."""
        _check_filters(self, x, w, b)
        batch, _, height, width = self.layout.split(x.shape)
        out_channels, _, kernel_h, kernel_w = self.layout.split(w.shape)
        top, left, bottom, right = self.pads
        out_h = window_count(
            height + top + bottom, kernel_h, self.strides[0], self.dilations[0], "height"
        )
        out_w = window_count(
            width + left + right, kernel_w, self.strides[1], self.dilations[1], "width"
        )
        return TensorType(x.dtype, self.layout.shape(batch, out_channels, out_h, out_w))

    def is_depthwise(self, x: TensorType) -> bool:
        """Whether every input channel is filtered alone (and there is more than one)."""
        return self.groups > 1 and self.groups == x.shape[self.layout.channel_axis]


@dataclass(frozen=True)
class ConvTranspose2d(Op):
    """The gradient of `Conv2d` with respect to its input, with bias and fused clamp.

    x: feature map; w: filters OIHW (NCHW) or OHWI (NHWC) with I = input channels / groups, O the
    channels of the result; b: [O]. `pads` are rows and columns cut from the full result,
    `output_pads` extends it at the bottom and right.
    """

    mnemonic: ClassVar[str] = "conv_transpose2d"

    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    output_pads: tuple[int, int] = (0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    activation: Activation = Activation.NONE
    layout: Layout = Layout.NCHW

    def infer(self, x: TensorType, w: TensorType, b: TensorType | None = None) -> TensorType:
        """The upsampled feature map."""
        _check_filters(self, x, w, b)
        batch, _, height, width = self.layout.split(x.shape)
        out_channels, _, kernel_h, kernel_w = self.layout.split(w.shape)
        top, left, bottom, right = self.pads

        def extent(size: int, kernel: int, axis: int, cut: int) -> int:
            reach = self.dilations[axis] * (kernel - 1) + 1
            return (size - 1) * self.strides[axis] + reach - cut + self.output_pads[axis]

        out_h = extent(height, kernel_h, 0, top + bottom)
        out_w = extent(width, kernel_w, 1, left + right)
        require(out_h > 0 and out_w > 0, f"the result would be {out_h} x {out_w}")
        return TensorType(x.dtype, self.layout.shape(batch, out_channels, out_h, out_w))


def _check_filters(
    op: Conv2d | ConvTranspose2d, x: TensorType, w: TensorType, b: TensorType | None
) -> None:
    """Filters fit the groups, the activations and the bias, and their windows can slide."""
    _, channels, _, _ = op.layout.split(x.shape)
    out_channels, group_channels, *kernel = op.layout.split(w.shape)
    require(
        op.groups >= 1 and group_channels * op.groups == channels and out_channels % op.groups == 0,
        f"{channels} input channels in {op.groups} groups do not fit filters {list(w.shape)}",
    )
    check_weight(x, w)
    check_bias(x, b, out_channels)
    check_window((kernel[0], kernel[1]), op.strides, op.pads, op.dilations)


def check_window(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
) -> None:
    """Windows have taps, move forward, and are padded, not cropped."""
    require(min(kernel) >= 1, f"a window of {kernel[0]} x {kernel[1]} has no taps")
    require(min(*strides, *dilations) >= 1, "strides and dilations must be at least 1")
    require(min(pads) >= 0, f"pads {list(pads)} must not be negative")


def window_count(size: int, kernel: int, stride: int, dilation: int, side: str) -> int:
    """How many windows fit in a padded extent; `ShapeMismatch` when none does."""
    reach = dilation * (kernel - 1) + 1
    require(size >= reach, f"a window of {reach} does not fit into a padded {side} of {size}")
    return (size - reach) // stride + 1
