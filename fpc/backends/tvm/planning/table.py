"""Every operator that has kernels, and the function that plans it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from fpc.backends.tvm.planning import convolution, elementwise, movement, pooling
from fpc.backends.tvm.planning.site import Site
from fpc.ir import ops
from fpc.ir.op import Op

Planner: TypeAlias = Callable[[Site[Any]], None]
"""Chooses the kernels of one node, or raises the site's `unsupported`."""

PLANNERS: Mapping[type[Op], Planner] = MappingProxyType(
    {
        ops.Conv2d: convolution.conv2d,
        ops.Dense: convolution.dense,
        ops.GlobalAvgPool: pooling.global_avg_pool,
        ops.ReduceMean: pooling.reduce_mean,
        ops.Add: elementwise.add,
        ops.Sub: elementwise.sub,
        ops.Mul: elementwise.mul,
        ops.Reshape: movement.reshape,
    }
)
"""Operators left out are refused with a message that says so."""
