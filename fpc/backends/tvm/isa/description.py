"""What kernels know of an instruction set."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

import numpy as np

from fpc.backends.tvm.buffer import round_up
from fpc.backends.tvm.library import Expression
from fpc.ir.constant import Array
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class Intrinsic:
    """An instruction as TVM takes it: what it computes and how it is called, in TVMScript."""

    name: str
    description: str
    implementation: str

    @classmethod
    def framed(cls, name: str, frame: str, description: str, implementation: str) -> Self:
        """`frame` is the text of both functions, without their {name} and their {body}."""
        bodies = {"description": description, "implementation": implementation}
        return cls(name, *(frame.format(name=of, body=body) for of, body in bodies.items()))


@dataclass(frozen=True)
class DotProduct:
    """One step of a matrix product: for each of `lanes` units, the sum of `depth` products.

    A tile of weights has the shape `tile`; `axes` says which of its axes count units (0) and which
    terms (1), outermost first. Without an intrinsic LLVM chooses the instructions.

    With a `fold` the intrinsic is for one unit only, whose sum it keeps in `partials` parts: term t
    belongs to part t // 2 % partials. The fold adds up the parts of as many units.

    Activations are widened to the type `terms` before, where one is named. On a simple machine that
    loads two vectors a cycle the step takes `cycles`, the next one that adds to the same sums waits
    for `latency` cycles, and weights take `widening` cycles after they are loaded.
    """

    lanes: int
    depth: int
    tile: tuple[int, ...]
    axes: tuple[int, ...]
    intrinsic: Intrinsic | None = None
    partials: int = 1
    fold: Intrinsic | None = None
    terms: DType | None = None
    cycles: float = 0.5
    latency: float = 5.0
    widening: float = 0.0

    def index(self, unit: Expression, term: Expression) -> tuple[Expression, ...]:
        """Where in a tile the weight of a unit and a term lies."""
        places: list[Expression] = []
        inner = [1, 1]
        for extent, axis in zip(reversed(self.tile), reversed(self.axes), strict=True):
            places.append((unit, term)[axis] // inner[axis] % extent)
            inner[axis] *= extent
        return tuple(reversed(places))

    def term_of_part(self, number: Expression, part: Expression) -> Expression:
        """The `number`-th term that belongs to a part of a sum."""
        return number // 2 * (2 * self.partials) + part * 2 + number % 2

    def pack(self, weights: Array) -> Array:
        """Weights [units, taps, terms] as [blocks of units, taps x blocks of terms, *tile].

        Units and terms are padded with zeros to whole tiles.
        """
        units, taps, terms = weights.shape
        padded = np.zeros(
            (round_up(units, self.lanes), taps, round_up(terms, self.depth)), weights.dtype
        )
        padded[:units, :, :terms] = weights
        split = [
            [n for n, axis in zip(self.tile, self.axes, strict=True) if axis == which]
            for which in (0, 1)
        ]
        blocks = padded.reshape(-1, *split[0], taps, padded.shape[2] // self.depth, *split[1])
        of_units = iter(range(1, 1 + len(split[0])))
        of_terms = iter(range(3 + len(split[0]), blocks.ndim))
        order = [next((of_units, of_terms)[axis]) for axis in self.axes]
        taps_axis = 1 + len(split[0])
        packed = blocks.transpose(0, taps_axis, taps_axis + 1, *order)
        return np.ascontiguousarray(packed.reshape(packed.shape[0], -1, *self.tile))


@dataclass(frozen=True)
class ColumnDot:
    """One step of a depthwise filter: for each of `lanes` channels, the sum over `columns` pixels.

    The pixels lie one behind the other, [columns, lanes]; the weights as [lanes, columns].
    """

    lanes: int
    columns: int
    intrinsic: Intrinsic


@dataclass(frozen=True)
class ByteLookup:
    """Entries of a table for so many unsigned bytes at a time.

    `entries` is an expression of TVMScript: the entries of `table` [1, 256] for the vector {bytes}
    of `elements`. TVM recognises no instruction by its table.
    """

    elements: int
    entries: str

    def function(self, rows: int, columns: int) -> str:
        """TVMScript that writes the entries for `x` to `result`, no fewer bytes than `elements`.

        Bytes are taken in vectors across the ends of rows; the last vector overlaps the one before.
        """
        count = rows * columns
        first = f"T.min(at * {self.elements}, {count - self.elements})"
        return _LOOKUP.format(
            rows=rows,
            columns=columns,
            count=count,
            blocks=-(-count // self.elements),
            first=first,
            elements=self.elements,
            entries=self.entries.format(
                bytes=f'given.vload([{first}], dtype="uint8x{self.elements}")'
            ),
        )


_LOOKUP = """
@T.prim_func(s_tir=True)
def main(
    x: T.Buffer(({rows}, {columns}), "uint8"),
    table: T.Buffer((1, 256), "uint8"),
    result: T.Buffer(({rows}, {columns}), "uint8"),
) -> None:
    T.func_attr({{"tirx.noalias": True}})
    given = T.decl_buffer(({count},), "uint8", data=x.data)
    found = T.decl_buffer(({count},), "uint8", data=result.data)
    for block in T.serial(0, {blocks}):
        with T.sblock("result"):
            at = T.axis.remap("S", [block])
            T.reads(given[{first}:{first} + {elements}], table[0, 0:256])
            T.writes(found[{first}:{first} + {elements}])
            found[T.ramp({first}, 1, {elements})] = {entries}
"""


@dataclass(frozen=True)
class Rounding:
    """An instruction, by LLVM's name, that makes any float32 the nearest int32, halves to even.

    LLVM takes it for vectors of `lanes` only.
    """

    instruction: str
    lanes: int


SumEnd: TypeAlias = Literal["clamp", "rectify", "add"]
"""What becomes of scaled sums: they get a zero point, or none, or they are added to a tensor."""


@dataclass(frozen=True)
class Narrowing:
    """The end of sums whose results have the whole range of a byte: `positions` times `channels`.

    The intrinsic is given the sums, their scales and what else the `end` of the requantisation
    reads. It takes so many `instructions` for a vector of sums.
    """

    positions: int
    channels: int
    intrinsic: Intrinsic
    end: SumEnd
    instructions: float


@dataclass(frozen=True)
class Isa:
    """An instruction set.

    `target` is TVM's description of it, `features` what the processor must have (names of Linux's
    /proc/cpuinfo), `machine` the architecture as `platform.machine` has it, empty for that of this
    machine. 8-bit activations are stored with `offset` added, rows padded to `lanes`; weights are
    no less than `least_weight`. `accumulators` is how many vectors of sums fit into the registers,
    `sums_and_weights` how many of them and of weights fit together, which counts where weights stay
    in registers while they are multiplied by one activation after the other. Without a `column_dot`
    depthwise convolutions multiply tap by tap.
    """

    name: str
    title: str
    target: Mapping[str, object]
    features: frozenset[str]
    lanes: int
    offset: int
    accumulators: int
    dot: DotProduct
    column_dot: ColumnDot | None = None
    lookup: ByteLookup | None = None
    dot_int16: DotProduct | None = None
    column_dot_int16: ColumnDot | None = None
    machine: str = ""
    least_weight: int = -128
    rounding: Rounding | None = None
    narrowings: tuple[Narrowing, ...] = ()
    sums_and_weights: int = 1 << 10

    @property
    def is_native(self) -> bool:
        """Whether this machine's architecture is that of the instruction set."""
        return self.machine in {"", platform.machine()}

    @property
    def adds_pairs(self) -> bool:
        """Whether the sum of two products fits into 16 bits."""
        return self.least_weight > -128

    @property
    def activation(self) -> DType:
        """The element type of stored 8-bit activations."""
        return DType.U8 if self.offset else DType.I8
