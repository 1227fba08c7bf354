"""Which samples calibrate, which of them the walk over layers sees, which are kept to judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fpc.diagnostics.errors import QuantError
from fpc.interp.runner import Samples
from fpc.ir.constant import Array

HOLDOUT_EVERY = 5
MOST_HOLDOUT = 32
FEW_SAMPLES = 20
_KEPT_BYTES = 64 << 20


@dataclass(frozen=True)
class Split:
    """Samples by purpose.

    walked: some of `calibration`, at `walked_positions` there. Only those of `holdout` that were
    asked for are held in memory.
    """

    calibration: Samples
    walked: Samples
    walked_positions: frozenset[int]
    holdout: Samples
    warnings: tuple[str, ...] = ()


def split_samples(samples: Samples, holdout: Samples | None, walked: int) -> Split:
    """Set `holdout` (None: every fifth of `samples`, 32 at most) aside, and choose the walked ones.

    The choice depends on nothing but the number of samples and their size. With a single sample it
    serves both purposes. `QuantError` when there is none.
    """
    count = len(samples)
    if count == 0:
        raise QuantError(
            "no-samples",
            "there is no calibration sample",
            help="give at least one; a hundred typical inputs are a good number",
        )
    if holdout is not None:
        kept = _Kept(holdout, range(min(MOST_HOLDOUT, len(holdout))))
        chosen = _evenly(range(count), walked)
        return Split(samples, _Chosen(samples, chosen), frozenset(chosen), kept, _remarks(count))
    if count == 1:
        only = _Kept(samples, [0])
        return Split(samples, only, frozenset([0]), only, _remarks(count))
    aside = _evenly(range(count), min(MOST_HOLDOUT, max(1, count // HOLDOUT_EVERY)))
    rest = sorted(set(range(count)).difference(aside))
    chosen = _evenly(rest, walked)
    return Split(
        _Chosen(samples, rest),
        _Chosen(samples, chosen),
        frozenset(rest.index(index) for index in chosen),
        _Kept(samples, aside),
        _remarks(count),
    )


def affordable(samples: Samples, wanted: int) -> int:
    """How many of `samples` may be held in memory, `wanted` at most."""
    first = samples[0] if len(samples) else ()
    size = max(1, sum(array.nbytes for array in first))
    return max(1, min(wanted, _KEPT_BYTES // size))


class _Chosen:
    """Some of the samples, made when they are asked for."""

    def __init__(self, samples: Samples, positions: Sequence[int]) -> None:
        self._samples = samples
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, position: int) -> tuple[Array, ...]:
        return self._samples[self._positions[position]]

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        return map(self.__getitem__, range(len(self)))


class _Kept(_Chosen):
    """Some of the samples, made when they are first asked for and held from then on."""

    def __init__(self, samples: Samples, positions: Sequence[int]) -> None:
        super().__init__(samples, positions)
        self._held: dict[int, tuple[Array, ...]] = {}

    def __getitem__(self, position: int) -> tuple[Array, ...]:
        if position not in self._held:
            self._held[position] = super().__getitem__(position)
        return self._held[position]


def _evenly(indices: range | list[int], count: int) -> list[int]:
    """At most `count` of `indices`, spread over all of them."""
    count = min(count, len(indices))
    return [indices[(2 * i + 1) * len(indices) // (2 * count)] for i in range(count)]


def _remarks(count: int) -> tuple[str, ...]:
    if count >= FEW_SAMPLES:
        return ()
    also = " and the only one also judges the result" if count == 1 else ""
    found = f"only {count} calibration sample{'s' * (count != 1)}{also}"
    return (f"{found}: ranges and corrections are uncertain; a hundred are a good number",)
