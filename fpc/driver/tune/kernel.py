"""The best tile of one kernel: candidates compiled together, checked, compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fpc.backends.tvm.build import build
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.tuning.case import Case
from fpc.backends.tvm.tuning.tile_space import tile_space
from fpc.backends.tvm.tuning.tile_table import TunedKernel
from fpc.diagnostics.errors import BackendError, FpcError, MeasureError, MissingBackendError
from fpc.measure.kernels.protocol import KernelRunner, KernelTask

_LEAST_GAIN = 0.02
"""Tiles that cost less by no more than this share are not taken for better."""
_OF_KERNELS = frozenset({"measure.runner-died", "measure.timeout"})
"""What a kernel can do to the process that runs it; boards are not risked one after the other."""


@dataclass(frozen=True)
class Refusal:
    """Why a candidate cannot be taken."""

    reason: str


@dataclass(frozen=True)
class BestTile:
    """A kernel in its best tile, and why candidates were refused."""

    entry: TunedKernel
    refused: tuple[str, ...]


def best_tile(case: Case, isa: Isa, runner: KernelRunner) -> BestTile:
    """The cheapest right candidate, or the tile by rules where none is clearly cheaper.

    `MeasureError` (`measure.untuned-kernel`) when that one does not compute what it must, and what
    says that `runner` cannot compare anything any more.
    """
    candidates = list(dict.fromkeys((case.kernel, *tile_space(case.kernel, isa))))
    answers = list(costs_of(case, candidates, isa, runner))
    untuned = answers[0]
    if isinstance(untuned, Refusal):
        raise MeasureError(
            "untuned-kernel",
            f"a kernel for {isa.name} is wrong as it is, so that no other can be compared with it",
            notes=[str(case.kernel), untuned.reason],
            help="this is a defect of fpc's kernels; --backend tflite goes another way",
        )
    costs = {
        kernel: cost
        for kernel, cost in zip(candidates, answers, strict=True)
        if not isinstance(cost, Refusal)
    }
    cheapest = min(costs, key=costs.__getitem__)
    best = cheapest if costs[cheapest] < (1 - _LEAST_GAIN) * untuned else case.kernel
    refused = tuple(
        f"{getattr(kernel, 'tile', kernel)} of a {kernel.family} kernel: {answer.reason}"
        for kernel, answer in zip(candidates, answers, strict=True)
        if isinstance(answer, Refusal)
    )
    entry = TunedKernel(kernel=best, cost=round(costs[best], 3), untuned_cost=round(untuned, 3))
    return BestTile(entry, refused)


def costs_of(
    case: Case, candidates: Sequence[AnyKernel], isa: Isa, runner: KernelRunner
) -> Iterator[float | Refusal]:
    """What a call of every candidate costs; they become one library.

    Where the compiler or the process that runs them does not survive that, every candidate is tried
    alone.
    """
    program = case.program(candidates, isa)
    names = program.function_names
    arguments = (*case.operands, *case.parameters)
    try:
        task = KernelTask(build(program), names, arguments, case.expected, case.kernel.result.own)
        found = runner.run(task)
    except (BackendError, MeasureError) as error:
        if not _is_fault_of_kernels(error):
            raise
        if len(candidates) == 1:
            yield Refusal("; ".join((error.message, *error.notes[-1:])))
            return
        for candidate in candidates:
            yield from costs_of(case, [candidate], isa, runner)
        return
    for name in names:
        if name in found.costs:
            yield found.costs[name]
        else:
            yield Refusal(f"{found.different[name]} elements of its result are wrong")


def _is_fault_of_kernels(error: FpcError) -> bool:
    """Whether other kernels may do better, and not just nothing at all."""
    if isinstance(error, BackendError):
        return not isinstance(error, MissingBackendError)
    return error.code in _OF_KERNELS
