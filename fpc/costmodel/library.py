"""The cost models at hand: shipped files, and a user's own."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from fpc.costmodel.model import CostModel, read_model
from fpc.diagnostics.errors import CostModelError


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
    of_target = [model for model in models if model.target == target]
    fitting = [
        model
        for model in of_target
        if model.condition.precision == precision
        and (runtime is None or runtime.lower() in model.condition.runtime.lower())
        and (threads is None or model.condition.threads == threads)
    ]
    if fitting:
        return min(fitting, key=lambda model: (not model.is_default, model.provenance.mape_percent))
    asked = ", ".join(
        [
            precision,
            *([f"runtime {runtime}"] if runtime is not None else []),
            *([f"{threads} threads"] if threads is not None else []),
        ]
    )
    raise CostModelError(
        "no-model",
        f"there is no cost model of `{target}` for {asked}",
        notes=[f"there is one for {model.condition}" for model in of_target],
        help="choose a condition that there is with --runtime and --threads"
        if of_target
        else "measure networks with `fpc measure` and fit one with `fpc fit`",
    )
