"""Element types of tensors."""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import DTypeLike


class DType(enum.Enum):
    """An element type; the value is its spelling in IR text."""

    F32 = "f32"
    F16 = "f16"
    I8 = "i8"
    U8 = "u8"
    I16 = "i16"
    I32 = "i32"
    I64 = "i64"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The numpy element type that holds values of this type."""
        return np.dtype(_NUMPY_NAMES[self.value])

    @property
    def is_float(self) -> bool:
        """Whether values are floating-point numbers."""
        return self in (DType.F32, DType.F16)

    @property
    def is_integer(self) -> bool:
        """Whether values are integers (booleans are not)."""
        return not self.is_float and self is not DType.BOOL

    @property
    def bits(self) -> int:
        """Width in bits as stored."""
        return self.numpy.itemsize * 8

    @property
    def minimum(self) -> int:
        """The smallest integer; only for integer types."""
        return 0 if self is DType.U8 else -(1 << (self.bits - 1))

    @property
    def maximum(self) -> int:
        """The largest integer; only for integer types."""
        return (1 << (self.bits - (self is not DType.U8))) - 1

    @classmethod
    def of(cls, dtype: DTypeLike) -> DType:
        """The IR type of a numpy dtype; KeyError for types the IR does not have."""
        return _BY_NUMPY_NAME[np.dtype(dtype).name]


_NUMPY_NAMES = {
    "f32": "float32",
    "f16": "float16",
    "i8": "int8",
    "u8": "uint8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "bool": "bool",
}
_BY_NUMPY_NAME = {name: DType(text) for text, name in _NUMPY_NAMES.items()}
