"""The end of every kernel that sums products: bias, scale, clamp, rounding, zero point, addition.

The arithmetic is that of the numerics `tflite-xnnpack`: the int32 sum is rounded to float32, scaled
in float32, clamped, and rounded to the nearest integer, halves to even.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpc.backends.tvm.buffer import Buffer, Parameter, round_up
from fpc.backends.tvm.isa.description import Isa, Narrowing, Rounding, SumEnd
from fpc.backends.tvm.kernels.residual import Residual
from fpc.backends.tvm.library import (
    Block,
    Expression,
    Library,
    Loop,
    Schedule,
    Tensor,
    hide_read,
)
from fpc.interp.integer.rescale import activation_range
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.op import Activation
from fpc.ir.types import TensorType

LIMITS = Parameter(DType.I32, (4,))
"""The result's zero point, its least and greatest integer less the zero point, and what padding of
the operand holds; zero points as stored."""

TOTALS = "totals"
"""The block of a kernel that sums products."""

STEPS = "steps"
"""The block of a kernel that rounds sums, where an instruction does."""

_RECTIFIED_SUMS = (-(2.0**30), 2.0**23)
_RECTIFIED_START = 0x4B000000
"""The bits of the float32 2**23. A sum that starts from them has, if it is not below zero, the bits
of 2**23 plus the sum. That times the scale, less 2**23 times the scale, is rounded once, as the
product would be. What is below zero comes out below zero."""

_LARGEST_REAL = 2.0**21
"""Numbers below it are rounded right by an addition without being clamped first."""

_LARGEST_STEPS = 2.0**14
"""Numbers below it leave 16 bits room for a zero point."""


@dataclass(frozen=True)
class Epilogue:
    """A requantisation's parameters as expressions read them, and its result's storage.

    Where it `saturates`, the result's range is that of its type, and no sum is so great that it
    could not be rounded, and get its zero point, before it is clamped. Where it `rectifies`, that
    is the least of the type, too, and bias and scales are as `rectifying` makes them. With a
    `residual` the result is the sum of that and of what is requantised; where that saturates, its
    numbers have the zero point in the addend.
    """

    bias: Tensor
    scale: Tensor
    limits: Tensor
    stored: Buffer
    saturates: bool
    rectifies: bool = False
    rounding: Rounding | None = None
    residual: Residual | None = None

    @classmethod
    def of(
        cls,
        library: Library,
        stored: Buffer,
        channels: int,
        *,
        saturates: bool,
        rectifies: bool = False,
        rounding: Rounding | None = None,
        residual: Buffer | None = None,
    ) -> Epilogue:
        """The requantisation of so many channels, its parameters as arguments of a function."""
        bias = library.parameter(Parameter(DType.I32, (channels,)), "bias")
        shape = (2, channels) if rectifies else (channels,)
        scale = library.parameter(Parameter(DType.F32, shape), "scale")
        limits = library.parameter(LIMITS, "limits")
        added = None if residual is None else Residual.of(library, residual)
        return cls(bias, scale, limits, stored, saturates, rectifies, rounding, added)

    def arguments(self, x: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        """All arguments of a function of `x`, in order."""
        parameters = (weights, self.bias, self.scale, self.limits)
        if self.residual is None:
            return x, *parameters
        return x, self.residual.x, *parameters, self.residual.numbers

    @property
    def padding(self) -> Expression:
        """What padding of the operand holds."""
        return self.limits[3]

    def schedule(
        self, library: Library, x: Tensor, weights: Tensor, totals: Tensor, lanes: int
    ) -> Schedule:
        """The function of `x` and the parameters that ends in requantised `totals`.

        `totals` is [line, position, channel] of sums of products, or by vectors of `lanes` channels
        [line, vector, position, lane]. The block `TOTALS`, which sums them, starts from the bias.
        """
        is_split, positions = len(totals.shape) == 4, int(totals.shape[-2])

        def with_bias(*index: Expression) -> Expression:
            channel = index[1] * lanes + index[3] if is_split else index[2]
            return totals[index] + self.bias[channel]

        def total(row: Expression, channel: Expression) -> Expression:
            line, position = row // positions, row % positions
            if is_split:
                return sums[line, channel // lanes, position, channel % lanes]
            return sums[line, position, channel]

        sums = library.compute(totals.shape, with_bias, "sums")
        result = self._result(library, total)
        schedule = library.schedule([*self.arguments(x, weights), result])
        schedule.fuse_reduction_epilogue(TOTALS, "sums")
        return schedule

    def schedule_of_sums(
        self, library: Library, x: Tensor, weights: Tensor, sums: Tensor
    ) -> Schedule:
        """The same for `sums` [line, position, channel] that something else has folded."""
        positions = int(sums.shape[1])

        def total(row: Expression, channel: Expression) -> Expression:
            return sums[row // positions, row % positions, channel] + self.bias[channel]

        return library.schedule([*self.arguments(x, weights), self._result(library, total)])

    def _result(
        self, library: Library, total: Callable[[Expression, Expression], Expression]
    ) -> Tensor:
        """The stored result for the sums at a row and channel."""
        shape, rounding = self.stored.shape, self.rounding

        def real(row: Expression, channel: Expression) -> Expression:
            sum_ = total(row, channel)
            if self.rectifies:
                return library.fused(
                    library.float32_of_bits(sum_), self.scale[0, channel], self.scale[1, channel]
                )
            return library.cast(sum_, DType.F32) * self.scale[channel]

        def finished(*place: Expression) -> Expression:
            return self._clamped(library, real(*place), *place)

        if rounding is None:
            return library.compute(shape, finished, "result")
        steps = library.compute(
            shape, lambda *place: library.nearest_by(rounding.instruction, real(*place)), STEPS
        )
        return library.compute(
            shape, lambda *place: self._narrow(library, steps[place], *place), "result"
        )

    def _narrow(self, library: Library, steps: Expression, *place: Expression) -> Expression:
        """The stored result for rounded numbers; they are clamped last, as limits are integers."""
        limits = [self.limits[i] for i in range(3)]
        if self.residual is not None:
            clamped = library.clamped(steps, limits[1], limits[2])
            steps, limits = self.residual.added(library, clamped, *place), self.residual.limits
        narrow = library.narrow(steps, DType.I32, DType.I16)
        zero_point, low, high = (library.cast(limit, DType.I16) for limit in limits)
        if self.saturates:
            return library.narrow(narrow + zero_point, DType.I16, self.stored.dtype)
        clamped = library.clamped(narrow, low, high)
        return library.cast(clamped + zero_point, self.stored.dtype)

    def _clamped(self, library: Library, real: Expression, *place: Expression) -> Expression:
        """The stored result for a scaled sum."""
        if self.rectifies:
            least = library.maximum(real, library.constant(0.0, DType.F32))
            return library.saturated(library.nearest(least), self.stored.dtype)
        low, high = (library.cast(self.limits[i], DType.F32) for i in (1, 2))
        if self.residual is not None:
            steps = library.nearest(library.clamped(real, low, high))
            return self._clamped_sum(library, self.residual, steps, *place)
        if self.saturates:
            # The clamp also keeps LLVM from fusing the product into the addition that rounds.
            steps = library.nearest(library.maximum(real, low)) + self.limits[0]
            return library.saturated(steps, self.stored.dtype)
        clamped = library.clamped(real, low, high)
        return library.cast(library.nearest(clamped) + self.limits[0], self.stored.dtype)

    def _clamped_sum(
        self, library: Library, residual: Residual, steps: Expression, *place: Expression
    ) -> Expression:
        """The stored result for requantised sums that something is added to."""
        total = residual.added(library, steps, *place)
        if self.saturates:
            return library.saturated(
                library.maximum(total, library.i32(self.stored.dtype.minimum)), self.stored.dtype
            )
        zero_point, low, high = residual.limits
        clamped = library.minimum(library.maximum(total, low), high)
        return library.cast(clamped + zero_point, self.stored.dtype)


def round_in_vectors(schedule: Schedule, isa: Isa, loop: Loop) -> None:
    """Let sums be rounded where `loop` has computed them, if they are by an instruction."""
    if isa.rounding is None:
        return
    steps = schedule.get_sblock(STEPS)
    schedule.compute_at(steps, loop, preserve_unit_loops=True)
    *_, position, channel = schedule.get_loops(steps)
    vector, lane = schedule.split(channel, [None, isa.rounding.lanes])
    schedule.vectorize(lane)
    schedule.unroll(vector)
    schedule.unroll(position)


def sum_end(*, saturates: bool, rectifies: bool = False, adds: bool = False) -> SumEnd | None:
    """What instructions are to end a kernel's sums, unless their result has a range of its own."""
    if not saturates:
        return None
    return "add" if adds else "rectify" if rectifies else "clamp"


def narrowing_of(isa: Isa, end: SumEnd | None, positions: int, vectors: int) -> Narrowing | None:
    """The instructions that may end a tile of so many positions and vectors of units, if any do."""
    fitting = (
        each
        for each in isa.narrowings
        if each.end == end
        and positions % each.positions == 0
        and vectors * isa.lanes % each.channels == 0
    )
    return next(fitting, None)


def narrow_in_tiles(
    library: Library, schedule: Schedule, narrowing: Narrowing, position: Loop, channel: Loop
) -> None:
    """Let the innermost loops of `result`, over positions and channels, be a narrowing's."""
    outer, rows = schedule.split(position, [None, narrowing.positions])
    across, lanes = schedule.split(channel, [None, narrowing.channels])
    schedule.reorder(outer, across, rows, lanes)
    library.register_intrinsic(narrowing.intrinsic)
    # A block over a single position would have one axis less than the instruction.
    schedule.tensorize(rows if narrowing.positions > 1 else lanes, narrowing.intrinsic.name)
    schedule.unroll(outer)
    schedule.unroll(across)


def start_from_bias(schedule: Schedule, reduction: Block, loop: Loop) -> Block:
    """Part the start of the sums from their steps, before `loop`; the start."""
    start = schedule.decompose_reduction(reduction, loop)
    # The steps are still said to read the bias, which would keep them from being an instruction.
    hide_read(schedule, reduction, "bias")
    return start


def limits_of(
    result: TensorType, activation: Activation, stored: Buffer, padding: int = 0
) -> Array:
    """The parameter `LIMITS`; `padding` is what padding of the operand holds."""
    span = activation_range(result, activation, Numerics.TFLITE_XNNPACK)
    zero_point = result.quantisation.zero_point
    values = (
        zero_point + stored.offset,
        span.minimum - zero_point,
        span.maximum - zero_point,
        padding,
    )
    return np.array(values, np.int32)


def padded_channels(values: Array, lanes: int) -> Array:
    """Values [..., channel], zeros added to whole vectors of channels."""
    channels = values.shape[-1]
    whole = [(0, 0)] * (values.ndim - 1)
    return np.pad(values, [*whole, (0, round_up(channels, lanes) - channels)])


def saturates(isa: Isa, stored: Buffer, limits: tuple[int, int, int], greatest: float) -> bool:
    """Whether a result may be clamped last: see `Epilogue`.

    `limits` are its zero point as stored, its least and greatest integer less that; `greatest`
    bounds the magnitude of what is clamped, less the zero point.
    """
    zero_point, low, high = limits
    dtype = stored.dtype
    whole = (low + zero_point, high + zero_point) == (dtype.minimum, dtype.maximum)
    return whole and greatest < (_LARGEST_REAL if isa.rounding is None else _LARGEST_STEPS)


def may_be_rectified(isa: Isa, stored: Buffer, zero_point: int, sums: tuple[float, float]) -> bool:
    """Whether a result that `saturates` has nothing below its zero point: see `Epilogue`.

    The zero point is as stored; `sums` is the least and the greatest one.
    """
    has_end = any(each.end == "rectify" for each in isa.narrowings)
    (least, greatest), (low, high) = sums, _RECTIFIED_SUMS
    return has_end and zero_point == stored.dtype.minimum and low < least and greatest < high


def rectifying(bias: Array, scales: Array) -> tuple[Array, Array]:
    """The parameters of an epilogue that `rectifies`, for the bias and the scales [channel]."""
    start = (bias.astype(np.int64) + _RECTIFIED_START).astype(np.int32)
    return start, np.stack([scales, scales * np.float32(-(2.0**23))])
