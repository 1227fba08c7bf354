"""Scales that are powers of two, and the shifts between them."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpc.diagnostics.errors import QuantError
from fpc.interp.call import Array
from fpc.ir.op import Activation
from fpc.ir.types import TensorType

Integers: TypeAlias = NDArray[np.int64]


def exponent(tensor: TensorType) -> int:
    """The e of a tensor's scale 2**e; `QuantError` for other scales and zero points."""
    quant = tensor.quantisation
    fraction, power = math.frexp(quant.scales[0])
    if fraction != 0.5 or not quant.is_symmetric or quant.axis is not None:
        raise QuantError(
            "not-power-of-two",
            f"{tensor} is not quantised by one power of two around zero",
            help="compile the float model for this target: it chooses such scales",
        )
    return power - 1


def shifted(values: Integers, places: int) -> Integers:
    """`values / 2**places` rounded to nearest, halves up; times 2**-places where that is a product.

    Adding half and shifting arithmetically, as an accelerator's output stage does.
    """
    if places <= 0:
        return values << -places
    return (values + (1 << (places - 1))) >> places


def saturated(
    values: Integers, result: TensorType, activation: Activation = Activation.NONE
) -> Array:
    """Integers limited to the result's type and to a fused clamp, whose bounds round half up."""
    low, high = activation.bounds
    scale = result.quantisation.scale
    minimum, maximum = result.dtype.minimum, result.dtype.maximum
    if low is not None:
        minimum = max(minimum, math.floor(low / scale + 0.5))
    if high is not None:
        maximum = min(maximum, math.floor(high / scale + 0.5))
    return np.clip(values, minimum, maximum).astype(result.dtype.numpy)
