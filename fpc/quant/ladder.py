"""The ladder of recipes: from the cheapest to the most careful, the best is kept.

The automatic recipe climbs in this order. Min-max ranges with weights to nearest show what the
network takes without help. Optimised rounding with bias correction, one walk over the layers, is
tried on every network at the same time, because most are limited by their weights. Percentile and
MSE ranges act on activations; they follow only while the result is not good enough, MSE ranges also
where they cost next to nothing. So does equalisation, and it is tried wherever most layers allow
it: networks of plain ReLUs gain a few decibels.

Where scales are powers of two the order of ranges is the other way round: clipping a few values
halves the steps of all others, which is worth a bit, so MSE ranges come first and min-max last.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fpc.diagnostics.progress import Progress, silent
from fpc.interp.runner import Samples
from fpc.interp.two_at_once import two_at_once
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.quant.calibration.distribution import Distribution
from fpc.quant.calibration.holdout import affordable, split_samples
from fpc.quant.calibration.observers import MeanSquaredError, MinMax, Observer, Percentile
from fpc.quant.plan import QuantPlan
from fpc.quant.quality.layer_errors import layer_errors
from fpc.quant.quality.verdict import Quality
from fpc.quant.recipes import Recipe, Refinement, parse_recipe
from fpc.quant.refinement.layerwise import walk_size
from fpc.quant.runners import Runners
from fpc.quant.scheme import Scheme
from fpc.quant.workbench import Adjust, Built, Workbench
from fpc.targets.description import multiply_adds

_SETTLED_DB = 20.0
_MOST_LAYERS = 0.5
_CHEAP_PRODUCTS = 10_000_000_000
"""Multiply-adds of a pass over all calibration samples up to which MSE ranges are always tried: it
takes seconds then, and brings a decibel now and again."""
_CLIPPING: tuple[Observer, ...] = (Percentile(99.99), MeanSquaredError())


@dataclass(frozen=True)
class Rung:
    """One recipe: the quality it reached (None when it was not tried), why, and its time."""

    recipe: str
    quality: Quality | None
    note: str
    duration_ms: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """The best integer network found, its layers measured (each by itself too where it is poor).

    float_graph is the graph that was quantised in the end: the given one, or its equalised form,
    which computes the same; `plan` speaks of its values.
    """

    graph: Graph
    float_graph: Graph
    plan: QuantPlan
    recipe: str
    quality: Quality
    rungs: tuple[Rung, ...]
    warnings: tuple[str, ...] = ()


def as_seen(graph: Graph, statistics: Mapping[Value, Distribution]) -> Mapping[Value, Distribution]:
    """The statistics as the samples gave them."""
    del graph
    return statistics


def climb(  # noqa: PLR0913 - options are keywords
    graph: Graph,
    calibration: Samples,
    scheme: Scheme,
    runners: Runners,
    *,
    holdout: Samples | None = None,
    recipe: str = "auto",
    keep_float: frozenset[Node[Op]] = frozenset(),
    adjust: Adjust = as_seen,
    progress: Progress = silent,
) -> Outcome:
    """Quantise the optimised float NCHW `graph` with `recipe` (see `fpc.quant.recipes`).

    calibration, holdout: float inputs; without holdout every fifth calibration sample (32 at most)
    is set aside to judge by. keep_float: nodes that must not become integer. adjust: corrects the
    statistics where samples are not real inputs. The automatic recipe returns the best network it
    has seen, by output SQNR. `UsageError` for an unknown recipe, `QuantError` without samples.
    """
    wanted = parse_recipe(recipe)
    split = split_samples(calibration, holdout, affordable(calibration, walk_size(graph)))
    bench = Workbench(graph, split, scheme, runners, keep_float, adjust, progress)
    products = len(split.calibration) * sum(map(multiply_adds, graph))
    ladder = _Ladder(bench, products, scheme)
    if wanted is not None:
        ladder.attempt(wanted, "asked for")
    else:
        ladder.climb()
    best = ladder.best
    layers = layer_errors(
        best.float_graph,
        best.graph,
        split.holdout,
        runners,
        plan=best.plan,
        own=best.quality.is_poor,
    )
    return Outcome(
        graph=best.graph,
        float_graph=best.float_graph,
        plan=best.plan,
        recipe=str(best.recipe),
        quality=replace(best.quality, layers=layers),
        rungs=tuple(ladder.rungs),
        warnings=(*split.warnings, *best.notes),
    )


class _Ladder:
    """What was tried, and the best of it."""

    def __init__(self, bench: Workbench, products: int, scheme: Scheme) -> None:
        self._bench = bench
        self._ranges: Observer = MeanSquaredError() if scheme.power_of_two else MinMax()
        self._other_ranges = (MinMax(),) if scheme.power_of_two else _CLIPPING
        self._is_cheap = products <= _CHEAP_PRODUCTS
        self.rungs: list[Rung] = []
        self._tried: list[Built] = []

    @property
    def best(self) -> Built:
        """The network of greatest SQNR, the first of equals."""
        return max(self._tried, key=lambda built: built.quality.sqnr_db)

    def attempt(self, recipe: Recipe, note: str) -> Built:
        """Quantise by `recipe` and judge the result."""
        return self._keep(note, *self._timed(recipe))

    def _timed(self, recipe: Recipe) -> tuple[Built, float]:
        """What `recipe` makes, and the milliseconds that it takes."""
        started = time.perf_counter()
        built = self._bench.build(recipe)
        return built, (time.perf_counter() - started) * 1e3

    def _keep(self, note: str, built: Built, duration_ms: float) -> Built:
        self._tried.append(built)
        self.rungs.append(Rung(str(built.recipe), built.quality, note, duration_ms))
        return built

    def skip(self, recipe: Recipe, note: str) -> None:
        """Say why a rung is left out."""
        self.rungs.append(Rung(str(recipe), None, note))

    def climb(self) -> None:
        """Every rung that can still help."""
        nearest = Recipe(MinMax())
        careful = Recipe(self._ranges, refinement=Refinement.ROUNDING)
        self._bench.observe()
        first, second = two_at_once(self._timed, (nearest, careful))
        plain = self._keep("where the network stands without help", *first)
        refined = self._keep("corrects biases and rounds for responses, layer by layer", *second)
        if refined.quality.sqnr_db < plain.quality.sqnr_db:
            biases = replace(careful, refinement=Refinement.BIAS)
            self.attempt(biases, "rounding did not help: biases alone")
        self._equalise(replace(careful, equalise=True))
        for observer in self._other_ranges:
            recipe = replace(self.best.recipe, observer=observer)
            if self._is_settled and not (self._is_cheap and observer == MeanSquaredError()):
                self.skip(recipe, self._not_needed)
            else:
                clips = observer != MinMax()
                self.attempt(recipe, "clips rare values" if clips else "clips nothing")

    def _equalise(self, recipe: Recipe) -> None:
        """Even channels out where most layers allow it, or where help is needed."""
        if self._is_settled and self._bench.equalisable_share < _MOST_LAYERS:
            self.skip(recipe, self._not_needed)
        elif not self._bench.can_equalise:
            self.skip(recipe, "no activation here gains by it")
        else:
            self.attempt(recipe, "evens the ranges of channels out")

    @property
    def _is_settled(self) -> bool:
        return self.best.quality.sqnr_db >= _SETTLED_DB

    @property
    def _not_needed(self) -> str:
        return f"not needed at {self.best.quality.sqnr_db:.1f} dB"
