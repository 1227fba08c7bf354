"""How good a latency predictor is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fpc.costmodel.features import Matrix


@dataclass(frozen=True)
class Goodness:
    """Errors of predictions beside measurements."""

    rows: int
    mape_percent: float
    """Mean absolute percentage error."""
    within_5_percent: float
    """Share of rows with at most 5 % error, in percent."""
    within_10_percent: float
    spearman: float
    """Rank correlation."""


def goodness(predicted_ms: Matrix, measured_ms: Matrix) -> Goodness:
    """Compare [rows] of predictions with measurements."""
    from scipy.stats import spearmanr  # pyright: ignore[reportUnknownVariableType]

    errors = 100.0 * np.abs(predicted_ms / measured_ms - 1.0)
    ranks: Any = spearmanr(predicted_ms, measured_ms)
    return Goodness(
        rows=len(errors),
        mape_percent=float(errors.mean()),
        within_5_percent=float(100.0 * (errors <= 5.0).mean()),
        within_10_percent=float(100.0 * (errors <= 10.0).mean()),
        spearman=float(ranks.statistic),
    )
