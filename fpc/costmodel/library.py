"""The cost models at hand: shipped files, and a user's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from fpc.costmodel.model import Condition, CostModel, read_model
from fpc.diagnostics.errors import CostModelError


@dataclass(frozen=True)
class Wanted:
    """The condition that somebody asks for: None is any, and a part of a runtime's name will do."""

    precision: str = "int8"
    runtime: str | None = None
    threads: int | None = None

    def admits(self, condition: Condition) -> bool:
        """Whether `condition` is one of those asked for."""
        return (
            condition.precision == self.precision
            and (self.threads is None or condition.threads == self.threads)
            and (self.runtime is None or self.runtime.lower() in condition.runtime.lower())
        )

    def __str__(self) -> str:
        runtime = "" if self.runtime is None else f", runtime {self.runtime}"
        threads = "" if self.threads is None else f", {self.threads} threads"
        return f"{self.precision}{runtime}{threads}"


def shipped(target: str = "") -> tuple[CostModel, ...]:
    """Every cost model that comes with fpc; with a target's name only those of that target."""
    folder = Path(str(files("fpc.costmodel") / "coefficients"))
    models = (read_model(path) for path in sorted(folder.glob(f"{target}*.json")))
    return tuple(model for model in models if target in ("", model.target))


def select(
    models: Iterable[CostModel],
    target: str,
    *,
    precision: str,
    runtime: str | None = None,
    threads: int | None = None,
) -> CostModel:
    """The cost model for `target` under the condition asked for.

    Where several fit, the target's default condition, else the one fitted best.
    `CostModelError` (`cost.no-model`) names the conditions there are.
    """
    wanted = Wanted(precision, runtime, threads)
    of_target = [model for model in models if model.target == target]
    fitting = [model for model in of_target if wanted.admits(model.condition)]
    if fitting:
        return min(fitting, key=lambda model: (not model.is_default, model.provenance.mape_percent))
    raise CostModelError(
        "no-model",
        f"there is no cost model of `{target}` for {wanted}",
        notes=[f"there is one for {model.condition}" for model in of_target],
        help="choose a condition that there is with --runtime and --threads"
        if of_target
        else "measure networks with `fpc measure` and fit one with `fpc fit`",
    )
