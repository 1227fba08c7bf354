"""Every kernel family."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from fpc.backends.tvm.kernels.convolution import Convolution
from fpc.backends.tvm.kernels.copy import Copy
from fpc.backends.tvm.kernels.depthwise import Depthwise
from fpc.backends.tvm.kernels.elementwise import Product, Sum
from fpc.backends.tvm.kernels.mean import Mean

AnyKernel: TypeAlias = Annotated[
    Convolution | Depthwise | Sum | Product | Mean | Copy, Field(discriminator="family")
]
"""A kernel of some family, told by its name when it is read."""
