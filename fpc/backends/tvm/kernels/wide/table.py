"""Every kernel family of elements wider than a byte."""

from __future__ import annotations

from typing import TypeAlias

from fpc.backends.tvm.kernels.wide.bilinear import WideBilinear
from fpc.backends.tvm.kernels.wide.convolution import WideConvolution
from fpc.backends.tvm.kernels.wide.depthwise import WideDepthwise
from fpc.backends.tvm.kernels.wide.depthwise_columns import WideDepthwiseColumns
from fpc.backends.tvm.kernels.wide.elementwise import FloatElementwise, WideProduct, WideSum
from fpc.backends.tvm.kernels.wide.function import FloatFunction
from fpc.backends.tvm.kernels.wide.local_response_norm import LocalResponseNorm
from fpc.backends.tvm.kernels.wide.lookup import WideLookup
from fpc.backends.tvm.kernels.wide.mean import WideMean
from fpc.backends.tvm.kernels.wide.pool import FloatMeanPool
from fpc.backends.tvm.kernels.wide.softmax import FloatSoftmax, WideSoftmax

WideKernel: TypeAlias = (
    WideConvolution
    | WideDepthwise
    | WideDepthwiseColumns
    | WideSum
    | WideProduct
    | FloatElementwise
    | WideLookup
    | WideMean
    | WideBilinear
    | FloatFunction
    | FloatMeanPool
    | FloatSoftmax
    | LocalResponseNorm
    | WideSoftmax
)
"""A kernel of some family, told by its name when it is read."""
