"""A fitted cost model: prices with their provenance, as a JSON document, and what it predicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fpc.costmodel.families import family
from fpc.costmodel.features import FeatureFamily, Matrix
from fpc.costmodel.kernels import Kernel, KernelKind, Work
from fpc.costmodel.networks import Networks
from fpc.costmodel.prediction import KernelLatency, Prediction
from fpc.costmodel.regression import fit, leverage
from fpc.costmodel.response import Response, paced
from fpc.costmodel.response_fit import fit_response
from fpc.diagnostics.document import DocumentKind
from fpc.diagnostics.errors import CostModelError

Evidence: TypeAlias = Literal["measured", "replayed", "simulated", "predicted"]

Precision: TypeAlias = Literal["int8", "int16", "float32"]

CONFIDENCE = 0.90
_FAR = 2.0
"""A network extrapolates when its leverage is so many times the largest seen in training."""
_MOST = 0.5
"""Or when a larger share of its latency is spent in kernels no fitted network had."""
_GUESSED = 0.01
"""Or when so much of its latency has no measurement behind it."""
_OFF = 0.5
"""How far off a simulated kernel may be: instructions executed know of no stalls and no caches, and
between kinds of kernels that are measured, prices a kernel differ by as much."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Condition(_Data):
    """What a latency belongs to: prices are never shared between conditions."""

    device: str
    runtime: str
    threads: int | None = Field(default=None, description="None where the source does not say")
    precision: Precision = "int8"

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


class Correction(_Data):
    """What one kernel costs beyond its features, in milliseconds."""

    work: Work
    ms: float


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
    half_width_of_features: float
    """The same without corrections: what holds of kernels that no fitted network had."""
    largest_leverage: float
    pull: float
    shrinkage: float = Field(description="of the corrections; infinite where there are none")
    corrections: tuple[Correction, ...] = ()
    response: Response | None = None
    """What the latency is of the kernels' sum; None where it is that sum."""
    measured_kinds: tuple[KernelKind, ...] = ()
    """The kinds of kernels that were fitted, where prices of others are a simulation's."""
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
        networks: Networks,
        provenance: Provenance,
        *,
        is_default: bool = False,
        responds: bool = False,
        corrects: bool = True,
    ) -> CostModel:
        """Prices fitted to measured `networks`; with a response where the latency `responds`.

        A fit that `corrects` looks at every kernel for itself, where there is no response.
        Rows and error in `provenance` are replaced by what the fit finds.
        """
        measured = networks.measured(features)
        found = (
            fit_response(measured, paced(networks.works), features.prior)
            if responds
            else fit(measured, features.prior, corrects=corrects)
        )
        error = float(100.0 * np.abs(found.relative_errors).mean())
        return cls(
            target=target,
            condition=condition,
            is_default=is_default,
            features=features.name,
            prices=tuple(
                Price(feature=name, ns=_rounded(price), seen=bool(column.any()))
                for name, price, column in zip(
                    features.names, found.prices, measured.features.T, strict=True
                )
            ),
            information=tuple(tuple(map(_rounded, row)) for row in found.information),
            half_width=_rounded(_half_width(found.relative_errors, found.leverages)),
            half_width_of_features=_rounded(_half_width(found.feature_errors, found.leverages)),
            largest_leverage=_rounded(float(found.leverages.max())),
            pull=found.pull,
            shrinkage=found.shrinkage,
            corrections=tuple(
                Correction(work=work, ms=_rounded(float(ms)))
                for work, ms in zip(networks.works, found.corrections_ms, strict=True)
                if ms != 0.0
            ),
            response=None if found.response is None else found.response.rounded(_rounded),
            measured_kinds=_kinds(networks.works) if features.simulated else (),
            provenance=provenance.model_copy(
                update={"mape_percent": round(error, 3), "rows": len(measured)}
            ),
        )

    @property
    def vector(self) -> Matrix:
        """Prices in the order of the family's features."""
        return np.array([price.ns for price in self.prices])

    def to_json(self) -> str:
        """The document of its file; what is at its default is left out."""
        return self.model_dump_json(indent=1, exclude_defaults=True) + "\n"

    def kernel_ms(self, works: Sequence[Work]) -> Matrix:
        """The latency of each kernel, [kernels].

        Networks are sums of these; where there is a response, large networks are, and a constant.
        """
        by_features = family(self.features).of_kernels(works) @ self.vector
        corrections = self._corrections
        return by_features + np.array([corrections.get(work, 0.0) for work in works])

    @property
    def constant_ms(self) -> float:
        """What a large network costs beyond its kernels."""
        return 0.0 if self.response is None else self.response.constant_ms

    def network_ms(self, counts: Matrix, works: Sequence[Work]) -> Matrix:
        """The latencies of networks [networks] that run each of `works` `counts` times.

        `counts` [networks, kernels].
        """
        each = self.kernel_ms(works)
        if self.response is None:
            return counts @ each
        is_paced = paced(works)
        sums = counts[:, is_paced] @ each[is_paced]
        return self.response(sums) + counts[:, ~is_paced] @ each[~is_paced]

    def simulated(self, works: Sequence[Work]) -> NDArray[np.bool_]:
        """Which kernels are of a kind that only a simulation prices, [kernels]."""
        known = self.measured_kinds
        return np.array([bool(known) and work.kind not in known for work in works], np.bool_)

    def unfamiliar(self, works: Sequence[Work]) -> Matrix:
        """1 for each kernel that no fitted network had, else 0, [kernels].

        All 0 where there are no corrections: features alone do not know one kernel from another.
        """
        known = self._corrections
        return np.array([float(bool(known) and work not in known) for work in works])

    def relative_half_width(
        self, features: Matrix, latency_ms: Matrix, unfamiliar: Matrix
    ) -> Matrix:
        """Half the 90 % interval as a fraction of the latency, [networks].

        `features` [networks, features], `latency_ms` [networks] as predicted, and the share of it
        that is spent in unfamiliar kernels [networks].
        """
        width = self.half_width + unfamiliar * (self.half_width_of_features - self.half_width)
        return width * np.sqrt(1.0 + self._leverage(features, latency_ms))

    def extrapolates(
        self, features: Matrix, latency_ms: Matrix, unfamiliar: Matrix
    ) -> NDArray[np.bool_]:
        """Whether each network is unlike those fitted on, [networks].

        It is when it lies far outside the training rows in the metric of the fit, when most of its
        latency is spent in unfamiliar kernels, or when features no training row had make up more
        than one percent of it. Arguments as for `relative_half_width`.
        """
        unseen = np.array([not price.seen for price in self.prices])
        guessed = (features[:, unseen] @ self.vector[unseen]) / latency_ms
        far = self._leverage(features, latency_ms) > _FAR * self.largest_leverage
        return far | (unfamiliar > _MOST) | (guessed > _GUESSED)

    def predict(self, kernels: Sequence[Kernel]) -> Prediction:
        """The latency of a network, kernel by kernel."""
        works = [kernel.work for kernel in kernels]
        each = self.kernel_ms(works)
        total = family(self.features).of_network(works)[None]
        if each.sum() <= 0.0:
            raise CostModelError("nothing-to-predict", "the network has no kernel that costs time")
        latency = self.network_ms(np.ones((1, len(works))), works)
        milliseconds = float(latency[0])
        unfamiliar = each @ self.unfamiliar(works)[:, None] / latency
        simulated = self.simulated(works)
        simulated_ms = float(each[simulated].sum())
        half = milliseconds * float(self.relative_half_width(total, latency, unfamiliar)[0])
        half += _OFF * simulated_ms
        seen = {price.feature: price.seen for price in self.prices}
        used = [
            name
            for name, amount in zip(seen, total[0], strict=True)
            if amount > 0.0 and not seen[name]
        ]
        return Prediction(
            latency_ms=milliseconds,
            interval_ms=(max(0.0, milliseconds - half), milliseconds + half),
            extrapolates=bool(self.extrapolates(total, latency, unfamiliar)[0])
            or simulated_ms > _GUESSED * milliseconds,
            unseen=tuple(used),
            kernels=tuple(
                KernelLatency(kernel, float(ms), bool(is_simulated))
                for kernel, ms, is_simulated in zip(kernels, each, simulated, strict=True)
            ),
            simulated_ms=simulated_ms,
            constant_ms=0.0 if self.response is None else milliseconds - float(each.sum()),
        )

    @cached_property
    def _corrections(self) -> dict[Work, float]:
        return {correction.work: correction.ms for correction in self.corrections}

    def _leverage(self, features: Matrix, latency_ms: Matrix) -> Matrix:
        return leverage(features / latency_ms[:, None], np.array(self.information))


def read_model(path: Path) -> CostModel:
    """The cost model in the JSON file at `path`; `CostModelError` when it holds none."""
    kind = DocumentKind(
        CostModel,
        "is not a cost model",
        fault=CostModelError,
        malformed="malformed",
        help="`fpc fit` writes one",
    )
    return kind.read(path)


def _half_width(errors: Matrix, leverages: Matrix) -> float:
    """The split-conformal quantile (Lei et al. 2018) of errors in units of their expected size."""
    scores = np.sort(np.abs(errors) / np.sqrt(1.0 + leverages))
    rank = min(len(scores), math.ceil((len(scores) + 1) * CONFIDENCE))
    return float(scores[rank - 1])


def _kinds(works: Sequence[Work]) -> tuple[KernelKind, ...]:
    found = {work.kind for work in works}
    return tuple(kind for kind in KernelKind if kind in found)


def _rounded(value: float) -> float:
    """Six significant digits: files stay readable and the same on every machine."""
    return float(f"{value:.6g}")
