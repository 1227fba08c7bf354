"""The meaning of every op that has one under `pow2`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fpc.interp import movement, quantisation
from fpc.interp.call import Rule
from fpc.interp.floating.pooling import max_pool
from fpc.interp.power_of_two import pointwise, pooling, products
from fpc.ir import ops
from fpc.ir.op import Op

POWER_OF_TWO_RULES: Mapping[type[Op], Rule] = MappingProxyType(
    {
        ops.Conv2d: products.conv2d,
        ops.Dense: products.dense,
        ops.Mul: products.mul,
        ops.Add: pointwise.add,
        ops.Relu: pointwise.relu,
        ops.Relu6: pointwise.relu6,
        ops.Clip: pointwise.clip,
        ops.LeakyRelu: pointwise.leaky_relu,
        ops.HardSigmoid: pointwise.hard_sigmoid,
        ops.HardSwish: pointwise.hard_swish,
        ops.MaxPool: max_pool,
        ops.AvgPool: pooling.avg_pool,
        ops.GlobalAvgPool: pooling.global_avg_pool,
        ops.ReduceMean: pooling.reduce_mean,
        ops.Concat: movement.concat,
        ops.Split: movement.split,
        ops.Slice: movement.slice_,
        ops.Pad: movement.pad,
        ops.Reshape: movement.reshape,
        ops.Transpose: movement.transpose,
        ops.Cast: quantisation.cast,
        ops.Quantize: pointwise.quantize,
        ops.Dequantize: quantisation.dequantize,
        ops.Requantize: pointwise.requantize,
    }
)
"""One rule an op class. The classes left out run in float on such a target."""
