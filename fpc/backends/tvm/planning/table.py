"""Every operator that has kernels, and the function that plans it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from fpc.backends.tvm.planning import (
    activation,
    convolution,
    elementwise,
    matrix_product,
    movement,
    pooling,
    quantisation,
    resize,
    softmax,
    transposed_convolution,
)
from fpc.backends.tvm.planning.site import Site
from fpc.ir import ops
from fpc.ir.op import Op

Planner: TypeAlias = Callable[[Site[Any]], None]
"""Chooses the kernels of one node, or raises the site's `unsupported`."""

PLANNERS: Mapping[type[Op], Planner] = MappingProxyType(
    {
        ops.Conv2d: convolution.conv2d,
        ops.ConvTranspose2d: transposed_convolution.conv_transpose2d,
        ops.Dense: convolution.dense,
        ops.MatMul: matrix_product.matmul,
        ops.MaxPool: pooling.max_pool,
        ops.AvgPool: pooling.avg_pool,
        ops.GlobalAvgPool: pooling.global_avg_pool,
        ops.ReduceMean: pooling.reduce_mean,
        ops.Relu: activation.function,
        ops.Relu6: activation.function,
        ops.Clip: activation.function,
        ops.LeakyRelu: activation.function,
        ops.PRelu: activation.prelu,
        ops.Sigmoid: activation.function,
        ops.HardSigmoid: activation.function,
        ops.Silu: activation.function,
        ops.HardSwish: activation.function,
        ops.Tanh: activation.function,
        ops.Gelu: activation.function,
        ops.Unary: activation.function,
        ops.Requantize: activation.function,
        ops.Softmax: softmax.softmax,
        ops.Add: elementwise.add,
        ops.Sub: elementwise.sub,
        ops.Mul: elementwise.mul,
        ops.Maximum: elementwise.maximum,
        ops.Minimum: elementwise.minimum,
        ops.Concat: movement.concat,
        ops.Split: movement.split,
        ops.Slice: movement.slice_,
        ops.Pad: movement.pad,
        ops.Reshape: movement.reshape,
        ops.Transpose: movement.transpose,
        ops.DepthToSpace: movement.depth_to_space,
        ops.Resize: resize.resize,
        ops.Quantize: quantisation.quantize,
        ops.Dequantize: quantisation.dequantize,
    }
)
"""Operators left out are refused with a message that says so."""
