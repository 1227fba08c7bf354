"""Every kernel family."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from fpc.backends.tvm.kernels.bilinear import Bilinear
from fpc.backends.tvm.kernels.concat import Concat
from fpc.backends.tvm.kernels.conversion import Dequantize, Quantize
from fpc.backends.tvm.kernels.convolution import Convolution
from fpc.backends.tvm.kernels.copy import Copy
from fpc.backends.tvm.kernels.depthwise import Depthwise
from fpc.backends.tvm.kernels.depthwise_columns import DepthwiseColumns
from fpc.backends.tvm.kernels.elementwise import Extreme, Product, Sum
from fpc.backends.tvm.kernels.lookup import Lookup
from fpc.backends.tvm.kernels.matrix_product import MatrixProduct
from fpc.backends.tvm.kernels.mean import Mean
from fpc.backends.tvm.kernels.pool import MaxPool, MeanPool
from fpc.backends.tvm.kernels.softmax import Softmax
from fpc.backends.tvm.kernels.take import Take
from fpc.backends.tvm.kernels.transpose import Transpose
from fpc.backends.tvm.kernels.wide.table import WideKernel

AnyKernel: TypeAlias = Annotated[
    Convolution
    | Depthwise
    | DepthwiseColumns
    | Sum
    | Product
    | Extreme
    | Mean
    | MaxPool
    | MeanPool
    | Lookup
    | Softmax
    | Quantize
    | Dequantize
    | Concat
    | Take
    | Transpose
    | Bilinear
    | Copy
    | MatrixProduct
    | WideKernel,
    Field(discriminator="family"),
]
"""A kernel of some family, told by its name when it is read."""
