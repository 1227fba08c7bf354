"""Recorded samples instead of runs: the same figures every time, without the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fpc.diagnostics.errors import MeasureError
from fpc.measure.answers import one_by_one
from fpc.measure.protocol import Failure, MeasureConfig, Request, Timing
from fpc.measure.samples.sample import Sample


@dataclass(frozen=True)
class ReplayRunner:
    """Answers with the latest sample of the same model, precision, threads and workers.

    A clock's figures become `replayed`; counted instructions stay `simulated`. Failures are coded
    `measure.not-recorded` and, where the samples come from several devices or runtimes,
    `measure.ambiguous`.
    """

    samples: tuple[Sample, ...]

    def run(self, requests: Sequence[Request], config: MeasureConfig) -> Iterator[Timing | Failure]:
        """The recorded timing, or a failure, for every request."""
        yield from one_by_one(requests, lambda request: self._find(request, config))

    def _find(self, request: Request, config: MeasureConfig) -> Timing:
        of_model = [
            sample.timing
            for sample in self.samples
            if sample.timing.model_sha256 == request.model_sha256
            and sample.timing.precision == request.precision
        ]
        found = [
            timing
            for timing in of_model
            if timing.condition.threads == config.threads
            and timing.condition.workers == config.workers
        ]
        if not found:
            recorded = dict.fromkeys(str(timing.condition) for timing in of_model)
            raise MeasureError(
                "not-recorded",
                f"no sample of this model in {request.precision} with {config.threads} threads "
                f"and {config.workers} workers was recorded",
                notes=[f"recorded: {condition}" for condition in recorded],
                help="measure it first: `fpc measure MODEL --on host --db FILE`",
            )
        conditions = dict.fromkeys(timing.condition for timing in found)
        if len(conditions) > 1:
            raise MeasureError(
                "ambiguous",
                "the model was recorded under several conditions",
                notes=map(str, conditions),
                help="keep samples of different devices and runtimes in files of their own",
            )
        latest = found[-1]
        evidence = "replayed" if latest.evidence == "measured" else latest.evidence
        return replace(latest, name=request.name, evidence=evidence)
