"""The document `report.json`: everything one compilation did, measured and decided.

Every view (the printed summary, tables, pictures) is made from this document alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class ModelPart(_Part):
    """The model that was compiled."""

    name: str
    sha256: str
    producer: str
    opset: int
    inputs: dict[str, str]
    outputs: dict[str, str]
    nodes: int
    multiply_adds: int
    parameters: int


class DeclinedPart(_Part):
    """A rewrite that was recognised and refused."""

    where: str
    reason: str


class PassPart(_Part):
    """What one pass did."""

    text: str
    modified: bool
    edits: int
    nodes: int
    duration_ms: float
    declined: tuple[DeclinedPart, ...] = ()


class LayerPart(_Part):
    """How far one layer of the integer network is from the float one."""

    name: str
    op: str
    sqnr_db: float
    cosine: float | None = None
    own_sqnr_db: float | None = None
    """The layer's own error alone, its inputs taken as exact, where it was measured."""
    weight_bits: int | None = None
    """Bits of the greatest weight of a channel, the median over channels; None without weights."""


class QualityPart(_Part):
    """Float against integer network on samples kept out of calibration."""

    verdict: str
    samples: int
    sqnr_db: float
    cosine: float
    agreement: float | None = Field(default=None, description="share of equal top-1, percent")
    reasons: tuple[str, ...] = ()


class RungPart(_Part):
    """One recipe that was tried."""

    recipe: str
    quality: QualityPart | None
    note: str = ""
    duration_ms: float = 0.0


class SwapPart(_Part):
    """What swapping one activation for ReLU6 would cost, in SQNR of the output."""

    where: str
    op: str
    sqnr_db: float | None
    """None without calibration samples to measure it on."""
    applied: bool


class QuantisationPart(_Part):
    """How the network was quantised."""

    scheme: str
    calibration: str
    calibration_samples: int
    recipe: str
    quality: QualityPart
    rungs: tuple[RungPart, ...] = ()
    layers: tuple[LayerPart, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def weight_bits(self) -> tuple[int, int] | None:
        """The fewest and the most bits of a layer's weights."""
        bits = [layer.weight_bits for layer in self.layers if layer.weight_bits is not None]
        return (min(bits), max(bits)) if bits else None


class PlacedPart(_Part):
    """Where one node runs; reason and remedy where that is not at full speed."""

    node: str
    op: str
    unit: str
    is_fast: bool
    multiply_adds: int
    effect: Literal["slow", "leaves", "refused"] | None = None
    reason: str = ""
    found: str = ""
    remedy: str = ""


class PlacementPart(_Part):
    """Where the nodes of the optimised network run on the target."""

    fast_unit: str
    nodes: tuple[PlacedPart, ...]

    @property
    def off_path(self) -> tuple[PlacedPart, ...]:
        """The nodes off the fast path, or slow on it."""
        return tuple(node for node in self.nodes if node.effect is not None)

    @property
    def fast_nodes(self) -> int:
        """How many nodes the fast unit runs."""
        return sum(node.is_fast for node in self.nodes)

    @property
    def fast_share(self) -> float:
        """The percentage of multiply-adds that the fast unit does."""
        total = sum(node.multiply_adds for node in self.nodes)
        fast = sum(node.multiply_adds for node in self.nodes if node.is_fast)
        return 100.0 * fast / max(1, total)


class KernelPart(_Part):
    """A kernel's share of the predicted latency."""

    node: str
    op: str
    latency_ms: float
    evidence: Literal["predicted", "simulated"] = "predicted"
    """`simulated` where nobody measured such a kernel: its price rests on executed instructions."""


class PredictionPart(_Part):
    """A latency that a cost model predicts, in milliseconds, with its 90 % interval."""

    latency_ms: float
    interval_ms: tuple[float, float] | None
    """None where the prices were looked up in a table that does not say how they scatter."""
    extrapolates: bool
    """Whether the network is unlike those that the cost model was fitted on."""
    evidence: Literal["predicted"] = "predicted"
    condition: str
    fitted_on: str
    """What the cost model was fitted on, with the evidence label of those latencies."""
    notes: tuple[str, ...] = ()
    kernels: tuple[KernelPart, ...]
    """Costliest first."""
    constant_ms: float = 0.0
    """What an inference takes beyond its kernels."""
    simulated_ms: float = 0.0
    """How much of the latency is that of simulated kernels."""


class AccuracyPart(_Part):
    """Percentages over `samples`, float and compiled, and how predictions moved from one to other.

    `sqnr_db` compares the first outputs over all samples; `agreement` is the share of equal top-1.
    `label_offset` is what was added to labels (1 where the network has a background class first).
    """

    samples: int
    float_top1: float
    float_top5: float
    top1: float
    top5: float
    right_to_wrong: int
    wrong_to_right: int
    agreement: float
    sqnr_db: float
    label_offset: int


class VerificationPart(_Part):
    """The written file, run in the target's runtime, against fpc's own semantics."""

    runtime: str
    numerics: str
    samples: int
    elements: int
    different: int
    largest_difference: float
    exact: bool
    """Whether every element has the same bits."""


class FilePart(_Part):
    """A file of the artifact."""

    name: str
    bytes: int
    sha256: str


class Report(_Part):
    """The whole document."""

    format: int = FORMAT
    fpc: str
    target: str
    precision: str
    model: ModelPart
    input_type: str
    output_type: str
    io_layout: str
    versions: dict[str, str]
    pipeline: str
    passes: tuple[PassPart, ...]
    quantisation: QuantisationPart | None = None
    swaps: tuple[SwapPart, ...] = ()
    placement: PlacementPart
    prediction: PredictionPart | None = None
    """None where fpc has no cost model of the target in this precision."""
    accuracy: AccuracyPart | None = None
    verification: VerificationPart | None = None
    files: tuple[FilePart, ...] = ()
    notes: tuple[str, ...] = ()
    timings_ms: dict[str, float] = Field(default_factory=dict[str, float])

    def to_json(self) -> str:
        """The document as indented JSON."""
        return self.model_dump_json(indent=2)
