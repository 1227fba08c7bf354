"""Tensor types: element type, static shape and quantisation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from fpc.diagnostics.errors import VerifyError
from fpc.ir.dtype import DType


@dataclass(frozen=True, slots=True)
class QuantParams:
    """An affine quantisation: real = scale * (integer - zero_point).

    One scale and zero point for the whole tensor (`axis` is None), or one for every index along
    `axis` (per-axis, used for weights and biases). Scales are held as the nearest float32 values,
    because that is what every back end stores and what integer semantics are derived from.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None

    def __post_init__(self) -> None:
        if len(self.scales) != len(self.zero_points) or not self.scales:
            raise VerifyError("quant-params", "scales and zero points differ in number")
        if self.axis is None and len(self.scales) != 1:
            raise VerifyError("quant-params", "per-tensor quantisation takes exactly one scale")
        if not (min(self.scales) > 0.0 and math.isfinite(sum(self.scales))):
            raise VerifyError("quant-params", "scales must be positive and finite")

    @classmethod
    def per_tensor(cls, scale: float, zero_point: int = 0) -> Self:
        """One scale (rounded to float32) and zero point for the whole tensor."""
        return cls((float(np.float32(scale)),), (int(zero_point),))

    @classmethod
    def per_axis(cls, scales: tuple[float, ...], axis: int) -> Self:
        """Symmetric quantisation with one scale (rounded to float32) an index of `axis`."""
        rounded: list[float] = np.asarray(scales, np.float32).tolist()
        return cls(tuple(rounded), (0,) * len(rounded), axis)

    @property
    def scale(self) -> float:
        """The scale of a per-tensor quantisation."""
        self._require_per_tensor()
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a per-tensor quantisation."""
        self._require_per_tensor()
        return self.zero_points[0]

    @property
    def is_symmetric(self) -> bool:
        """Whether every zero point is 0."""
        return not any(self.zero_points)

    def with_axis(self, axis: int | None) -> Self:
        """The same scales along another axis."""
        return replace(self, axis=axis)

    def _require_per_tensor(self) -> None:
        if self.axis is not None:
            raise VerifyError("quant-params", "a per-axis quantisation has no single scale")


@dataclass(frozen=True, slots=True)
class TensorType:
    """What a value is: element type, static shape, and how integers stand for reals.

    Quantisation is part of the type: a conv2d whose operand and result types are quantised int8
    has exact integer meaning, and changing the quantisation of a graph is retyping it.
    """

    dtype: DType
    shape: tuple[int, ...]
    quant: QuantParams | None = None

    def __post_init__(self) -> None:
        if any(extent < 0 for extent in self.shape):
            raise VerifyError("shape", f"negative extent in shape {list(self.shape)}")
        quant = self.quant
        if quant is None:
            return
        if not self.dtype.is_integer:
            raise VerifyError("quant-params", f"{self.dtype.value} values cannot be quantised")
        if quant.axis is not None:
            if not 0 <= quant.axis < self.rank:
                raise VerifyError("quant-params", f"axis {quant.axis} outside rank {self.rank}")
            if len(quant.scales) != self.shape[quant.axis]:
                raise VerifyError(
                    "quant-params",
                    f"{len(quant.scales)} scales for {self.shape[quant.axis]} indices of axis "
                    f"{quant.axis}",
                )

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def is_quantised(self) -> bool:
        """Whether the integers of this type stand for reals."""
        return self.quant is not None

    @property
    def quantisation(self) -> QuantParams:
        """The quantisation; `VerifyError` when the type has none."""
        if self.quant is None:
            raise VerifyError("quant-params", f"type {self} has no quantisation")
        return self.quant

    def with_shape(self, shape: tuple[int, ...]) -> Self:
        """This type with another shape."""
        return replace(self, shape=shape)

    def with_dtype(self, dtype: DType) -> Self:
        """This type with another element type and no quantisation."""
        return replace(self, dtype=dtype, quant=None)

    def with_quant(self, quant: QuantParams | None) -> Self:
        """This type with another quantisation."""
        return replace(self, quant=quant)

    def __str__(self) -> str:
        return f"{self.dtype.value}[{','.join(map(str, self.shape))}]"


def f32(*shape: int) -> TensorType:
    """The float32 type of `shape`."""
    return TensorType(DType.F32, shape)
