"""Exact search: the front of a whole space, and its best network under a budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fpc.diagnostics.errors import InfeasibleError, SearchError
from fpc.search.accuracy.model import AccuracyModel, Band, StageScores
from fpc.search.accuracy.resolution import ResolutionEffect
from fpc.search.costs.space import Costs
from fpc.search.costs.tables import Matrix
from fpc.search.front import Front, exact_front, undominated
from fpc.search.limits.space import SpaceLimits
from fpc.search.space.choices import IntArray, StageChoices
from fpc.search.space.description import Setting, Space, Subnet
from fpc.search.space.encoding import encode

Objective: TypeAlias = Literal["lower", "top1"]
"""What is maximised: the lower end of the interval of top-1, or the prediction itself."""


@dataclass(frozen=True)
class Candidate:
    """A network with its predicted latency in milliseconds and top-1 in percent.

    A top-1 that was measured has no interval.
    """

    subnet: Subnet
    latency_ms: float
    top1: float
    top1_interval: tuple[float, float] | None
    leverage: float


@dataclass(frozen=True, eq=False)
class SpaceFront:
    """Undominated networks of a space by ascending latency; each array is [points]."""

    choices: tuple[StageChoices, ...]
    settings: tuple[Setting, ...]
    latency_ms: Matrix
    band: Band
    leverage: Matrix
    setting: IntArray
    picks: IntArray
    is_limited: bool = False
    """Whether only networks within limits beyond latency are there."""

    def __len__(self) -> int:
        return len(self.latency_ms)

    def __getitem__(self, index: int) -> Candidate:
        return Candidate(
            Subnet(
                self.settings[self.setting[index]],
                tuple(
                    stage[int(pick)]
                    for stage, pick in zip(self.choices, self.picks[index], strict=True)
                ),
            ),
            float(self.latency_ms[index]),
            float(self.band.top1[index]),
            (float(self.band.low[index]), float(self.band.high[index])),
            float(self.leverage[index]),
        )

    def reaches(self, budget_ms: float) -> bool:
        """Whether any network is within the budget."""
        return len(self) > 0 and bool(self.latency_ms[0] <= budget_ms)

    def best(self, budget_ms: float) -> Candidate:
        """The best network within the budget; `InfeasibleError` names the fastest otherwise."""
        place = int(np.searchsorted(self.latency_ms, budget_ms, side="right")) - 1
        if place < 0:
            fastest = self[0]
            raise infeasible(
                budget_ms, fastest.subnet, fastest.latency_ms, is_limited=self.is_limited
            )
        return self[place]


def infeasible(
    budget_ms: float, fastest: Subnet, latency_ms: float, *, is_limited: bool = False
) -> InfeasibleError:
    """The error that names the fastest network, of those within limits, where it is too slow."""
    enough_ms = math.ceil(100.0 * latency_ms) / 100.0
    of_which = " that keeps the other limits" if is_limited else ""
    return InfeasibleError(
        "infeasible",
        f"no network of the space{of_which} is predicted to run within {budget_ms:g} ms",
        notes=[f"the fastest{of_which} takes {latency_ms:.2f} ms: {encode(fastest)}"],
        help=f"raise the budget to {enough_ms:.2f} ms, or search another space",
    )


@dataclass(frozen=True, eq=False)
class ExactSearch:
    """A space with what each choice costs and scores, ready to be searched."""

    costs: Costs
    accuracy: AccuracyModel
    effect: ResolutionEffect
    scores: tuple[StageScores, ...]
    limits: SpaceLimits | None = None
    """Only networks that keep them are found."""

    @classmethod
    def of(
        cls,
        space: Space,
        costs: Costs,
        accuracy: AccuracyModel,
        effect: ResolutionEffect,
        limits: SpaceLimits | None = None,
    ) -> ExactSearch:
        """A search of `space` at every setting of which `accuracy` can say something.

        `SearchError` where it is of another space, or knows none of its widths.
        """
        if accuracy.space != space.name or len(accuracy.stages) != len(space.stages):
            raise SearchError(
                "accuracy-space",
                f"the accuracy regression is of the space `{accuracy.space}`, not `{space.name}`",
            )
        known = tuple(setting for setting in space.settings if accuracy.covers(setting))
        if not known:
            raise SearchError(
                "no-width",
                f"no network of a width of `{space.name}` was measured",
                help="add networks of its widths to the table",
            )
        scores = accuracy.scores(costs.choices)
        return cls(costs.limited_to(known), accuracy, effect, scores, limits)

    def front(self, objective: Objective = "lower") -> SpaceFront:
        """The front of latency and objective over all settings.

        `InfeasibleError` where no network keeps the limits.
        """
        summed = self._summed(objective)
        if self.limits is None:
            fronts = {
                setting: exact_front(self.costs.choices, tables, summed, setting.width)
                for setting, tables in zip(self.costs.settings, self.costs.tables, strict=True)
            }
        else:
            fronts = {
                setting: self.limits.settings[setting].front(self.costs.at(setting), summed)
                for setting in self.limits.possible(self.costs.settings)
            }
        return self._space_front(fronts, objective)

    def best(self, objective: Objective, budget_ms: float) -> Candidate | None:
        """The best network within the budget, if any, as `front` has it; without the front."""
        summed = self._summed(objective)
        found: dict[Setting, Front] = {}
        for setting, tables in zip(self.costs.settings, self.costs.tables, strict=True):
            if self.limits is None:
                found[setting] = exact_front(self.costs.choices, tables, summed, setting.width)
            else:
                of_setting = self.limits.settings[setting]
                found[setting] = of_setting.best(tables, summed, budget_ms)
        front = self._space_front(found, objective)
        return front.best(budget_ms) if front.reaches(budget_ms) else None

    def _summed(self, objective: Objective) -> list[Matrix]:
        """What is summed over stages and maximised, [choices] of each."""
        return [
            self.accuracy.lower_score(stage) if objective == "lower" else stage.index
            for stage in self.scores
        ]

    def _space_front(self, fronts: Mapping[Setting, Front], objective: Objective) -> SpaceFront:
        """The undominated of the fronts of some settings."""
        latency = np.concatenate([front.cost for front in fronts.values()])
        judged = (self._judged(front.picks, setting) for setting, front in fronts.items())
        bands, leverages = zip(*judged, strict=True)
        band = Band(*(np.concatenate(ends) for ends in zip(*bands, strict=True)))
        kept = undominated(latency, band.low if objective == "lower" else band.top1)
        places = [self.costs.settings.index(setting) for setting in fronts]
        return SpaceFront(
            self.costs.choices,
            self.costs.settings,
            latency[kept],
            Band(*(end[kept] for end in band)),
            np.concatenate(leverages)[kept],
            np.repeat(places, [len(front) for front in fronts.values()])[kept],
            np.concatenate([front.picks for front in fronts.values()])[kept],
            self.limits is not None,
        )

    def candidate(self, subnet: Subnet) -> Candidate:
        """What is predicted of one network; `SearchError` for one that is not in the space."""
        stages = zip(self.costs.choices, subnet.stages, strict=True)
        picks = np.array([[choices.index(choice) for choices, choice in stages]])
        (top1, low, high), leverage = self._judged(picks, subnet.setting)
        return Candidate(
            subnet,
            self.costs.latency_ms(subnet),
            float(top1[0]),
            (float(low[0]), float(high[0])),
            float(leverage[0]),
        )

    def _judged(self, picks: IntArray, setting: Setting) -> tuple[Band, Matrix]:
        """The top-1 and the leverage of networks of one setting, `picks` [networks, stages]."""
        shared = self.accuracy.setting_scores(setting)
        index, leverage = shared.index, shared.leverage
        for stage, picked in zip(self.scores, picks.T, strict=True):
            index, leverage = index + stage.index[picked], leverage + stage.leverage[picked]
        return self.accuracy.band(index, leverage, setting, self.effect), leverage
