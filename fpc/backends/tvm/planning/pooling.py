"""Means and pools."""

from __future__ import annotations

import math

import numpy as np

from fpc.backends.tvm.kernels.mean import Mean
from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.pooling import xnnpack_mean_factors
from fpc.ir.ops import GlobalAvgPool, ReduceMean


def global_avg_pool(site: Site[GlobalAvgPool]) -> None:
    """`GlobalAvgPool`."""
    _mean_of_maps(site)


def reduce_mean(site: Site[ReduceMean]) -> None:
    """`ReduceMean` over all axes between the first and the last."""
    rank = site.type().rank
    if site.op.axes != tuple(range(1, rank - 1)):
        raise site.unsupported(
            f"it averages over the axes {list(site.op.axes)} of {rank}",
            "average over whole feature maps, or use --backend tflite",
        )
    _mean_of_maps(site)


def _mean_of_maps(site: Site[GlobalAvgPool] | Site[ReduceMean]) -> None:
    site.require_int8()
    x, source = site.operand(), site.type()
    count = math.prod(source.shape[1:-1])
    factors = xnnpack_mean_factors(source.quantisation, site.node.output.type.quantisation, count)
    kernel = Mean(x.buffer, site.result, count)
    site.emit(kernel, [x], [np.array(factors, np.float32)])
