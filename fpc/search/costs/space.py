"""What every network of a space costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpc.costmodel.prediction import Pricing
from fpc.search.costs.tables import CostTables, cost_tables
from fpc.search.front import exact_front
from fpc.search.space.choices import StageChoices
from fpc.search.space.description import Setting, Space, Subnet


@dataclass(frozen=True, eq=False)
class Costs:
    """The choices of a space's stages, and their latencies at every setting."""

    choices: tuple[StageChoices, ...]
    settings: tuple[Setting, ...]
    tables: tuple[CostTables, ...]
    """One a setting."""

    @classmethod
    def of(
        cls,
        space: Space,
        choices: tuple[StageChoices, ...],
        pricing: Pricing,
        overhead_ms: float = 0.0,
    ) -> Costs:
        """The costs of `space`; `overhead_ms` is what every network takes beyond its kernels."""
        settings = space.settings
        tables = (cost_tables(space, each, choices, pricing, overhead_ms) for each in settings)
        return cls(choices, settings, tuple(tables))

    def limited_to(self, settings: tuple[Setting, ...]) -> Costs:
        """The same at some of the settings."""
        return Costs(self.choices, settings, tuple(map(self.at, settings)))

    def at(self, setting: Setting) -> CostTables:
        """The tables of one setting."""
        return self.tables[self.settings.index(setting)]

    def latency_ms(self, subnet: Subnet) -> float:
        """The sum of a network's entries."""
        return self.at(subnet.setting).of(self.choices, subnet)

    def fastest(self) -> tuple[int, list[int]]:
        """The place of its setting, and the picks, of the fastest network."""
        nothing = [np.zeros(len(stage)) for stage in self.choices]
        fronts = [
            exact_front(self.choices, tables, nothing, setting.width)
            for setting, tables in zip(self.settings, self.tables, strict=True)
        ]
        best = int(np.argmin([front.cost[0] for front in fronts]))
        return best, fronts[best].picks[0].tolist()
