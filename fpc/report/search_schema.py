"""The document of one search: what was asked, what was chosen, and the front it was chosen from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fpc.report.schema import PredictionPart, Report

FORMAT = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class SubnetPart(_Part):
    """A network of a space, as text and in full."""

    space: str
    text: str
    resolution: int
    width: float
    stages: tuple[dict[str, Any], ...]


class PointPart(_Part):
    """One point of the front; its latency is predicted."""

    subnet: str
    latency_ms: float
    top1_percent: float
    top1_interval_percent: tuple[float, float] | None


class EffectPart(_Part):
    """What one choice buys and costs beside the smallest of its kind, both predicted."""

    where: str
    choice: str
    points: float
    latency_ms: float


class AccuracySourcePart(_Part):
    """Where predicted accuracies come from."""

    what: str
    source: str
    evidence: Literal["measured", "replayed"]
    rows: int
    rmse_points: float | None
    """Of predictions, out of fold; None where every network of the front was evaluated."""
    measured_percent: tuple[float, float]
    """The range that was measured: beyond it a prediction extrapolates."""


class TrialPart(_Part):
    """A network of a round, predicted and then measured.

    The prediction, with its 90 % interval, is by the prices as they were corrected before it was
    measured; the cost model as it was has an interval of its own. The measured latency is the
    median of `turns`, with its 95 % interval.
    """

    subnet: str
    predicted_ms: float
    predicted_interval_ms: tuple[float, float] | None
    measured_ms: float | None
    """None where it could not be measured: `failure` says why."""
    measured_interval_ms: tuple[float, float] | None
    turns: int
    failure: str | None = None


class RoundPart(_Part):
    """One round of measured feedback."""

    number: int
    trials: tuple[TrialPart, ...]
    """That which the search would have chosen first."""
    error_percent: float | None
    """The median of how far predictions were off; None where nothing new was measured."""
    best: str | None
    """The best network measured so far that is within the budget."""
    missed: tuple[str, ...]
    """What was not reached yet."""


class FeedbackPart(_Part):
    """How measurements corrected the cost model."""

    evidence: Literal["measured", "replayed"]
    condition: str
    runners: tuple[str, ...]
    is_settled: bool
    missed: tuple[str, ...]
    """What was not reached when the rounds ended."""
    predicted_ms: float
    """The subnet's latency by the cost model as it was."""
    corrected_ms: float
    """The same by the prices as all measurements correct them."""
    corrected_interval_ms: tuple[float, float]
    measured_ms: float
    measured_interval_ms: tuple[float, float]
    turns: int
    disturbed_turns: int
    """Of all networks: turns in which something else had the processor; others count instead."""
    factors: dict[str, float]
    """What prices were multiplied by, by the sort of kernel."""
    rounds: tuple[RoundPart, ...]


class LimitsPart(_Part):
    """The most that a network may take beyond latency; None where nothing was asked."""

    size_bytes: int | None = None
    multiply_adds: int | None = None
    memory_bytes: int | None = None
    delegate_only: bool = False
    """Whether every operator has to run on the target's fast unit."""


class SearchReport(_Part):
    """The whole document.

    Intervals are of 90 %, those of measured latencies of 95 %; a measured top-1 has none.
    """

    format: int = FORMAT
    fpc: str
    space: str
    networks: int
    """How many networks the space has."""
    target: str
    budget_ms: float
    objective: Literal["lower", "top1"]
    """What was maximised: the lower end of the interval of top-1, or the prediction."""
    method: Literal["exact", "evolutionary"] = "exact"
    evidence: Literal["predicted", "measured", "replayed"] = "predicted"
    """Of the subnet's latency; those of the front are predicted."""
    top1_evidence: Literal["predicted", "measured"] = "predicted"
    subnet: SubnetPart
    latency_ms: float
    latency_interval_ms: tuple[float, float] | None
    """None where the cost model does not know."""
    top1_percent: float
    top1_interval_percent: tuple[float, float] | None
    multiply_adds: int
    parameters: int
    size_bytes: int
    """Of int8 weights, int32 biases, their scales and zero points."""
    memory_bytes: int
    """The largest sum of int8 activations alive at once, the network's input held to the end."""
    off_path: tuple[str, ...]
    """Operators that leave the target's fast unit."""
    limits: LimitsPart | None = None
    prediction: PredictionPart
    """The latency kernel by kernel."""
    accuracy: AccuracySourcePart
    promised: PointPart | None = None
    """The network of the highest predicted top-1 within the budget, whatever its interval."""
    notes: tuple[str, ...] = ()
    effects: tuple[EffectPart, ...] = ()
    front: tuple[PointPart, ...]
    feedback: FeedbackPart | None = None
    """None where nothing was measured."""
    compilation: Report | None = None
    timings_ms: dict[str, float] = Field(default_factory=dict[str, float])

    def to_json(self) -> str:
        """The document as indented JSON."""
        return self.model_dump_json(indent=2)
