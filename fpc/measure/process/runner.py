"""Measuring on this machine: every model in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from fpc.ir.constant import Array
from fpc.measure.answers import clocked, one_by_one
from fpc.measure.device import require_processors
from fpc.measure.process.child import WaitingProgram, run_program, waiting_program
from fpc.measure.process.exchange import Plan
from fpc.measure.protocol import Failure, MeasureConfig, Request, Timing


@dataclass(frozen=True)
class ProgramRunner:
    """Measures with a clock, in a program that knows the runtime.

    `program` is started once a model with the folder of `fpc.measure.process.exchange` as its last
    word. Failures are coded `measure.runner-died`, `measure.timeout`, `measure.runner-answer`,
    `measure.wrong-outputs`, or as the runtime's refusal of the model.
    """

    program: tuple[str, ...]

    def run(self, requests: Sequence[Request], config: MeasureConfig) -> Iterator[Timing | Failure]:
        """A timing or a failure for every request; `UsageError` for processors that are absent."""
        require_processors(config.processors)
        yield from one_by_one(requests, lambda request: self._measure(request, config))

    def outputs(
        self, content: bytes, inputs: Sequence[Array], config: MeasureConfig
    ) -> tuple[Array, ...]:
        """What the runtime computes, with its reference kernels where it has such.

        They run everywhere and are in no hurry.
        """
        plan = Plan(config, "reference", is_timed=False)
        return run_program(self.program, content, inputs, plan)[0]

    def waiting(self) -> AbstractContextManager[WaitingProgram]:
        """The program at work already, to be given its model; ended with the body."""
        return waiting_program(self.program)

    def _measure(self, request: Request, config: MeasureConfig) -> Timing:
        outputs, result = run_program(self.program, request.content, request.inputs, Plan(config))
        return clocked(request, config, outputs, result)
