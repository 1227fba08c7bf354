"""How the data of a constant is written in IR text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fpc.ir.constant import Array, Constant
from fpc.ir.dtype import DType
from fpc.ir.literal import LiteralError, read_float, read_integer
from fpc.ir.types import TensorType

INLINE_ELEMENTS = 8
"""The greatest number of elements, or of scales of a quantisation, that the printer spells out."""

_MOST_RANDOM_ELEMENTS = 1 << 24


def print_constant(constant: Constant) -> str:
    """The elements of a small constant, the digest of a large one, `abstract` without data."""
    if constant.is_abstract:
        return "abstract"
    if is_spelt_out(constant.data):
        return f"[{', '.join(map(_element, constant.data.ravel()))}]"
    return f"@{constant.digest}"


def is_spelt_out(data: Array) -> bool:
    """Whether text shows the elements: few, and none a NaN, whose bits have no spelling."""
    return data.size <= INLINE_ELEMENTS and not np.isnan(data).any()


def _element(element: object) -> str:
    return str(element).lower()


class ConstantText(Protocol):
    """The data of a constant as written, before its type is known."""

    def build(self, type: TensorType, known: Mapping[str, Constant]) -> Constant:
        """The constant of `type`; `LiteralError` when the text does not fit it."""
        ...


@dataclass(frozen=True)
class Abstract:
    """`abstract`: no data."""

    def build(self, type: TensorType, known: Mapping[str, Constant]) -> Constant:
        """A constant of which only the type is known."""
        del type, known
        return Constant.abstract()


@dataclass(frozen=True)
class ByDigest:
    """`@digest`: data kept elsewhere."""

    digest: str

    def numbers(self, dtype: DType, known: Mapping[str, Constant]) -> list[float]:
        """The elements of a one-dimensional constant of `dtype` with this digest."""
        data = self._find(known).data
        if data.ndim != 1 or data.dtype != dtype.numpy:
            raise LiteralError(f"@{self.digest} does not hold a list of {dtype.value}")
        return data.tolist()

    def build(self, type: TensorType, known: Mapping[str, Constant]) -> Constant:
        """The constant with this digest, if it has the type's element type and shape."""
        constant = self._find(known)
        data = constant.data
        if data.shape != type.shape or data.dtype != type.dtype.numpy:
            held = TensorType(DType.of(data.dtype), data.shape)
            raise LiteralError(f"@{self.digest} holds {held}, not {type}")
        return constant

    def _find(self, known: Mapping[str, Constant]) -> Constant:
        if self.digest not in known:
            raise LiteralError(
                f"no constant with the digest @{self.digest} was given",
                "give the parser the constants the graph was printed with "
                "(fpc.ir.printer.graph_constants), or write `abstract` for shapes only",
            )
        return known[self.digest]


@dataclass(frozen=True)
class Elements:
    """`[1.0, 2.0]`: every element in row-major order."""

    texts: tuple[str, ...]

    def build(self, type: TensorType, known: Mapping[str, Constant]) -> Constant:
        """The elements under the type's shape."""
        del known
        if len(self.texts) != type.size:
            raise LiteralError(f"{len(self.texts)} elements for {type}, which holds {type.size}")
        numbers = [_read_element(text, type.dtype) for text in self.texts]
        with np.errstate(over="ignore"):
            return Constant(np.array(numbers, type.dtype.numpy).reshape(type.shape))


def _read_element(text: str, dtype: DType) -> float | bool:
    if dtype is DType.BOOL:
        element = {"true": True, "false": False}.get(text)
    elif dtype.is_float:
        element = read_float(text)
    else:
        element = read_integer(text)
        if element is not None and not dtype.minimum <= element <= dtype.maximum:
            element = None
    if element is None:
        raise LiteralError(f"`{text}` is not a value of type {dtype.value}")
    return element


@dataclass(frozen=True)
class Random:
    """`rand(seed=1)`: data for hand-written graphs, a function of the seed and the type alone.

    Without bounds floats are drawn from the standard normal distribution and integers uniformly
    from [-100, 100], unsigned ones from [0, 100]; with bounds both are uniform in [low, high).
    Booleans are even.
    """

    seed: int
    low: float | None = None
    high: float | None = None

    def build(self, type: TensorType, known: Mapping[str, Constant]) -> Constant:
        """The numbers drawn."""
        del known
        if type.size > _MOST_RANDOM_ELEMENTS:
            raise LiteralError(
                f"rand makes at most {_MOST_RANDOM_ELEMENTS} elements, not {type.size}"
            )
        if self.seed < 0 or (self.low is None) != (self.high is None):
            raise LiteralError("rand takes a natural seed, and `low` and `high` together")
        generator = np.random.default_rng(self.seed)
        if type.dtype is DType.BOOL:
            return Constant(generator.random(type.shape) < 0.5)
        low, high = self._bounds(type.dtype)
        if type.dtype.is_integer:
            drawn = generator.integers(math.ceil(low), math.ceil(high), type.shape)
        elif self.low is None:
            drawn = generator.standard_normal(type.shape)
        else:
            drawn = generator.uniform(low, high, type.shape)
        return Constant(np.asarray(drawn).astype(type.dtype.numpy))

    def _bounds(self, dtype: DType) -> tuple[float, float]:
        smallest, greatest = -1e30, 1e30
        if dtype.is_integer:
            smallest, greatest = max(dtype.minimum, -(1 << 53)), min(dtype.maximum + 1, 1 << 53)
        low = max(-100, smallest) if self.low is None else self.low
        high = 101 if self.high is None else self.high
        if not smallest <= low <= high - 1e-6 <= greatest:
            raise LiteralError(f"[{low}, {high}) is not a range of {dtype.value}")
        if dtype.is_integer and math.ceil(low) == math.ceil(high):
            raise LiteralError(f"no integer lies in [{low}, {high})")
        return low, high
