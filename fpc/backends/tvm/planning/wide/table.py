"""Every operator that has kernels for int16 or float32, and the function that plans it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from fpc.backends.tvm.planning import elementwise as integers
from fpc.backends.tvm.planning import matrix_product, movement, quantisation
from fpc.backends.tvm.planning import pooling as pools
from fpc.backends.tvm.planning.table import Planner
from fpc.backends.tvm.planning.wide import (
    activation,
    convolution,
    elementwise,
    floating,
    normalisation,
    pooling,
    resize,
    softmax,
)
from fpc.ir import ops
from fpc.ir.op import Op

_BOTH: Mapping[type[Op], Planner] = MappingProxyType(
    {
        ops.Conv2d: convolution.conv2d,
        ops.ConvTranspose2d: convolution.conv_transpose2d,
        ops.Dense: convolution.dense,
        ops.MatMul: matrix_product.matmul,
        ops.GlobalAvgPool: pooling.global_avg_pool,
        ops.ReduceMean: pooling.reduce_mean,
        ops.Concat: movement.concat,
        ops.Split: movement.split,
        ops.Slice: movement.slice_,
        ops.Pad: movement.pad,
        ops.Reshape: movement.reshape,
        ops.Transpose: movement.transpose,
        ops.DepthToSpace: movement.depth_to_space,
        ops.Resize: resize.resize,
        ops.Softmax: softmax.softmax,
        ops.Quantize: quantisation.quantize,
    }
)

INT16_PLANNERS: Mapping[type[Op], Planner] = MappingProxyType(
    {
        **_BOTH,
        ops.MaxPool: pools.max_pool,
        ops.AvgPool: pools.avg_pool,
        ops.Relu: activation.function,
        ops.Relu6: activation.function,
        ops.Clip: activation.function,
        ops.LeakyRelu: activation.function,
        ops.Sigmoid: activation.function,
        ops.HardSigmoid: activation.function,
        ops.Silu: activation.function,
        ops.HardSwish: activation.function,
        ops.Tanh: activation.function,
        ops.Gelu: activation.function,
        ops.Unary: activation.function,
        ops.Requantize: activation.function,
        ops.Add: elementwise.add,
        ops.Sub: elementwise.sub,
        ops.Mul: elementwise.mul,
        ops.Maximum: integers.maximum,
        ops.Minimum: integers.minimum,
        ops.Dequantize: quantisation.dequantize,
    }
)
"""Operators that take or give int16."""

FLOAT_PLANNERS: Mapping[type[Op], Planner] = MappingProxyType(
    {
        **_BOTH,
        ops.MaxPool: floating.max_pool,
        ops.AvgPool: floating.avg_pool,
        ops.Relu: floating.function("clamp", 0, math.inf),
        ops.Relu6: floating.function("clamp", 0, 6),
        ops.Clip: floating.clip,
        ops.LeakyRelu: floating.leaky_relu,
        ops.PRelu: floating.function_of_two("prelu"),
        ops.Sigmoid: floating.function("sigmoid"),
        ops.HardSigmoid: floating.hard_sigmoid,
        ops.Silu: floating.function("silu"),
        ops.HardSwish: floating.function("hard_swish"),
        ops.Tanh: floating.function("tanh"),
        ops.Gelu: floating.gelu,
        ops.Unary: floating.unary,
        ops.Add: floating.function_of_two("add"),
        ops.Sub: floating.function_of_two("sub"),
        ops.Mul: floating.function_of_two("mul"),
        ops.Div: floating.function_of_two("div"),
        ops.Maximum: floating.function_of_two("maximum"),
        ops.Minimum: floating.function_of_two("minimum"),
        ops.LocalResponseNorm: normalisation.local_response_norm,
    }
)
"""Operators that take float32."""
