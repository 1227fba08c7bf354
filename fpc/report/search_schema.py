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


class SearchReport(_Part):
    """The whole document. Intervals are of 90 %; what is measured has none."""

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
    evidence: Literal["predicted"] = "predicted"
    """Of the latency."""
    top1_evidence: Literal["predicted", "measured"] = "predicted"
    subnet: SubnetPart
    latency_ms: float
    latency_interval_ms: tuple[float, float] | None
    """None where the cost model does not know."""
    top1_percent: float
    top1_interval_percent: tuple[float, float] | None
    multiply_adds: int
    parameters: int
    prediction: PredictionPart
    """The latency kernel by kernel."""
    accuracy: AccuracySourcePart
    promised: PointPart | None = None
    """The network of the highest predicted top-1 within the budget, whatever its interval."""
    notes: tuple[str, ...] = ()
    effects: tuple[EffectPart, ...] = ()
    front: tuple[PointPart, ...]
    compilation: Report | None = None
    timings_ms: dict[str, float] = Field(default_factory=dict[str, float])

    def to_json(self) -> str:
        """The document as indented JSON."""
        return self.model_dump_json(indent=2)
