"""AVX2 and AVX512: how two vectors of sums become one of int16, which then saturates to bytes.

`vpackssdw` takes 128 bits of the one and 128 bits of the other in turns (Intel SDM).

What is added to rounded sums meets them in pairs of int16, which `vpmaddwd` multiplies by their
factors and adds up. The lowest 7 bits of a factor are multiplied apart, the others by 128 times
the pair.

Values have names where TVMScript is read, and nowhere else: what LLVM is given names for it would
keep in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Place: TypeAlias = tuple[int, ...]
"""Where in a tile a vector begins."""

_AVX512_LANES = 16


@dataclass(frozen=True)
class Statements:
    """TVMScript that computes with vectors of so many elements of 32 bits, or of as many bits."""

    lanes: int
    lines: list[str] = field(default_factory=list)

    def named(self, expression: str) -> str:
        """The name of a value."""
        name = f"value{len(self.lines)}"
        self.lines.append(f"{name} = T.meta_var({expression})")
        return name

    def call(self, instruction: str, dtype: str, *operands: str) -> str:
        """The result of an instruction by LLVM's name."""
        given = ", ".join((f'T.llvm_lookup_intrinsic_id("llvm.{instruction}")', *operands))
        return self.named(f'T.call_llvm_pure_intrin({given}, dtype="{dtype}")')

    def call_x86(self, instruction: str, dtype: str, *operands: str) -> str:
        """The result of an instruction that AVX2 and AVX512 both have."""
        name = f"avx512.{instruction}.512" if self.is_avx512 else f"avx2.{instruction}"
        return self.call(f"x86.{name}", dtype, *operands)

    def shuffled(self, order: Sequence[int], *vectors: str) -> str:
        """Elements of vectors that lie one behind the other, in an order."""
        return self.named(f"T.Shuffle([{', '.join(vectors)}], {[*order]})")

    @property
    def integers(self) -> str:
        """The type of int32."""
        return f"int32x{self.lanes}"

    @property
    def reals(self) -> str:
        """The type of float32."""
        return f"float32x{self.lanes}"

    @property
    def words(self) -> str:
        """The type of int16."""
        return f"int16x{2 * self.lanes}"

    @property
    def is_avx512(self) -> bool:
        """Whether they have 512 bits."""
        return self.lanes == _AVX512_LANES

    def clamped(self, pair: Sequence[Place]) -> str:
        """Scaled sums and their zero point."""
        return self.call("sadd.sat", self.words, self._scaled(pair), self._every_word("L[0]"))

    def rectified(self, pair: Sequence[Place]) -> str:
        """Scaled sums, as an epilogue that `rectifies` scales them."""
        fused = (
            self.call(
                "fma",
                self.reals,
                f'T.reinterpret({self._sums(place)}, dtype="{self.reals}")',
                *(f'F.vload([{row}, {place[-1]}], "{self.reals}")' for row in (0, 1)),
            )
            for place in pair
        )
        return self._rounded(*fused)

    def added(self, pair: Sequence[Place]) -> str:
        """Scaled sums, clamped, and what is added to them."""
        low, high = map(self._every_word, ("L[0]", "L[1]"))
        steps = self.named(f"T.max(T.min({self._scaled(pair)}, {high}), {low})")
        residual = self.named(f'T.Cast("{self.words}", {self._residual(pair)})')
        return self._packed(*(self._weighted(steps, residual, half) for half in (0, 1)))

    def _scaled(self, pair: Sequence[Place]) -> str:
        scaled = (
            f'T.Cast("{self.reals}", {self._sums(place)}) * F.vload([{place[-1]}], "{self.reals}")'
            for place in pair
        )
        return self._rounded(*scaled)

    def _rounded(self, *pair: str) -> str:
        """Two vectors of float32 as the nearest int16."""
        return self._packed(*(self.call("lrint", self.integers, reals) for reals in pair))

    def _packed(self, *pair: str) -> str:
        """Two vectors of int32 as int16, saturated."""
        return self.call_x86("packssdw", self.words, *pair)

    def _weighted(self, steps: str, residual: str, half: int) -> str:
        """The sums of two words each by its factor, for one of the two vectors that are packed."""
        order = [
            8 * quad + 4 * half + at + 2 * self.lanes * which
            for quad in range(self.lanes // 4)
            for at in range(4)
            for which in (0, 1)
        ]
        pairs = self.shuffled(order, steps, residual)
        low, high = (
            f'T.reinterpret(T.broadcast({factors}, {self.lanes}), dtype="{self.words}")'
            for factors in (
                "(N[0] & 127) | ((N[1] & 127) << 16)",
                "((N[0] >> 7) & 65535) | ((N[1] >> 7) << 16)",
            )
        )
        total = self._plus_products(f"T.broadcast(N[2], {self.lanes})", pairs, low)
        greater = self.named(f"T.shift_left({pairs}, T.broadcast(T.int16(7), {2 * self.lanes}))")
        total = self._plus_products(total, greater, high)
        return self.named(f"T.shift_right({total}, T.broadcast(N[3], {self.lanes}))")

    def _plus_products(self, total: str, a: str, b: str) -> str:
        """A sum plus the products of pairs of words."""
        if self.is_avx512:
            return self.call("x86.avx512.vpdpwssd.512", self.integers, total, a, b)
        return self.named(f"{total} + {self.call('x86.avx2.pmadd.wd', self.integers, a, b)}")

    def _residual(self, pair: Sequence[Place]) -> str:
        """The bytes that are added to two vectors of sums, in the order of their words."""
        order = [
            4 * quad + at + self.lanes * which
            for quad in range(self.lanes // 4)
            for which in (0, 1)
            for at in range(4)
        ]
        return self.shuffled(
            order, *(f'X.vload({[*place]}, "uint8x{self.lanes}")' for place in pair)
        )

    def _every_word(self, number: str) -> str:
        return f'T.broadcast(T.Cast("int16", {number}), {2 * self.lanes})'

    def _sums(self, place: Place) -> str:
        return f'S.vload({[*place]}, "{self.integers}")'
