"""Measuring on this machine: every model in a LiteRT process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fpc.diagnostics.errors import MeasureError
from fpc.ir.constant import Array
from fpc.measure.child import run_program
from fpc.measure.device import device_name, require_processors
from fpc.measure.exchange import Plan
from fpc.measure.protocol import Condition, Failure, MeasureConfig, Request, Timing


@dataclass(frozen=True)
class LiteRtRunner:
    """Measures with a clock, in LiteRT as it is installed here.

    `program` is started once a model with the folder of `fpc.measure.exchange` as its last word.
    Failures are coded `measure.runner-died`, `measure.timeout`, `measure.runner-answer`,
    `measure.wrong-outputs`, or as LiteRT's refusal of the file.
    """

    program: tuple[str, ...] = (sys.executable, "-m", "fpc.measure.litert_program")

    def run(self, requests: Sequence[Request], config: MeasureConfig) -> Iterator[Timing | Failure]:
        """A timing or a failure for every request; `UsageError` for processors that are absent."""
        require_processors(config.processors)
        device = device_name()
        for request in requests:
            try:
                yield self._measure(request, config, device)
            except MeasureError as error:
                error.model = request.name
                yield Failure(request.name, error)

    def outputs(
        self, content: bytes, inputs: Sequence[Array], config: MeasureConfig
    ) -> tuple[Array, ...]:
        """What LiteRT's reference kernels compute, which run everywhere and are in no hurry."""
        plan = Plan(config, "reference", is_timed=False)
        return run_program(self.program, content, inputs, plan)[0]

    def _measure(self, request: Request, config: MeasureConfig, device: str) -> Timing:
        expected = request.expected
        inputs = expected.inputs if expected is not None else ()
        outputs, result = run_program(self.program, request.content, inputs, Plan(config))
        if expected is not None:
            expected.check(outputs)
        if not result.runs:
            raise MeasureError("runner-answer", "the measuring program timed no run")
        return Timing(
            name=request.name,
            model_sha256=request.model_sha256,
            precision=request.precision,
            runs=result.runs,
            unit="ms",
            evidence="measured",
            condition=Condition(device, result.runtime, config.threads, config.workers),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            frames_per_second=result.frames_per_second,
        )
