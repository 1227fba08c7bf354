"""Means of int16 and float32."""

from __future__ import annotations

import numpy as np

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.kernels.wide.fixed_point import factor_of
from fpc.backends.tvm.kernels.wide.mean import WideMean
from fpc.backends.tvm.planning.pooling import SiteOfMean, pool_globally, reduce_by
from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.pooling import mean_multiplier
from fpc.ir.dtype import DType
from fpc.ir.ops import GlobalAvgPool, ReduceMean


def global_avg_pool(site: Site[GlobalAvgPool]) -> None:
    """`GlobalAvgPool`."""
    pool_globally(site, _mean)


def reduce_mean(site: Site[ReduceMean]) -> None:
    """`ReduceMean`."""
    reduce_by(site, _mean)


def _mean(site: SiteOfMean, x: Stored, stored: Buffer, count: int) -> Stored:
    if site.type().dtype is DType.F32:
        factor = np.array([1 / count], np.float32)
    else:
        site.require_integers()
        quants = site.type().quantisation, site.node.output.type.quantisation
        factor = factor_of(mean_multiplier(*quants, count))
    return site.assembler.call(WideMean(x.buffer, stored, count), [x], [factor])
