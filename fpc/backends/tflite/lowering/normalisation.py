"""Normalisations."""

from __future__ import annotations

import numpy as np

from fpc.backends.tflite.lowering.site import Site
from fpc.ir.ops import BatchNorm, LocalResponseNorm


def batch_norm(site: Site[BatchNorm]) -> None:
    """`BatchNorm` as MUL and ADD of constants, its factors computed in float64."""
    if site.is_quantised:
        raise site.unsupported(
            "batch normalisation has no integer kernel", "fold it into a convolution"
        )
    x, op = site.operand(), site.op
    scale, bias, mean, variance = (
        site.array(index, "statistics").astype(np.float64) for index in range(1, 5)
    )
    factor = scale / np.sqrt(variance + op.epsilon)
    shape = [1] * x.type.rank
    shape[op.axis] = -1
    scaled = site.intermediate("scaled", x.type)
    factors = site.constant("factor", factor.astype(np.float32).reshape(shape))
    offsets = site.constant("offset", (bias - mean * factor).astype(np.float32).reshape(shape))
    site.emit("MUL", [x, factors], [scaled], "MulOptions")
    site.emit("ADD", [scaled, offsets], table="AddOptions")


def local_response_norm(site: Site[LocalResponseNorm]) -> None:
    """`LocalResponseNorm`; TFLite's alpha weighs the sum of squares, not their mean."""
    op = site.op
    if op.size % 2 == 0:
        raise site.unsupported(
            f"its window of {op.size} channels is even, TFLite's reach equally far both ways",
            "use an odd window",
        )
    if site.is_quantised:
        raise site.unsupported(
            "LOCAL_RESPONSE_NORMALIZATION has no integer kernel", "keep the node in float"
        )
    fields = {
        "radius": op.size // 2,
        "bias": op.bias,
        "alpha": op.alpha / op.size,
        "beta": op.beta,
    }
    site.emit(
        "LOCAL_RESPONSE_NORMALIZATION",
        [site.operand()],
        table="LocalResponseNormalizationOptions",
        fields=fields,
    )
