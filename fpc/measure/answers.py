"""Requests become answers, the same way in every runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from fpc.diagnostics.errors import MeasureError
from fpc.ir.constant import Array
from fpc.measure.process.exchange import Result
from fpc.measure.protocol import Condition, Failure, MeasureConfig, Request, Timing


def one_by_one(
    requests: Sequence[Request], measure: Callable[[Request], Timing]
) -> Iterator[Timing | Failure]:
    """What `measure` makes of every request; its `MeasureError` is the request's failure."""
    for request in requests:
        try:
            yield measure(request)
        except MeasureError as error:
            error.model = request.name
            yield Failure(request.name, error)


def clocked(
    request: Request, config: MeasureConfig, outputs: Sequence[Array], result: Result
) -> Timing:
    """The timing in `result`, once the `outputs` have proved right.

    `MeasureError`: `measure.wrong-outputs`, or `measure.runner-answer` when nothing was timed.
    """
    if request.expected is not None:
        request.expected.check(outputs)
    if not result.runs:
        raise MeasureError("runner-answer", "the measuring program timed no run")
    return Timing(
        name=request.name,
        model_sha256=request.model_sha256,
        precision=request.precision,
        runs=result.runs,
        unit="emulated_ms" if result.is_emulated else "ms",
        evidence="simulated" if result.is_emulated else "measured",
        condition=Condition(result.device, result.runtime, config.threads, config.workers),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        frames_per_second=result.frames_per_second,
    )
