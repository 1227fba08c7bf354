"""How tensors lie in memory between kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.types import TensorType


@dataclass(frozen=True)
class Buffer:
    """A tensor as a matrix: the last axis along the columns, all others together along the rows.

    The tensor's elements are `width` columns from `first` on; the other columns pad a row to whole
    vectors, or belong to a tensor that this one is a part of, and hold anything. An element is the
    integer it stands for plus `offset`: instructions that multiply unsigned by signed bytes want
    activations in [0, 255].
    """

    dtype: DType
    rows: int
    width: int
    columns: int
    offset: int = 0
    first: int = 0

    @classmethod
    def plain(cls, tensor: TensorType) -> Self:
        """`tensor` as users see it: dense, in row-major order."""
        width = tensor.shape[-1] if tensor.shape else 1
        return cls(tensor.dtype, math.prod(tensor.shape[:-1]), width, width)

    @property
    def dtype_name(self) -> str:
        """The name of the element type."""
        return self.dtype.numpy.name

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    def part(self, start: int, width: int) -> Self:
        """Neighbouring columns of this tensor, where they are."""
        return replace(self, first=self.first + start, width=width)

    def stored(self, integers: Array) -> Array:
        """`integers` as they lie in memory, the padding zero."""
        matrix = np.zeros(self.shape, self.dtype.numpy)
        matrix[:, self.own] = self.elements(integers).reshape(self.rows, self.width)
        return matrix

    @property
    def own(self) -> slice:
        """The columns that hold the tensor's elements."""
        return slice(self.first, self.first + self.width)

    def elements(self, integers: Array) -> Array:
        """`integers` as elements, in their own shape."""
        if self.offset == 0:
            return integers
        return (integers.astype(np.int64) + self.offset).astype(self.dtype.numpy)


@dataclass(frozen=True)
class Parameter:
    """The element type and shape of constants that a kernel is given."""

    dtype: DType
    shape: tuple[int, ...]

    @classmethod
    def of(cls, array: Array) -> Self:
        """What `array` is."""
        return cls(DType.of(array.dtype), array.shape)

    @property
    def dtype_name(self) -> str:
        """The name of the element type."""
        return self.dtype.numpy.name


def round_up(extent: int, multiple: int) -> int:
    """The least multiple that is not below `extent`."""
    return -(-extent // multiple) * multiple
