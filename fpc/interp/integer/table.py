"""The meaning of every op that quantised integers can flow through."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fpc.interp import movement, quantisation
from fpc.interp.call import Rule
from fpc.interp.floating.pooling import max_pool
from fpc.interp.integer import (
    activation,
    convolution,
    dense,
    elementwise,
    lookup,
    pooling,
    resize,
    softmax,
)
from fpc.ir import ops
from fpc.ir.op import Op

INTEGER_RULES: Mapping[type[Op], Rule] = MappingProxyType(
    {
        ops.Conv2d: convolution.conv2d,
        ops.ConvTranspose2d: convolution.conv_transpose2d,
        ops.Dense: dense.dense,
        ops.MatMul: dense.matmul,
        ops.MaxPool: max_pool,
        ops.AvgPool: pooling.avg_pool,
        ops.GlobalAvgPool: pooling.global_avg_pool,
        ops.ReduceMean: pooling.reduce_mean,
        ops.Relu: activation.relu,
        ops.Relu6: activation.relu6,
        ops.Clip: activation.clip,
        ops.LeakyRelu: activation.leaky_relu,
        ops.PRelu: activation.prelu,
        ops.Sigmoid: activation.sigmoid,
        ops.HardSigmoid: lookup.hard_sigmoid,
        ops.Silu: lookup.silu,
        ops.HardSwish: activation.hard_swish,
        ops.Tanh: activation.tanh,
        ops.Gelu: lookup.gelu,
        ops.Unary: lookup.unary,
        ops.Softmax: softmax.softmax,
        ops.Add: elementwise.add,
        ops.Sub: elementwise.sub,
        ops.Mul: elementwise.mul,
        ops.Div: elementwise.div,
        ops.Maximum: elementwise.maximum,
        ops.Minimum: elementwise.minimum,
        ops.Concat: movement.concat,
        ops.Split: movement.split,
        ops.Slice: movement.slice_,
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
"""One rule an op class. The classes left out have no integer form: normalisations, which are folded
into their neighbours before a network is quantised.
"""
