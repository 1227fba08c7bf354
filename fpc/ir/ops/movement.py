"""Operators that move values without changing them (resize by interpolation included)."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.op import Layout, Op, Quantisation, require
from fpc.ir.types import TensorType


@dataclass(frozen=True)
class _Movement(Op):
    quantisation: ClassVar[Quantisation] = Quantisation.SAME


@dataclass(frozen=True)
class Concat(_Movement):
    """Operands joined along `axis` (non-negative)."""

    mnemonic: ClassVar[str] = "concat"

    axis: int

    def infer(self, *xs: TensorType) -> TensorType:
        """The first operand with the extents along `axis` added up."""
        first = xs[0]
        require(0 <= self.axis < first.rank, f"axis {self.axis} outside {first}")

        def others(x: TensorType) -> tuple[int, ...]:
            return x.shape[: self.axis] + x.shape[self.axis + 1 :]

        for x in xs[1:]:
            require(
                x.rank == first.rank and others(x) == others(first) and x.dtype is first.dtype,
                f"cannot join {first} and {x} along axis {self.axis}",
            )
        extent = sum(x.shape[self.axis] for x in xs)
        return first.with_shape((*first.shape[: self.axis], extent, *first.shape[self.axis + 1 :]))


@dataclass(frozen=True)
class Split(_Movement):
    """x cut along `axis` (non-negative) into pieces of `sizes`."""

    mnemonic: ClassVar[str] = "split"

    axis: int
    sizes: tuple[int, ...]

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        """One type a piece."""
        require(0 <= self.axis < x.rank, f"axis {self.axis} outside {x}")
        require(
            sum(self.sizes) == x.shape[self.axis] and min(self.sizes, default=-1) >= 0,
            f"sizes {list(self.sizes)} do not add up to {x.shape[self.axis]}",
        )
        return tuple(
            x.with_shape((*x.shape[: self.axis], size, *x.shape[self.axis + 1 :]))
            for size in self.sizes
        )


@dataclass(frozen=True)
class Slice(_Movement):
    """x[starts:ends:steps] over every axis; 0 <= start <= end <= extent, steps positive."""

    mnemonic: ClassVar[str] = "slice"

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    steps: tuple[int, ...]

    def infer(self, x: TensorType) -> TensorType:
        """The extents of the box taken."""
        require(
            len(self.starts) == len(self.ends) == len(self.steps) == x.rank,
            f"slice bounds need one entry an axis of {x}",
        )
        for extent, start, end, step in zip(
            x.shape, self.starts, self.ends, self.steps, strict=True
        ):
            require(
                0 <= start <= end <= extent and step >= 1,
                f"slice {start}:{end}:{step} is not inside an extent of {extent}",
            )
        return x.with_shape(
            tuple(
                math.ceil((end - start) / step)
                for start, end, step in zip(self.starts, self.ends, self.steps, strict=True)
            )
        )


class PadMode(enum.Enum):
    """What padding is filled with."""

    CONSTANT = "constant"
    REFLECT = "reflect"
    EDGE = "edge"


@dataclass(frozen=True)
class Pad(_Movement):
    """x with `before` and `after` elements added to every axis, filled with the real `value`."""

    mnemonic: ClassVar[str] = "pad"

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float = 0.0
    mode: PadMode = PadMode.CONSTANT

    def infer(self, x: TensorType) -> TensorType:
        """x with its extents grown."""
        require(
            len(self.before) == len(self.after) == x.rank, f"pads need one entry an axis of {x}"
        )
        require(min((*self.before, *self.after), default=0) >= 0, "pads must not be negative")
        for extent, low, high in zip(x.shape, self.before, self.after, strict=True):
            require(
                max(low, high) <= self._reach(extent),
                f"{self.mode.value} padding by {max(low, high)} of an extent of {extent}",
            )
        return x.with_shape(
            tuple(
                low + extent + high
                for low, extent, high in zip(self.before, x.shape, self.after, strict=True)
            )
        )

    def _reach(self, extent: int) -> float:
        """The widest padding that an axis of `extent` elements can fill."""
        match self.mode:
            case PadMode.CONSTANT:
                return math.inf
            case PadMode.REFLECT:
                return max(0, extent - 1)
            case PadMode.EDGE:
                return math.inf if extent else 0


@dataclass(frozen=True)
class Reshape(_Movement):
    """The same elements in row-major order under another shape (no wildcards)."""

    mnemonic: ClassVar[str] = "reshape"

    shape: tuple[int, ...]

    def infer(self, x: TensorType) -> TensorType:
        """x under the new shape."""
        require(min(self.shape, default=0) >= 0, f"negative extent in {list(self.shape)}")
        require(
            math.prod(self.shape) == x.size,
            f"{x} has {x.size} elements, shape {list(self.shape)} has {math.prod(self.shape)}",
        )
        return x.with_shape(self.shape)


@dataclass(frozen=True)
class Transpose(_Movement):
    """Axis i of the result is axis permutation[i] of x."""

    mnemonic: ClassVar[str] = "transpose"

    permutation: tuple[int, ...]

    def infer(self, x: TensorType) -> TensorType:
        """x with its axes permuted."""
        require(
            sorted(self.permutation) == list(range(x.rank)),
            f"{list(self.permutation)} is not a permutation of the axes of {x}",
        )
        return x.with_shape(tuple(x.shape[axis] for axis in self.permutation))


class Interpolation(enum.Enum):
    """How resize computes values between samples."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


class Coordinates(enum.Enum):
    """How resize maps a result's coordinate i to the operand's (ONNX Resize, TFLite RESIZE_*).

    HALF_PIXEL (i + 0.5) * ratio - 0.5; ASYMMETRIC i * ratio; ALIGN_CORNERS
    i * (size - 1) / (result size - 1), with ratio = size / result size.
    """

    HALF_PIXEL = "half_pixel"
    ASYMMETRIC = "asymmetric"
    ALIGN_CORNERS = "align_corners"


class NearestRounding(enum.Enum):
    """How nearest interpolation rounds a coordinate."""

    FLOOR = "floor"
    CEIL = "ceil"
    HALF_DOWN = "half_down"
    HALF_UP = "half_up"


@dataclass(frozen=True)
class Resize(_Movement):
    """The feature map sampled at `size` (height, width); coordinates are clamped to the edges."""

    mnemonic: ClassVar[str] = "resize"

    size: tuple[int, int]
    interpolation: Interpolation = Interpolation.NEAREST
    coordinates: Coordinates = Coordinates.HALF_PIXEL
    rounding: NearestRounding = NearestRounding.FLOOR
    layout: Layout = Layout.NCHW

    def infer(self, x: TensorType) -> TensorType:
        """x with other spatial extents."""
        batch, channels, _, _ = self.layout.split(x.shape)
        require(min(self.size) >= 1, f"size {list(self.size)} must be positive")
        return x.with_shape(self.layout.shape(batch, channels, *self.size))


class DepthOrder(enum.Enum):
    """Which factor of the channel axis moves first (ONNX DepthToSpace modes)."""

    DCR = "dcr"
    CRD = "crd"


@dataclass(frozen=True)
class DepthToSpace(_Movement):
    """Channels rearranged into blocks of `block` x `block` pixels."""

    mnemonic: ClassVar[str] = "depth_to_space"

    block: int
    order: DepthOrder = DepthOrder.DCR
    layout: Layout = Layout.NCHW

    def infer(self, x: TensorType) -> TensorType:
        """x with block^2 times fewer channels and block times the height and width."""
        batch, channels, height, width = self.layout.split(x.shape)
        require(
            self.block >= 1 and channels % (self.block * self.block) == 0,
            f"{channels} channels cannot be cut into {self.block} x {self.block} blocks",
        )
        depth = channels // (self.block * self.block)
        return x.with_shape(
            self.layout.shape(batch, depth, height * self.block, width * self.block)
        )
