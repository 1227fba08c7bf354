"""Where cost models come from that are fitted to made-up latencies."""

from __future__ import annotations

from fpc.costmodel.model import Provenance

ORIGIN = Provenance(
    source="made by the test",
    evidence="measured",
    rows=0,
    networks="drawn networks",
    date="2026-01-01",
    mape_percent=0.0,
)
