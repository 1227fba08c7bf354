"""Every operator of the IR and the function that lowers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from fpc.backends.tflite.lowering import (
    activation,
    convolution,
    elementwise,
    linear,
    movement,
    normalisation,
    pooling,
    quantisation,
    resize,
    slicing,
    transposed_convolution,
)
from fpc.backends.tflite.lowering.site import Site
from fpc.ir import ops
from fpc.ir.op import Op

Lowering: TypeAlias = Callable[[Site[Any]], None]
"""Adds the TFLite operators of one node, or raises the site's `unsupported`."""

LOWERINGS: Mapping[type[Op], Lowering] = MappingProxyType(
    {
        ops.Conv2d: convolution.conv2d,
        ops.ConvTranspose2d: transposed_convolution.conv_transpose2d,
        ops.Dense: linear.dense,
        ops.MatMul: linear.matmul,
        ops.BatchNorm: normalisation.batch_norm,
        ops.LocalResponseNorm: normalisation.local_response_norm,
        ops.MaxPool: pooling.max_pool,
        ops.AvgPool: pooling.avg_pool,
        ops.GlobalAvgPool: pooling.global_avg_pool,
        ops.ReduceMean: pooling.reduce_mean,
        ops.Relu: activation.relu,
        ops.Relu6: activation.relu6,
        ops.Clip: activation.clip,
        ops.LeakyRelu: activation.leaky_relu,
        ops.PRelu: activation.prelu,
        ops.Sigmoid: activation.sigmoid,
        ops.HardSigmoid: activation.hard_sigmoid,
        ops.Silu: activation.silu,
        ops.HardSwish: activation.hard_swish,
        ops.Tanh: activation.tanh,
        ops.Gelu: activation.gelu,
        ops.Unary: activation.unary,
        ops.Softmax: activation.softmax,
        ops.Add: elementwise.add,
        ops.Sub: elementwise.sub,
        ops.Mul: elementwise.mul,
        ops.Div: elementwise.div,
        ops.Maximum: elementwise.maximum,
        ops.Minimum: elementwise.minimum,
        ops.Concat: movement.concat,
        ops.Split: slicing.split,
        ops.Slice: slicing.slice_,
        ops.Pad: movement.pad,
        ops.Reshape: movement.reshape,
        ops.Transpose: movement.transpose,
        ops.Resize: resize.resize,
        ops.DepthToSpace: movement.depth_to_space,
        ops.Cast: quantisation.cast,
        ops.Quantize: quantisation.quantize,
        ops.Dequantize: quantisation.dequantize,
        ops.Requantize: quantisation.requantize,
    }
)
