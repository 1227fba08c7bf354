"""AVX2 and AVX512: four vectors of 32-bit sums become one of bytes, or two become half of one.

`vpackssdw` and `vpackuswb` narrow two registers to one and saturate, by 128 bits each; `vpermd`
brings the bytes into order (Intel SDM). With the conversions that takes 18 instructions for four
vectors, where one at a time would take 28, or 40 without AVX512.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fpc.backends.tvm.isa.description import Intrinsic, Narrowing, SumEnd
from fpc.backends.tvm.isa.x86_words import Place, Statements

_FRAME = """
@T.prim_func(s_tir=True)
def {{name}}({handles}) -> None:
    S_row, X_row, R_row = T.int32(), T.int32(), T.int32()
    {buffers}
    with T.sblock("root"):
        T.reads({reads})
        T.writes({writes})
        {{body}}
"""

_DESCRIPTION = """\
for {loops} in T.grid({shape}):
            with T.sblock("narrow"):
                {at} = T.axis.remap("{kinds}", [{loops}])
                T.reads({reads})
                T.writes(R[{at}])
                R[{at}] = T.Cast("uint8", T.min(T.Cast("uint32", {integer}), T.uint32(255)))\
"""

# What `fpc.backends.tvm.kernels.requantise` says of sums whose range is that of their type.
_INTEGERS: Mapping[SumEnd, str] = MappingProxyType(
    {
        "clamp": 'T.reinterpret("int32", T.max(T.Cast("float32", S[{at}]) * F[v0], '
        'T.Cast("float32", L[1])) + T.float32(12582912.0)) + L[0] - 1262485504',
        "rectify": 'T.reinterpret("int32", T.max(T.call_llvm_pure_intrin("float32", "llvm.fma", '
        'T.reinterpret("float32", S[{at}]), F[0, v0], F[1, v0]), T.float32(0.0)) '
        "+ T.float32(12582912.0)) - 1262485504",
        "add": 'T.max((T.reinterpret("int32", T.max(T.min(T.Cast("float32", S[{at}]) * F[v0], '
        'T.Cast("float32", L[1])), T.Cast("float32", L[0])) + T.float32(12582912.0)) '
        '- 1262485504) * N[0] + T.Cast("int32", X[{at}]) * N[1] + N[2] >> N[3], 0)',
    }
)
_INSTRUCTIONS: Mapping[SumEnd, float] = MappingProxyType(
    {"clamp": 4.5, "rectify": 3.0, "add": 11.5}
)
"""Of a vector of sums, where four become bytes together."""


@dataclass(frozen=True)
class _Operand:
    """A buffer, and what of it belongs to the element at v1, v0."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    element: str
    strides: str = ""

    @property
    def handle(self) -> str:
        return f"{self.name.lower()}: T.handle"

    @property
    def buffer(self) -> str:
        given = f'{self.name.lower()}, {self.shape}, "{self.dtype}", offset_factor=1{self.strides}'
        return f"{self.name} = T.match_buffer({given})"

    @property
    def whole(self) -> str:
        return f"{self.name}[{', '.join(f'0:{extent}' for extent in self.shape)}]"


@dataclass(frozen=True)
class _Tile:
    """Neighbouring channels of neighbouring positions, as vectors of sums."""

    lanes: int
    positions: int
    channels: int

    @property
    def rank(self) -> int:
        """A single position is no axis: loops of one turn are simplified away."""
        return 2 if self.positions > 1 else 1

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.positions, self.channels)[-self.rank :]

    @property
    def at(self) -> str:
        """The index of an element."""
        return ", ".join(("v1", "v0")[-self.rank :])

    @property
    def rows(self) -> list[Place]:
        """Where the positions begin."""
        return [(position, 0)[-self.rank :] for position in range(self.positions)]

    @property
    def pairs(self) -> list[tuple[Place, Place]]:
        """Where vectors begin, two by two."""
        starts = range(0, self.channels, self.lanes)
        places = [(*row[:-1], start) for row in self.rows for start in starts]
        return list(zip(places[::2], places[1::2], strict=True))

    def operand(self, name: str, dtype: str) -> _Operand:
        """A buffer with an element for each of the tile's."""
        strides = ", ".join((f"{name}_row", "1")[-self.rank :])
        return _Operand(name, dtype, self.shape, f"{name}[{self.at}]", f", strides=[{strides}]")

    def operands(self, end: SumEnd) -> list[_Operand]:
        """What is read: the sums, their scales, limits, the numbers of an addition, its operand."""
        sums = self.operand("S", "int32")
        if end == "rectify":
            return [sums, _Operand("F", "float32", (2, self.channels), "F[0:2, v0]")]
        scale = _Operand("F", "float32", (self.channels,), "F[v0]")
        found = [sums, scale, _Operand("L", "int32", (2,), "L[0:2]")]
        if end == "add":
            found += [_Operand("N", "int32", (4,), "N[0:4]"), self.operand("X", "uint8")]
        return found

    def description(self, end: SumEnd) -> str:
        """The same, element by element."""
        return _DESCRIPTION.format(
            loops=", ".join(("i1", "i0")[-self.rank :]),
            shape=", ".join(map(str, self.shape)) + ",",
            kinds="S" * self.rank,
            at=self.at,
            reads=", ".join(each.element for each in self.operands(end)),
            integer=_INTEGERS[end].format(at=self.at),
        )

    def statements(self, end: SumEnd) -> list[str]:
        """The instructions, a vector of every position's bytes at last."""
        code = Statements(self.lanes)
        result, size = self._bytes(code, end), self.positions * self.channels
        rows = [
            f"R[{', '.join(map(str, (*row[:-1], f'T.ramp(0, 1, {self.channels})')))}] = "
            f"{code.shuffled(range(at, at + self.channels), result)}"
            for row, at in zip(self.rows, range(0, size, self.channels), strict=True)
        ]
        return [*code.lines, *rows]

    def _bytes(self, code: Statements, end: SumEnd) -> str:
        """The results of all vectors, one behind the other."""
        words = {"clamp": code.clamped, "rectify": code.rectified, "add": code.added}[end]
        halves = [words(pair) for pair in self.pairs]
        packed = code.call_x86("packuswb", f"uint8x{4 * self.lanes}", halves[0], halves[-1])
        vectors, parts = 2 * len(halves), self.lanes // 4
        quads = [4 * part + vector for vector in range(vectors) for part in range(parts)]
        ordered = code.shuffled([4 * quad + byte for quad in quads for byte in range(4)], packed)
        # LLVM would do all of it once more for each part that is stored, but for a fence.
        floats = f"float32x{len(quads)}"
        fenced = code.call(
            "arithmetic.fence", floats, f'T.reinterpret({ordered}, dtype="{floats}")'
        )
        return code.named(f'T.reinterpret({fenced}, dtype="uint8x{4 * len(quads)}")')


def _narrowing(tile: _Tile, end: SumEnd) -> Narrowing:
    operands, result = tile.operands(end), tile.operand("R", "uint8")
    frame = _FRAME.format(
        handles=", ".join(each.handle for each in (*operands, result)),
        buffers="\n    ".join(each.buffer for each in (*operands, result)),
        reads=", ".join(each.whole for each in operands),
        writes=result.whole,
    )
    name = f"fpc.{end}.{tile.lanes}.{tile.positions}x{tile.channels}"
    body = "\n        ".join(tile.statements(end))
    return Narrowing(
        tile.positions,
        tile.channels,
        Intrinsic.framed(name, frame, tile.description(end), body),
        end,
        _INSTRUCTIONS[end] + (0.5 if len(tile.pairs) == 1 else 0.0),
    )


def narrowings(lanes: int) -> tuple[Narrowing, ...]:
    """For four vectors of channels of a position, two of two positions or one of four, or half."""
    tiles = [
        _Tile(lanes, positions, vectors * lanes // positions)
        for vectors in (4, 2)
        for positions in (1, 2, 4)
        if positions <= vectors
    ]
    ends: tuple[SumEnd, ...] = ("clamp", "rectify", "add")
    return tuple(_narrowing(tile, end) for end in ends for tile in tiles)
