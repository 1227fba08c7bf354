"""The end of every kernel that sums products: bias, scale, clamp, rounding, zero point, addition.

The arithmetic is that of the numerics `tflite-xnnpack`: the int32 sum is rounded to float32, scaled
in float32, clamped, and rounded to the nearest integer, halves to even.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpc.backends.tvm.buffer import Buffer, Parameter, round_up
from fpc.backends.tvm.isa.description import Isa, Narrowing, Rounding
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

_LARGEST_REAL = 2.0**21
"""Numbers below it are rounded right by an addition without being clamped first."""

_LARGEST_STEPS = 2.0**14
"""Numbers below it leave 16 bits room for a zero point."""


@dataclass(frozen=True)
class Epilogue:
    """A requantisation's parameters as expressions read them, and its result's storage.

    Where it `saturates`, the result's range is that of its type, and no sum is so great that it
    could not be rounded, and get its zero point, before it is clamped. With a `residual` the result
    is the sum of that and of what is requantised.
    """

    bias: Tensor
    scale: Tensor
    limits: Tensor
    stored: Buffer
    saturates: bool
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
        rounding: Rounding | None = None,
        residual: Buffer | None = None,
    ) -> Epilogue:
        """The requantisation of so many channels, its parameters as arguments of a function."""
        bias = library.parameter(Parameter(DType.I32, (channels,)), "bias")
        scale = library.parameter(Parameter(DType.F32, (channels,)), "scale")
        limits = library.parameter(LIMITS, "limits")
        added = None if residual is None else Residual.of(library, residual)
        return cls(bias, scale, limits, stored, saturates, rounding, added)

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
            return library.cast(total(row, channel), DType.F32) * self.scale[channel]

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
            clamped = library.maximum(library.minimum(steps, limits[2]), limits[1])
            steps, limits = self.residual.added(library, clamped, *place), self.residual.limits
        narrow = library.narrow(steps, DType.I32, DType.I16)
        zero_point, low, high = (library.cast(limit, DType.I16) for limit in limits)
        if self.saturates:
            return library.narrow(narrow + zero_point, DType.I16, self.stored.dtype)
        clamped = library.maximum(library.minimum(narrow, high), low)
        return library.cast(clamped + zero_point, self.stored.dtype)

    def _clamped(self, library: Library, real: Expression, *place: Expression) -> Expression:
        """The stored result for a scaled sum."""
        low, high = (library.cast(self.limits[i], DType.F32) for i in (1, 2))
        if self.residual is not None:
            steps = library.nearest(library.maximum(library.minimum(real, high), low))
            return self._clamped_sum(library, self.residual, steps, *place)
        if self.saturates:
            # The clamp also keeps LLVM from fusing the product into the addition that rounds.
            steps = library.nearest(library.maximum(real, low)) + self.limits[0]
            return library.saturated(steps, self.stored.dtype)
        clamped = library.maximum(library.minimum(real, high), low)
        return library.cast(library.nearest(clamped) + self.limits[0], self.stored.dtype)

    def _clamped_sum(
        self, library: Library, residual: Residual, steps: Expression, *place: Expression
    ) -> Expression:
        """The stored result for requantised sums that something is added to."""
        zero_point, low, high = residual.limits
        least = library.maximum(residual.added(library, steps, *place), low)
        if self.saturates:
            return library.saturated(least + zero_point, self.stored.dtype)
        return library.cast(library.minimum(least, high) + zero_point, self.stored.dtype)


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


def narrowing_of(isa: Isa, positions: int, vectors: int) -> Narrowing | None:
    """The instructions that may end a tile of so many positions and vectors of units, if any do."""
    fitting = (
        each
        for each in isa.narrowings
        if positions % each.positions == 0 and vectors * isa.lanes % each.channels == 0
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
