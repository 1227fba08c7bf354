"""Real factors in fixed point of 16 significant bits."""

from __future__ import annotations

from typing import Any

from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.fixed_point import QuantizedMultiplier
from fpc.ir.constant import Array


def shift_of(site: Site[Any], multiplier: QuantizedMultiplier) -> Array:
    """By how many bits sums times reduced multipliers are shifted to the right, at least one.

    `UnsupportedOpError` for factors that would take fewer.
    """
    shift = 15 - multiplier.exponent
    if int(shift.min(initial=1)) < 1:
        raise site.unsupported(
            "its operands' scales are more than 2**14 times its result's",
            "calibrate with samples that are typical of the model's inputs",
        )
    return shift
