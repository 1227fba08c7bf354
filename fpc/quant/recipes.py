"""Recipes: what is done to quantise a network, as short text.

    recipe      = "auto" | part { "+" part }
    part        = range | "equalise" | "analytic-bias" | "bias-correct" | "round"
    range       = "min-max" | "percentile" [ "=" number ] | "mse" | "entropy"

Parts come in any order, each at most once, with at most one range (default min-max). Of the last
three the most thorough counts: `round` brings `bias-correct` along, because rounding is optimised
about the mean that the correction sets right.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from fpc.diagnostics.errors import UsageError
from fpc.diagnostics.render import suggest
from fpc.quant.calibration.observers import Entropy, MeanSquaredError, MinMax, Observer, Percentile

AUTO = "auto"
_EQUALISE = "equalise"
_REFINEMENTS = ("analytic-bias", "bias-correct", "round")
_RANGES = ("min-max", "percentile", "mse", "entropy")
_PARTS = (*_RANGES, _EQUALISE, *_REFINEMENTS)
_DEFAULT_PERCENT = 99.99


class Refinement(enum.IntEnum):
    """What is done to weights and biases, in order of effort."""

    NONE = 0
    """Weights to nearest, biases as they are."""
    ANALYTIC = 1
    """Bias correction for the rounding of weights, from the float network alone."""
    BIAS = 2
    """Empirical bias correction, layer after layer."""
    ROUNDING = 3
    """Optimised rounding and bias correction in one walk."""


@dataclass(frozen=True)
class Recipe:
    """One way to quantise: how ranges are chosen, and what is done about the errors."""

    observer: Observer
    equalise: bool = False
    refinement: Refinement = Refinement.NONE

    def __str__(self) -> str:
        parts = [self.observer.name.replace(" ", "=")]
        if self.equalise:
            parts.append(_EQUALISE)
        if self.refinement is not Refinement.NONE:
            parts.append(_REFINEMENTS[self.refinement - 1])
        return "+".join(parts)


def parse_recipe(text: str) -> Recipe | None:
    """The recipe that `text` names, None for `auto`; `UsageError` when it names none."""
    if text == AUTO:
        return None
    observers: list[Observer] = []
    seen: set[str] = set()
    for part in text.split("+"):
        name, has_argument, argument = part.partition("=")
        if name not in _PARTS or (has_argument and name != "percentile"):
            raise UsageError(
                "recipe",
                f"`{part}` is no part of a recipe",
                notes=["a recipe is `auto`, or parts joined by `+`: " + ", ".join(_PARTS)],
                help=suggest(part, (AUTO, *_PARTS), what="parts"),
            )
        if name in seen or (name in _RANGES and observers):
            raise UsageError(
                "recipe",
                f"`{text}` names {'a part twice' if name in seen else 'two rules for ranges'}",
                help="leave one of them out",
            )
        seen.add(name)
        if name in _RANGES:
            observers.append(_observer(name, argument))
    efforts = [place for place, name in enumerate(_REFINEMENTS, 1) if name in seen]
    observer = observers[0] if observers else MinMax()
    return Recipe(observer, _EQUALISE in seen, Refinement(max(efforts, default=0)))


def _observer(name: str, argument: str) -> Observer:
    match name:
        case "percentile":
            return Percentile(_percent(argument)) if argument else Percentile(_DEFAULT_PERCENT)
        case "mse":
            return MeanSquaredError()
        case "entropy":
            return Entropy()
        case _:
            return MinMax()


def _percent(text: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = 0.0
    if not 50.0 < percent <= 100.0:
        raise UsageError(
            "recipe",
            f"`{text}` is no percentage between 50 and 100",
            help="percentiles of use are 99.9 to 99.9999, as in `percentile=99.99`",
        )
    return percent
