"""Limits on a whole space, and what is said where nothing keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isinf

from fpc.diagnostics.amounts import enough
from fpc.diagnostics.errors import InfeasibleError
from fpc.search.costs.space import Costs
from fpc.search.limits.setting import Limits, SettingLimits
from fpc.search.space.choices import StageChoices
from fpc.search.space.description import Setting, Space, Subnet
from fpc.targets.description import Target


@dataclass(frozen=True, eq=False)
class SpaceLimits:
    """The limits at every setting; `unit` is the target's fast one."""

    limits: Limits
    unit: str
    settings: Mapping[Setting, SettingLimits]

    @classmethod
    def of(
        cls, space: Space, choices: tuple[StageChoices, ...], limits: Limits, target: Target
    ) -> SpaceLimits:
        """What every network of `space` takes on `target`, beside `limits`."""
        settings = {
            setting: SettingLimits.of(space, setting, choices, limits, target)
            for setting in space.settings
        }
        return cls(limits, target.runtime.fast_unit, settings)

    def excess(self, subnet: Subnet) -> float:
        """As `SettingLimits.excess`."""
        return self.settings[subnet.setting].excess(subnet)

    def fastest(self, costs: Costs) -> tuple[int, list[int]]:
        """As `Costs.fastest`, of the networks that keep the limits; errors as `possible`."""
        found = {
            setting: self.settings[setting].fastest(costs.at(setting))
            for setting in self.possible(costs.settings)
        }
        best = min(found, key=lambda setting: found[setting].cost[0])
        return costs.settings.index(best), found[best].picks[0].tolist()

    def possible(self, settings: Sequence[Setting]) -> tuple[Setting, ...]:
        """Those of `settings` at which some network keeps all limits.

        Where there is none, `InfeasibleError` names the first limit that cannot be kept together
        with those before it, in the order of fast unit, memory, size and multiply-adds, and the
        least value that can be.
        """
        if all(isinf(self.settings[setting].least_memory_bytes) for setting in settings):
            raise self._refused(self.settings[settings[0]])
        left = tuple(settings)
        for question in _QUESTIONS:
            least = {setting: question.least(self.settings[setting]) for setting in left}
            most = question.most(self.limits)
            left = tuple(
                setting for setting in left if least[setting] <= most and isfinite(least[setting])
            )
            if not left:
                raise question.unmet(most, min(least.values()), self.limits)
        return left

    def _refused(self, limits: SettingLimits) -> InfeasibleError:
        return InfeasibleError(
            "infeasible",
            f"every network of the space has operators that leave {self.unit}",
            notes=[f"{each.mnemonic}: {each.reason}" for each in limits.refusals],
            help="; ".join(dict.fromkeys(each.remedy for each in limits.refusals))
            or "leave --delegate-only out, or search another space",
        )


@dataclass(frozen=True)
class _Question:
    """One limit: the option it is given by, and the least that is possible."""

    option: str
    unit: str
    keeps: str
    most: Callable[[Limits], float]
    least: Callable[[SettingLimits], float]

    def unmet(self, most: float, least: float, limits: Limits) -> InfeasibleError:
        """The error of the limit `most`, where `least` would do."""
        needed = enough(int(least), self.unit)
        return InfeasibleError(
            "infeasible",
            f"no network of the space {self.keeps} {enough(int(most), self.unit)}",
            notes=[f"the least that is possible{self._beside(limits)} is {needed}"],
            help=f"raise the limit, {self.option} {needed}, or search another space",
        )

    def _beside(self, limits: Limits) -> str:
        """The limits that come before this one, as part of a sentence."""
        before = _QUESTIONS[: _QUESTIONS.index(self)]
        given = [each.option for each in before if not isinf(each.most(limits))]
        given = [*(["--delegate-only"] if limits.delegate_only else []), *given]
        return f" with {' and '.join(given)}" if given else ""


_QUESTIONS = (
    _Question(
        "--max-memory",
        "B",
        "keeps its activations within",
        lambda limits: limits.memory_bytes,
        lambda setting: setting.least_memory_bytes,
    ),
    _Question(
        "--max-size",
        "B",
        "has weights of at most",
        lambda limits: limits.size_bytes,
        lambda setting: setting.least_size_bytes,
    ),
    _Question(
        "--max-macs",
        "",
        "does with multiply-adds of at most",
        lambda limits: limits.multiply_adds,
        lambda setting: setting.least_multiply_adds,
    ),
)
