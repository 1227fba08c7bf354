"""Carrying out recipes on one network, with everything kept that several of them need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from fpc.diagnostics.progress import Progress
from fpc.interp.two_at_once import begun
from fpc.ir import ops
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.quant.apply import apply_plan
from fpc.quant.calibration.distribution import Distribution
from fpc.quant.calibration.holdout import Split
from fpc.quant.calibration.mean_inputs import MeanInputs
from fpc.quant.calibration.output_ranges import Unpinned, pin_outputs
from fpc.quant.calibration.statistics import collect
from fpc.quant.equalisation.channel_ranges import channel_ranges
from fpc.quant.equalisation.channel_samples import channel_samples
from fpc.quant.equalisation.cross_layer import equalisable_share, equalise
from fpc.quant.equalisation.per_tensor import equalise_tensors, tensor_equalisable_share
from fpc.quant.plan import QuantPlan, make_plan
from fpc.quant.quality.guard import Guard
from fpc.quant.quality.verdict import Quality
from fpc.quant.recipes import Recipe, Refinement
from fpc.quant.refinement.refine import Refined, correct_analytically, refine
from fpc.quant.refinement.rounding import Rounding
from fpc.quant.runners import Runners
from fpc.quant.scheme import Scheme

Adjust: TypeAlias = Callable[[Graph, Mapping[Value, Distribution]], Mapping[Value, Distribution]]
"""Corrects what samples say of a graph's activations by what else is known of them."""

_AS_THEY_ARE = Refined({}, {})


@dataclass(frozen=True)
class Built:
    """An integer network, what it was made from and how, and how good it is."""

    recipe: Recipe
    graph: Graph
    float_graph: Graph
    plan: QuantPlan
    quality: Quality
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    """A float graph ready for planning: what its activations look like, which nodes stay float.

    means: of what its layers read, over the walked samples.
    """

    graph: Graph
    scheme: Scheme
    statistics: Mapping[Value, Distribution]
    means: Mapping[Value, Array]
    keep_float: frozenset[Node[Op]]


class Workbench:
    """One float network, its samples and the means to run it."""

    def __init__(
        self,
        graph: Graph,
        split: Split,
        scheme: Scheme,
        runners: Runners,
        keep_float: frozenset[Node[Op]],
        adjust: Adjust,
        progress: Progress,
    ) -> None:
        self._graph = graph
        self._split = split
        self._scheme = scheme
        self._runners = runners
        self._keep_float = keep_float
        self._adjust = adjust
        self._progress = progress

    def observe(self) -> None:
        """Run the float network: after that two threads may build recipes without equalisation."""
        _ = self._plain, self._coming_guard

    def build(self, recipe: Recipe) -> Built:
        """The integer network that `recipe` makes, judged."""
        source = self._equalised if recipe.equalise else self._plain
        observer = Unpinned(recipe.observer)
        plan = make_plan(
            source.graph,
            source.statistics,
            source.scheme,
            observer,
            keep_float=source.keep_float,
        )
        refined = self._refine(source, plan, recipe)
        integer = apply_plan(
            source.graph, plan, source.scheme, weights=refined.weights, biases=refined.biases
        )
        quality = self._coming_guard.result().quality(integer)
        notes = list(plan.notes)
        if recipe.equalise and not self.can_equalise:
            notes.append("equalisation changed nothing: no activation here gains by it")
        return Built(recipe, integer, source.graph, plan, quality, tuple(notes))

    @cached_property
    def equalisable_share(self) -> float:
        """The share of layers that equalisation may touch."""
        if self._scheme.has_per_tensor_convolutions:
            return tensor_equalisable_share(self._graph)
        return equalisable_share(self._graph)

    @property
    def can_equalise(self) -> bool:
        """Whether equalisation changes anything."""
        return self._equalised.graph is not self._graph

    def _refine(self, source: _Source, plan: QuantPlan, recipe: Recipe) -> Refined:
        if recipe.refinement is Refinement.NONE:
            return _AS_THEY_ARE
        if recipe.refinement is Refinement.ANALYTIC:
            return correct_analytically(source.graph, plan, source.scheme, source.means)
        stage = f"refine ({recipe})"
        return refine(
            source.graph,
            plan,
            source.scheme,
            self._split.walked,
            source.means,
            self._runners.integer,
            rounding=Rounding() if recipe.refinement is Refinement.ROUNDING else None,
            on_layer=lambda done, total: self._progress(stage, done, total),
        )

    @cached_property
    def _coming_guard(self) -> Future[Guard]:
        """The guard, whose answers another thread computes: recipes need them last."""
        return begun(lambda: Guard(self._graph, self._split.holdout, self._runners))

    @cached_property
    def _plain(self) -> _Source:
        return self._observe(self._graph, self._scheme, self._keep_float, "calibrate")

    @cached_property
    def _equalised(self) -> _Source:
        graph, scheme, runner = self._graph, self._scheme, self._runners.floating
        if scheme.has_per_tensor_convolutions:
            seen = channel_samples(graph, self._split.calibration, runner)
            equalised = equalise_tensors(graph, seen, scheme)
        else:
            equalised = equalise(graph, channel_ranges(graph, self._split.walked, runner))
        if not equalised.rescaled:
            return self._plain
        kept = self._keep_float
        if scheme.has_per_tensor_convolutions and ops.Clip not in scheme.integer_ops:
            # Limits that equalisation set are saturation, clamps of the network's own are not.
            kept |= set(graph.nodes_of(ops.Clip))
            scheme = replace(scheme, integer_ops=scheme.integer_ops | {ops.Clip})
        keep_float = frozenset(equalised.nodes[node] for node in kept)
        return self._observe(equalised.graph, scheme, keep_float, "calibrate (equalised)")

    def _observe(
        self, graph: Graph, scheme: Scheme, keep_float: frozenset[Node[Op]], stage: str
    ) -> _Source:
        total, done = len(self._split.calibration), 0

        def on_sample() -> None:
            nonlocal done
            done += 1
            self._progress(stage, done, total)

        listener = MeanInputs(graph, self._split.walked_positions)
        statistics = collect(
            graph,
            self._split.calibration,
            self._runners.floating,
            listener=listener,
            on_sample=on_sample,
        )
        adjusted = self._adjust(graph, pin_outputs(graph, statistics))
        return _Source(graph, scheme, adjusted, listener.means(), keep_float)
