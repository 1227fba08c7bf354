"""Which tiles a kernel may have.

A tile changes neither the parameters that a kernel takes nor what it computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels import convolution, depthwise
from fpc.backends.tvm.kernels.convolution import Convolution
from fpc.backends.tvm.kernels.depthwise import Depthwise, DepthwiseTile
from fpc.backends.tvm.kernels.depthwise_columns import DepthwiseColumns
from fpc.backends.tvm.kernels.filters import ConvolutionTile
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.kernels.wide.convolution import WideConvolution, wide_tiles
from fpc.backends.tvm.kernels.wide.depthwise import WideDepthwise
from fpc.backends.tvm.kernels.wide.depthwise_columns import WideDepthwiseColumns
from fpc.ir.dtype import DType


def tile_space(kernel: AnyKernel, isa: Isa) -> Iterator[AnyKernel]:
    """The kernel with each tile that it may have.

    Nothing for a kernel without tiles, and for those of floats, whose results are compared with
    nothing bit by bit.
    """
    match kernel:
        case Convolution():
            for tile in convolution.tiles(kernel, isa):
                yield replace(kernel, tile=tile)
        case WideConvolution() if kernel.sums is not DType.F32:
            for tile in wide_tiles(kernel, isa):
                yield replace(kernel, tile=tile)
        case Depthwise():
            for tile in depthwise.tiles(kernel.window, isa):
                yield replace(kernel, tile=tile)
        case DepthwiseColumns() | WideDepthwiseColumns():
            for tile in depthwise.line_tiles(kernel.window, isa):
                yield replace(kernel, tile=tile)
        case WideDepthwise() if kernel.sums is not DType.F32:
            for tile in depthwise.line_tiles(kernel.window, isa):
                yield replace(kernel, tile=tile)
        case _:
            return


def untiled(kernel: AnyKernel) -> AnyKernel:
    """Equal for kernels that differ in nothing that decides about their best tile."""
    match kernel:
        case Convolution():
            tile = ConvolutionTile(1, 1)
            plain = replace(kernel, tile=tile, padding=0, residual=None)
            return replace(plain, saturates=False, rectifies=False)
        case WideConvolution():
            return replace(kernel, tile=ConvolutionTile(1, 1), residual=None)
        case Depthwise() | DepthwiseColumns():
            return replace(kernel, tile=DepthwiseTile(1), saturates=False, rectifies=False)
        case WideDepthwise() | WideDepthwiseColumns():
            return replace(kernel, tile=DepthwiseTile(1))
        case _:
            return kernel
