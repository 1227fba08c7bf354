"""Single operators that several lowerings are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpc.backends.tflite.lowering.assembler import Operand
from fpc.backends.tflite.lowering.site import Site
from fpc.ir.op import Op

_LARGEST_SLICE_RANK = 5
_LARGEST_PAD_RANK = 5
_LARGEST_TRANSPOSE_RANK = 6


def reshape_to(site: Site[Op], x: Operand, y: Operand) -> None:
    """RESHAPE: let `y` be `x` under its own shape."""
    site.emit("RESHAPE", [x, site.integers("shape", y.type.shape)], [y], "ReshapeOptions")


def transpose_to(site: Site[Op], x: Operand, y: Operand, permutation: Sequence[int]) -> None:
    """TRANSPOSE: let `y` be `x` with its axes permuted."""
    _require_rank(site, "TRANSPOSE", x, _LARGEST_TRANSPOSE_RANK)
    axes = site.integers("permutation", list(permutation))
    site.emit("TRANSPOSE", [x, axes], [y], "TransposeOptions")


def cut_box(
    site: Site[Op], x: Operand, y: Operand, starts: Sequence[int], ends: Sequence[int]
) -> None:
    """STRIDED_SLICE: let `y` be the elements of `x` from `starts` up to `ends`."""
    _require_rank(site, "STRIDED_SLICE", x, _LARGEST_SLICE_RANK)
    bounds = [
        site.integers("begin", list(starts)),
        site.integers("end", list(ends)),
        site.integers("strides", [1] * x.type.rank),
    ]
    site.emit("STRIDED_SLICE", [x, *bounds], [y], "StridedSliceOptions")


def pad_with_zeros(
    site: Site[Op], x: Operand, widths: Sequence[tuple[int, int]], y: Operand | None = None
) -> Operand:
    """PAD: `x` with zeros (its zero point, when quantised) before and after every axis."""
    _require_rank(site, "PAD", x, _LARGEST_PAD_RANK)
    y = y or site.intermediate("pad", x.type.with_shape(padded_shape(x, widths)))
    site.emit("PAD", [x, paddings(site, widths)], [y], "PadOptions")
    return y


def pad_with(
    site: Site[Op], x: Operand, widths: Sequence[tuple[int, int]], fill: Operand, y: Operand
) -> None:
    """PADV2: let `y` be `x` with the scalar `fill` before and after every axis."""
    _require_rank(site, "PADV2", x, _LARGEST_PAD_RANK)
    site.emit("PADV2", [x, paddings(site, widths), fill], [y], "PadV2Options")


def paddings(site: Site[Op], widths: Sequence[tuple[int, int]]) -> Operand:
    """The operand that says how much is added before and after every axis."""
    return site.integers("paddings", list(widths))


def padded_shape(x: Operand, widths: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The shape of `x` with `widths` added."""
    return tuple(
        before + extent + after
        for extent, (before, after) in zip(x.type.shape, widths, strict=True)
    )


def constant_like(site: Site[Op], x: Operand, value: float) -> Operand:
    """A scalar standing for the real `value` in the type of `x`."""
    quant, dtype = x.type.quant, x.type.dtype
    if quant is None:
        return site.constant("value", np.array(value, dtype.numpy))
    nearest = quant.zero_point + round(value / quant.scale)
    stored = min(max(nearest, dtype.minimum), dtype.maximum)
    return site.constant("value", np.array(stored, dtype.numpy), quant)


def _require_rank(site: Site[Op], code: str, x: Operand, largest: int) -> None:
    if x.type.rank > largest:
        raise site.unsupported(
            f"{code} takes ranks up to {largest}", "merge axes with a reshape before and after"
        )
