"""The best tile of one kernel: candidates compiled together, checked, timed in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from fpc.diagnostics.errors import BackendError, MeasureError
from fpc.measure.kernels import time_kernels

if TYPE_CHECKING:
    from fpc.backends.tvm.isa.description import Isa
    from fpc.backends.tvm.kernels.table import AnyKernel
    from fpc.backends.tvm.tuning.case import Case
    from fpc.backends.tvm.tuning.tile_table import TunedKernel

_LEAST_GAIN = 0.02
"""Tiles that measure less faster than this share are not taken for faster."""


@dataclass(frozen=True)
class Refusal:
    """Why a candidate cannot be taken."""

    reason: str


Clock: TypeAlias = "Callable[[Case, Sequence[AnyKernel], Isa], Iterable[float | Refusal]]"
"""Seconds a call of every candidate; the first is the one that all others must beat."""


@dataclass(frozen=True)
class BestTile:
    """A kernel in its best tile, and why candidates were refused."""

    entry: TunedKernel
    refused: tuple[str, ...]


def best_tile(case: Case, isa: Isa, clock: Clock) -> BestTile:
    """The fastest right candidate, or the tile by rules where none is clearly faster.

    `MeasureError` (`measure.untuned-kernel`) when that one does not compute what it must.
    """
    from fpc.backends.tvm.tuning.tile_space import tile_space
    from fpc.backends.tvm.tuning.tile_table import TunedKernel

    candidates = list(dict.fromkeys((case.kernel, *tile_space(case.kernel, isa))))
    given = iter(clock(case, candidates, isa))
    untuned = next(given)
    if isinstance(untuned, Refusal):
        raise MeasureError(
            "untuned-kernel",
            f"a kernel for {isa.name} is wrong as it is, so that no other can be compared with it",
            notes=[str(case.kernel), untuned.reason],
            help="this is a defect of fpc's kernels; --backend tflite goes another way",
        )
    answers = [untuned, *given]
    times = {
        kernel: seconds
        for kernel, seconds in zip(candidates, answers, strict=True)
        if not isinstance(seconds, Refusal)
    }
    fastest = min(times, key=times.__getitem__)
    best = fastest if times[fastest] < (1 - _LEAST_GAIN) * untuned else case.kernel
    refused = tuple(
        f"{getattr(kernel, 'tile', kernel)} of a {kernel.family} kernel: {answer.reason}"
        for kernel, answer in zip(candidates, answers, strict=True)
        if isinstance(answer, Refusal)
    )
    return BestTile(
        TunedKernel(
            kernel=best,
            microseconds=round(times[best] * 1e6, 3),
            untuned_microseconds=round(untuned * 1e6, 3),
        ),
        refused,
    )


def compiled_and_timed(
    case: Case, candidates: Sequence[AnyKernel], isa: Isa
) -> Iterator[float | Refusal]:
    """The clock of this machine: candidates become one library, which a process of its own times.

    Where the compiler or the process does not survive that, every candidate is tried alone.
    """
    from fpc.backends.tvm.build import build
    from fpc.backends.tvm.relax_program import function_names

    program = case.program(candidates, isa)
    names = function_names(program)
    arguments = (*case.operands, *case.parameters)
    try:
        times = time_kernels(
            build(program), names, arguments, case.expected, case.kernel.result.own
        )
    except (BackendError, MeasureError) as error:
        if len(candidates) == 1:
            yield Refusal("; ".join((error.message, *error.notes[-1:])))
            return
        for candidate in candidates:
            yield from compiled_and_timed(case, [candidate], isa)
        return
    for name in names:
        if name in times.seconds:
            yield times.seconds[name]
        else:
            yield Refusal(f"{times.different[name]} elements of its result are wrong")
