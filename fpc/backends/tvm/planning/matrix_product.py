"""Products of two computed matrices."""

from __future__ import annotations

import numpy as np

from fpc.backends.tvm.kernels.matrix_product import MatrixProduct
from fpc.backends.tvm.kernels.wide.fixed_point import factor_of
from fpc.backends.tvm.planning.fixed_point import shift_of
from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.dense import matmul_multiplier
from fpc.interp.integer.fixed_point import reduced_multiplier
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.ops import MatMul

_MOST_BYTES_SUMMED = 2**31 // 255**2


def matmul(site: Site[MatMul]) -> None:
    """`MatMul`."""
    a, b = site.operand(0), site.operand(1)
    kernel = MatrixProduct(
        a.buffer, b.buffer, site.result, (site.type(0).shape, site.type(1).shape)
    )
    if site.type().dtype is DType.F32:
        site.emit(kernel, [a, b])
        return
    site.require_integers()
    result = site.node.output.type
    zero_point = result.quantisation.zero_point
    zeros = (
        site.type(0).quantisation.zero_point + a.buffer.offset,
        site.type(1).quantisation.zero_point + b.buffer.offset,
    )
    span = result.dtype.minimum - zero_point, result.dtype.maximum - zero_point
    numbers = np.array((*zeros, *span, zero_point + site.result.offset), np.int64)
    site.emit(kernel, [a, b], [numbers, _factor(site, kernel)])


def _factor(site: Site[MatMul], kernel: MatrixProduct) -> Array:
    quants = site.type(0).quantisation, site.type(1).quantisation
    multiplier = matmul_multiplier(*quants, site.node.output.type.quantisation)
    if kernel.rounds_twice:
        if site.type().shape[-1] > _MOST_BYTES_SUMMED:
            raise site.unsupported(
                f"it sums more than {_MOST_BYTES_SUMMED} products", "use --backend tflite"
            )
        return factor_of(multiplier)
    shift = int(shift_of(site, multiplier))
    return np.array((int(reduced_multiplier(multiplier)), 1 << (shift - 1), shift), np.int64)
