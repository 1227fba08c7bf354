"""One finished measurement, as it is kept."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from fpc.diagnostics.errors import MeasureError
from fpc.ir.graph import Graph
from fpc.measure.protocol import Evidence, Timing, Unit

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Sample:
    """A timing with everything that a fit or a reader needs to know of it.

    `multiply_adds` is None and `graph` (IR text without weights, see `rebuilt_graph`) empty for a
    model that came as a finished file. `fpc` is the version that measured.
    """

    timing: Timing
    fpc: str
    multiply_adds: int | None = None
    graph: str = ""

    def rebuilt_graph(self) -> Graph:
        """The optimised float network in NCHW, its weights shape-only.

        `MeasureError` (`measure.samples-no-graph`) when the sample has none.
        """
        if not self.graph:
            raise MeasureError(
                "samples-no-graph",
                f"the sample of `{self.timing.name}` does not say what its network looks like",
                help="measure the .onnx file rather than the compiled one",
            )
        return Graph.parse(self.graph)


def require_consistent(samples: Iterable[Sample], origin: str) -> tuple[Sample, ...]:
    """All of `samples`; `MeasureError` (`measure.samples-inconsistent`) for an impossible one.

    Beyond each sample's own values: what one version of fpc makes of a model in one precision has
    one number of multiply-adds.
    """
    checked: list[Sample] = []
    work: dict[tuple[str, str, str], int] = {}
    for number, sample in enumerate(samples, 1):
        fault = _fault(sample)
        if fault is None and sample.multiply_adds is not None:
            timing = sample.timing
            key = timing.model_sha256, timing.precision, sample.fpc
            known = work.setdefault(key, sample.multiply_adds)
            if known != sample.multiply_adds:
                fault = f"it has {sample.multiply_adds} multiply-adds, an earlier one has {known}"
        if fault is not None:
            raise inconsistent(origin, f"sample {number} (`{sample.timing.name}`): {fault}")
        checked.append(sample)
    return tuple(checked)


def inconsistent(origin: str, fact: str) -> MeasureError:
    """The error for samples that contradict themselves."""
    return MeasureError(
        "samples-inconsistent",
        f"{origin} holds a sample that cannot be right",
        notes=[fact],
        help="remove or measure again what it names; nothing was used",
    )


def _fault(sample: Sample) -> str | None:
    timing = sample.timing
    condition = timing.condition
    frames = timing.frames_per_second
    for is_wrong, fault in (
        (not timing.name, "it has no name"),
        (not _DIGEST.fullmatch(timing.model_sha256), "its model's digest is no SHA-256"),
        (not timing.precision, "it has no precision"),
        (not timing.runs, "it has no run"),
        (not all(math.isfinite(run) and run > 0 for run in timing.runs), "a run took no time"),
        (timing.unit not in get_args(Unit), f"its unit is `{timing.unit}`"),
        (timing.evidence not in get_args(Evidence), f"its evidence is `{timing.evidence}`"),
        (
            (timing.unit == "ms") == (timing.evidence == "simulated"),
            f"{timing.evidence} {timing.unit} do not exist",
        ),
        (not condition.device or not condition.runtime, "its device or runtime has no name"),
        (condition.threads < 1 or condition.workers < 1, "it ran on no thread"),
        (frames is not None and not (math.isfinite(frames) and frames > 0), "its rate is nothing"),
        (not _is_date(timing.date), f"its date is `{timing.date}`"),
        (sample.multiply_adds is not None and sample.multiply_adds < 0, "it has negative work"),
    ):
        if is_wrong:
            return fault
    return None


def _is_date(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
