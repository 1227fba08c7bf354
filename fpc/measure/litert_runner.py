"""Measuring on this machine: every model in a LiteRT process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fpc.diagnostics.errors import MeasureError
from fpc.ir.constant import Array
from fpc.measure.device import device_name, require_processors
from fpc.measure.exchange import Plan, Result, read_answer, write_task
from fpc.measure.protocol import Condition, Failure, MeasureConfig, Request, Timing

_SHOWN_LINES = 10


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
        return self._answer(content, inputs, Plan(config, "reference", is_timed=False))[0]

    def _measure(self, request: Request, config: MeasureConfig, device: str) -> Timing:
        expected = request.expected
        inputs = expected.inputs if expected is not None else ()
        outputs, result = self._answer(request.content, inputs, Plan(config))
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

    def _answer(
        self, content: bytes, inputs: Sequence[Array], plan: Plan
    ) -> tuple[tuple[Array, ...], Result]:
        with tempfile.TemporaryDirectory(prefix="fpc-measure-") as name:
            folder = Path(name)
            write_task(folder, content, inputs, plan)
            try:
                done = subprocess.run(
                    [*self.program, name],
                    capture_output=True,
                    timeout=plan.config.timeout_s,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise MeasureError(
                    "timeout",
                    f"no answer after {plan.config.timeout_s:g} s",
                    help="a model this slow needs a longer --timeout; one that hangs, another "
                    "runtime",
                ) from None
            if done.returncode != 0:
                raise _died(done.returncode, done.stderr)
            return read_answer(folder)


def _died(status: int, written: bytes) -> MeasureError:
    lines = written.decode(errors="replace").strip().splitlines()
    return MeasureError(
        "runner-died",
        f"the process that ran the model ended with {_cause(status)}",
        notes=[line.strip() for line in lines[-_SHOWN_LINES:] if line.strip()],
        help="the runtime cannot run this file; `fpc check` says which operators leave the fast "
        "path",
    )


def _cause(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
