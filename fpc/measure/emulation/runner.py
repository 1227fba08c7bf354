"""Counting the instructions that ARM's LiteRT or TVM executes, under emulation on this machine.

The outputs are those of the real aarch64 library. Its instructions say how much work a network is,
never how long it takes: there is no cache, no pipeline and no clock in an emulator.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fpc.diagnostics.errors import UsageError
from fpc.measure.answers import one_by_one
from fpc.measure.emulation.emulator import EMULATOR, LITERT, PROCESSOR, ArmEmulator, GuestProgram
from fpc.measure.emulation.executed_blocks import (
    BlockCounter,
    Blocks,
    executed_instructions,
    without,
)
from fpc.measure.process.exchange import Plan, Result
from fpc.measure.protocol import Condition, Failure, MeasureConfig, Request, Timing

_RUNS = 3


@dataclass(frozen=True)
class QemuRunner:
    """Runs models by `program` in the ARM root `root`.

    A `Timing` holds the instructions of three runs, evidence `simulated`. Failures are those
    of `fpc.measure.process.child` and `measure.wrong-outputs`.
    """

    root: Path
    emulator: str = EMULATOR
    compiler: str = "cc"
    program: GuestProgram = LITERT

    def run(self, requests: Sequence[Request], config: MeasureConfig) -> Iterator[Timing | Failure]:
        """A count or a failure for every request.

        `MissingBackendError` without emulator, compiler or root; `UsageError` for more than one
        thread, whose waiting would be counted as work.
        """
        if config.threads > 1 or config.workers > 1:
            raise UsageError(
                "measure-config",
                "instructions are counted with one thread and one worker",
                help="leave --threads and --workers out",
            )
        with self._counting() as counter:
            yield from one_by_one(requests, lambda request: self._measure(request, config, counter))

    def executed(self, request: Request, config: MeasureConfig) -> Blocks:
        """What one run of a model executes; `FpcError` for what is a failure of `run`."""
        with self._counting() as counter:
            return self._runs(request, config, counter)[0][0]

    @contextmanager
    def _counting(self) -> Generator[BlockCounter]:
        self._emulated.require(self.program)
        with tempfile.TemporaryDirectory(prefix="fpc-qemu-") as name:
            yield BlockCounter.built(Path(name), self.compiler)

    def _measure(self, request: Request, config: MeasureConfig, counter: BlockCounter) -> Timing:
        runs, result = self._runs(request, config, counter)
        return Timing(
            name=request.name,
            model_sha256=request.model_sha256,
            precision=request.precision,
            runs=tuple(float(executed_instructions(run)) for run in runs),
            unit="instructions",
            evidence="simulated",
            condition=Condition(f"{PROCESSOR} (aarch64, QEMU)", result.runtime),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _runs(
        self, request: Request, config: MeasureConfig, counter: BlockCounter
    ) -> tuple[list[Blocks], Result]:
        """What every run executed, less what surrounds a run."""
        counter.clear()
        plan = Plan(config, is_timed=False, marked_runs=_RUNS)
        outputs, result = self._emulated.run(
            self.program, request.content, request.inputs, plan, counter.options
        )
        if request.expected is not None:
            request.expected.check(outputs)
        parts = counter.parts(2 * _RUNS)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return [without(full, empty) for empty, full in pairs], result

    @property
    def _emulated(self) -> ArmEmulator:
        return ArmEmulator(self.root, self.emulator)
