"""Accuracy of a space's networks, predicted from those that were trained: a JSON document.

top-1 = ceiling - exp(-index), and the index is a sum over stages. The link saturates as accuracy
does, so that a search among 10^18 networks is not promised more than the ceiling; and since it is
monotone, the best sum is the best network. The interval of a network is

    ceiling - exp(-(index -+ doubt)) -+ half width,

where the doubt is a sum over stages of leverages: it is small where many measured networks had
such a stage and grows outside of them. So the lower end is a monotone function of a sum as well,
and can be maximised exactly. The half width makes 90 % of the measurements out of fold lie in their
intervals (conformalised quantiles; Romano et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from fpc.diagnostics.document import DocumentKind
from fpc.diagnostics.errors import SearchError
from fpc.search.accuracy.design import Part, of_settings
from fpc.search.accuracy.features import attributes
from fpc.search.accuracy.resolution import ResolutionEffect
from fpc.search.costs.tables import Matrix
from fpc.search.space.choices import StageChoices
from fpc.search.space.description import Setting

_FAR = 1.5
"""A network is unlike those measured when its leverage is so many times their largest."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Provenance(_Data):
    """Where accuracies come from, and how well they are predicted."""

    source: str
    evidence: Literal["measured", "replayed"]
    rows: int
    what: str = Field(description="such as `ImageNet top-1 of uint8 networks`")
    date: str
    rmse_points: float
    """Out of fold (5 folds), like the two that follow."""
    mape_percent: float
    spearman: float


class Prior(NamedTuple):
    """How coefficients were shrunk: see `fpc.search.accuracy.fit`."""

    penalty: float
    shrunk_more: float
    sharing: float


class Band(NamedTuple):
    """A predicted top-1 in percent with its 90 % interval; each a number or an array."""

    top1: Matrix
    low: Matrix
    high: Matrix


@dataclass(frozen=True, eq=False)
class StageScores:
    """Shares in the index and in the leverage of each choice of a stage, [choices]."""

    index: Matrix
    leverage: Matrix


class AccuracyModel(_Data):
    """The regression of one space."""

    format: Literal[1] = 1
    space: str
    ceiling: float
    intercept: float
    doubt: float
    """What a unit of leverage takes from or adds to the index, at the ends of the interval."""
    half_width: float
    """Points."""
    largest_leverage: float
    """Of the measured networks, out of fold."""
    measured: tuple[float, float]
    """The least and the largest top-1 that was measured."""
    resolutions: tuple[int, ...]
    widths: tuple[float, ...]
    stages: tuple[Part, ...]
    setting: Part
    prior: Prior
    provenance: Provenance

    def to_json(self) -> str:
        """The document of its file."""
        return self.model_dump_json(indent=1) + "\n"

    def scores(self, choices: Sequence[StageChoices]) -> tuple[StageScores, ...]:
        """What each choice of each stage adds."""
        found: list[StageScores] = []
        for part, stage in zip(self.stages, choices, strict=True):
            columns = part.columns(attributes(stage))
            found.append(StageScores(part.score(columns), part.leverage(columns)))
        return tuple(found)

    def setting_scores(self, setting: Setting) -> StageScores:
        """What a setting adds, as arrays of one."""
        columns = self.setting.columns(of_settings([setting]))
        return StageScores(
            self.intercept + self.setting.score(columns), self.setting.leverage(columns)
        )

    def lower_score(self, scores: StageScores) -> Matrix:
        """What is summed over stages to maximise the lower end of the interval, [choices]."""
        return scores.index - self.doubt * scores.leverage

    def band(
        self, index: Matrix, leverage: Matrix, setting: Setting, effect: ResolutionEffect
    ) -> Band:
        """Top-1 of networks of one setting by the sums of their shares, [networks]."""
        doubt = self.doubt * leverage
        top1, low, high = (
            self.ceiling - np.exp(-(index + shift)) for shift in (0.0 * doubt, -doubt, doubt)
        )
        low, high = low - self.half_width, np.minimum(high + self.half_width, 100.0)
        if self._knows(setting.resolution):
            return Band(top1, low, high)
        ratio, half = effect.log_ratio(setting.resolution, self.resolutions[0])
        return Band(
            100.0 - (100.0 - top1) * math.exp(ratio),
            100.0 - (100.0 - low) * math.exp(ratio + half),
            100.0 - (100.0 - high) * math.exp(ratio - half),
        )

    def covers(self, setting: Setting) -> bool:
        """Whether anything can be said of networks of this width."""
        has_width = any(attribute.name == "width" for attribute in self.setting.attributes)
        return has_width or setting.width in self.widths

    def caveats(
        self, top1: float, leverage: float, setting: Setting, effect: ResolutionEffect
    ) -> Iterator[str]:
        """What lies outside the measured range in a prediction."""
        least, most = self.measured
        if not least <= top1 <= most:
            yield (
                f"top-1 of {top1:.1f} % is outside the measured range, {least:.1f} to {most:.1f} %"
            )
        if setting.resolution not in self.resolutions:
            trained = ", ".join(map(str, self.resolutions))
            yield (
                f"no network was measured at {setting.resolution} px, only at {trained} px"
                + (
                    ""
                    if self._knows(setting.resolution)
                    else f"; the step is that of {effect.source}"
                )
            )
        if leverage > _FAR * self.largest_leverage:
            yield "the network is unlike those measured: the interval is a guess"

    def _knows(self, resolution: int) -> bool:
        has_resolution = any(item.name == "resolution" for item in self.setting.attributes)
        return has_resolution or resolution in self.resolutions


def read_accuracy(path: Path) -> AccuracyModel:
    """The regression in the JSON file at `path`; `SearchError` when it holds none."""
    kind = DocumentKind(
        AccuracyModel,
        "is not an accuracy regression",
        fault=SearchError,
        malformed="malformed-accuracy",
        help="give a table of subnets and their top-1 (.csv) and fpc fits one",
    )
    return kind.read(path)
