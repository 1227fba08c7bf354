"""Reals to integers and back."""

from __future__ import annotations

import numpy as np

from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.kernels import conversion
from fpc.backends.tvm.planning.site import Site
from fpc.backends.tvm.planning.wide.byte_function import is_read_by_functions
from fpc.ir.ops import Dequantize, Quantize


def quantize(site: Site[Quantize]) -> None:
    """`Quantize`."""
    x, result, stored = site.operand_as_is(), site.node.output.type, site.result
    zero_point = result.quantisation.zero_point
    span = result.dtype.minimum - zero_point, result.dtype.maximum - zero_point
    factor = np.array([np.float32(1) / np.float32(result.quantisation.scale)], np.float32)
    integers = np.array((*span, zero_point + stored.offset), np.int32)
    site.emit(conversion.Quantize(x.buffer, stored), [x], [factor, integers])


def dequantize(site: Site[Dequantize]) -> None:
    """`Dequantize`; nothing where functions take the bytes themselves."""
    if is_read_by_functions(site.node.output):
        return
    x, quant = site.operand(), site.type().quantisation
    zero_point = np.array([quant.zero_point + x.buffer.offset], np.int32)
    scale = np.array([quant.scale], np.float32)
    plain = Buffer.plain(site.node.output.type)
    site.emit(conversion.Dequantize(x.buffer, plain), [x], [zero_point, scale])
