"""CONV_2D and DEPTHWISE_CONV_2D."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpc.backends.tflite.lowering.assembler import Operand
from fpc.backends.tflite.lowering.site import Site, fused
from fpc.backends.tflite.lowering.window import resolve_padding
from fpc.backends.tflite.model import FieldValue
from fpc.ir.op import Op
from fpc.ir.ops import Conv2d
from fpc.ir.ops.convolution import accumulator_dtype
from fpc.ir.padding import PaddedWindow
from fpc.ir.types import QuantParams, TensorType


def conv2d(site: Site[Conv2d]) -> None:
    """`Conv2d`, as DEPTHWISE_CONV_2D where every channel is filtered alone."""
    op, x = site.op, site.operand(0)
    if op.is_depthwise(x.type):
        weights = depthwise_weights(site, site.array(1, "weights"))
    else:
        weights = site.operand(1)
    convolve(site, op, x, weights)


def convolve(site: Site[Op], op: Conv2d, x: Operand, weights: Operand) -> None:
    """Let the result be `op` of `x`, the weights already in TFLite's order.

    The node's operands 1 and 2 are filters and bias.
    """
    bias = bias_of(site, x.type)
    _, kernel_h, kernel_w, depth = weights.type.shape
    reach = (op.dilations[0] * (kernel_h - 1) + 1, op.dilations[1] * (kernel_w - 1) + 1)
    depthwise, channels = op.is_depthwise(x.type), x.type.shape[3]
    x, padding = resolve_padding(site, x, PaddedWindow(reach, op.strides, op.pads))
    fields: dict[str, FieldValue] = {
        "padding": padding,
        "stride_w": op.strides[1],
        "stride_h": op.strides[0],
        "dilation_w_factor": op.dilations[1],
        "dilation_h_factor": op.dilations[0],
        "fused_activation_function": fused(op.activation),
    }
    code, table = "CONV_2D", "Conv2DOptions"
    if depthwise:
        code, table = "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions"
        fields["depth_multiplier"] = depth // channels
    site.emit(code, [x, weights, bias], table=table, fields=fields)


def depthwise_weights(site: Site[Op], filters: NDArray[Any]) -> Operand:
    """Filters [O, kh, kw, 1] as TFLite's [1, kh, kw, O]."""
    quant = site.node.input(1).type.quant
    if quant is not None and quant.axis is not None:
        quant = quant.with_axis(3)
    return site.constant("weights", np.ascontiguousarray(filters.transpose(3, 1, 2, 0)), quant)


def bias_of(site: Site[Op], x: TensorType) -> Operand:
    """The bias, zeros where the op has none: not every kernel takes it left out."""
    bias = site.optional(2)
    if bias is not None:
        return bias
    weights = site.node.input(1).type
    zeros = np.zeros(weights.shape[0], accumulator_dtype(x).numpy)
    return site.constant("bias", zeros, _bias_quantisation(x, weights))


def _bias_quantisation(x: TensorType, weights: TensorType) -> QuantParams | None:
    """The quantisation of a bias: the product of those of activations and weights."""
    if x.quant is None or weights.quant is None:
        return None
    scales = [x.quant.scale * scale for scale in weights.quant.scales]
    if weights.quant.axis is None:
        return QuantParams.per_tensor(scales[0])
    return QuantParams.per_axis(tuple(scales), axis=0)
