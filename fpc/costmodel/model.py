"""A fitted cost model: prices with their provenance, as a JSON document, and what it predicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fpc.costmodel.features import FeatureFamily, Matrix, family
from fpc.costmodel.kernels import Kernel
from fpc.costmodel.regression import Fit, fit, leverage
from fpc.diagnostics.errors import CostModelError

Evidence = Literal["measured", "replayed", "simulated", "predicted"]

CONFIDENCE = 0.90
_FAR = 2.0
"""A network extrapolates when its leverage is so many times the largest seen in training."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Condition(_Data):
    """What a latency belongs to: prices are never shared between conditions."""

    device: str
    runtime: str
    threads: int | None = Field(default=None, description="None where the source does not say")
    precision: Literal["int8", "float32"] = "int8"

    def __str__(self) -> str:
        threads = "threads not stated" if self.threads is None else f"{self.threads} threads"
        threads = "1 thread" if self.threads == 1 else threads
        return f"{self.device}, {self.runtime}, {threads}, {self.precision}"


class Provenance(_Data):
    """Where prices come from."""

    source: str
    evidence: Evidence
    """Of the latencies that were fitted."""
    rows: int
    networks: str
    date: str
    mape_percent: float
    """Mean absolute percentage error out of fold (5 folds) on the rows that were fitted."""


class Price(_Data):
    """One feature's price and what the training rows had of it."""

    feature: str
    ns: float
    """Nanoseconds apiece, which is milliseconds a million."""
    seen: bool
    """Whether any training row had this feature; the roofline gives the price otherwise."""


class CostModel(_Data):
    """Prices of one condition."""

    format: Literal[1] = 1
    target: str
    condition: Condition
    is_default: bool = False
    """Whether this condition is meant where a user names none."""
    features: str
    prices: tuple[Price, ...]
    information: tuple[tuple[float, ...], ...]
    half_width: float
    """The 90 % quantile of out-of-fold relative errors, at no leverage."""
    largest_leverage: float
    pull: float
    provenance: Provenance

    @model_validator(mode="after")
    def _complete(self) -> CostModel:
        names = family(self.features).names
        if tuple(price.feature for price in self.prices) != names:
            raise ValueError(f"prices must be those of {', '.join(names)}, in this order")
        if np.shape(self.information) != (len(names), len(names)):
            raise ValueError(f"`information` must be {len(names)} x {len(names)}")
        return self

    @classmethod
    def fitted(
        cls,
        target: str,
        condition: Condition,
        features: FeatureFamily,
        rows: Matrix,
        latency_ms: Matrix,
        provenance: Provenance,
        *,
        is_default: bool = False,
    ) -> CostModel:
        """Prices fitted to `rows` [networks, features] and their latencies [networks].

        The error in `provenance` is replaced by what the fit finds.
        """
        found = fit(rows, latency_ms, np.array(list(features.roofline.values())))
        error = float(100.0 * np.abs(found.relative_errors).mean())
        return cls(
            target=target,
            condition=condition,
            is_default=is_default,
            features=features.name,
            prices=tuple(
                Price(feature=name, ns=_rounded(price), seen=bool(column.any()))
                for name, price, column in zip(features.names, found.prices, rows.T, strict=True)
            ),
            information=tuple(tuple(map(_rounded, row)) for row in found.information),
            half_width=_rounded(_half_width(found)),
            largest_leverage=_rounded(float(found.leverages.max())),
            pull=found.pull,
            provenance=provenance.model_copy(
                update={"mape_percent": round(error, 3), "rows": len(latency_ms)}
            ),
        )

    @property
    def vector(self) -> Matrix:
        """Prices in the order of the family's features."""
        return np.array([price.ns for price in self.prices])

    def latency_ms(self, rows: Matrix) -> Matrix:
        """Latencies [networks] of feature rows [networks, features]."""
        return rows @ self.vector

    def relative_half_width(self, rows: Matrix) -> Matrix:
        """Half the 90 % interval as a fraction of the prediction, [networks]."""
        return self.half_width * np.sqrt(1.0 + self._leverage(rows))

    def extrapolates(self, rows: Matrix) -> NDArray[np.bool_]:
        """Whether each network is unlike those fitted on, [networks] of bool.

        It is when it lies far outside the training rows in the metric of the fit, or when a
        feature no training row had makes up more than one percent of its latency.
        """
        latency = self.latency_ms(rows)
        unseen = np.array([not price.seen for price in self.prices])
        guessed = (rows[:, unseen] @ self.vector[unseen]) / latency
        return (self._leverage(rows) > _FAR * self.largest_leverage) | (guessed > 0.01)

    def predict(self, kernels: Sequence[Kernel]) -> Prediction:
        """The latency of a network, kernel by kernel."""
        amounts = family(self.features).of_kernels(kernel.work for kernel in kernels)
        total = amounts.sum(axis=0, keepdims=True)
        latency = float(self.latency_ms(total)[0])
        if latency <= 0.0:
            raise CostModelError("nothing-to-predict", "the network has no kernel that costs time")
        half = latency * float(self.relative_half_width(total)[0])
        seen = {price.feature: price.seen for price in self.prices}
        used = [
            name
            for name, amount in zip(seen, total[0], strict=True)
            if amount > 0.0 and not seen[name]
        ]
        return Prediction(
            latency_ms=latency,
            interval_ms=(max(0.0, latency - half), latency + half),
            extrapolates=bool(self.extrapolates(total)[0]),
            unseen=tuple(used),
            kernels=tuple(
                KernelLatency(kernel, float(ms))
                for kernel, ms in zip(kernels, amounts @ self.vector, strict=True)
            ),
        )

    def _leverage(self, rows: Matrix) -> Matrix:
        relative = rows / self.latency_ms(rows)[:, None]
        return leverage(relative, np.array(self.information))


@dataclass(frozen=True)
class KernelLatency:
    """One kernel's share."""

    kernel: Kernel
    latency_ms: float


@dataclass(frozen=True)
class Prediction:
    """A predicted latency. `unseen` names features no training row had, priced by the roofline."""

    latency_ms: float
    interval_ms: tuple[float, float]
    extrapolates: bool
    unseen: tuple[str, ...]
    kernels: tuple[KernelLatency, ...]

    @property
    def costliest(self) -> tuple[KernelLatency, ...]:
        """The kernels, costliest first."""
        return tuple(sorted(self.kernels, key=lambda kernel: -kernel.latency_ms))


def read_model(path: Path) -> CostModel:
    """The cost model in the JSON file at `path`; `CostModelError` when it holds none."""
    try:
        return CostModel.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CostModelError("unreadable", f"cannot read {path}: {error}") from None
    except ValidationError as error:
        raise CostModelError(
            "malformed",
            f"{path} is not a cost model",
            notes=[
                f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
                for problem in error.errors()[:5]
            ],
            help="`fpc fit` writes one",
        ) from None


def _half_width(found: Fit) -> float:
    """The split-conformal quantile (Lei et al. 2018) of errors in units of their expected size."""
    scores = np.sort(np.abs(found.relative_errors) / np.sqrt(1.0 + found.leverages))
    rank = min(len(scores), math.ceil((len(scores) + 1) * CONFIDENCE))
    return float(scores[rank - 1])


def _rounded(value: float) -> float:
    """Six significant digits: files stay readable and the same on every machine."""
    return float(f"{value:.6g}")
