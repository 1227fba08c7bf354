"""The best network of a space under a latency budget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Literal

from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.model import CostModel
from fpc.costmodel.prediction import Pricing
from fpc.diagnostics.progress import Progress, silent
from fpc.driver.predict.by_cost_model import cost_model_for, predict_graph
from fpc.ir.graph import Graph
from fpc.report.search_schema import (
    AccuracySourcePart,
    EffectPart,
    LimitsPart,
    PointPart,
    SearchReport,
    SubnetPart,
)
from fpc.search import catalog
from fpc.search.accuracy.evaluator import TIMEOUT_S, Evaluator
from fpc.search.accuracy.model import AccuracyModel
from fpc.search.accuracy.resolution import shipped_effect
from fpc.search.accuracy.table import accuracy_from_table
from fpc.search.costs.delegation import logits_of
from fpc.search.costs.footprint import Footprint
from fpc.search.costs.space import Costs
from fpc.search.evolution import evolved_front
from fpc.search.exact import Candidate, ExactSearch, Objective, SpaceFront
from fpc.search.explain import explain
from fpc.search.limits.setting import Limits
from fpc.search.limits.space import SpaceLimits
from fpc.search.space.choices import StageChoices, choices_of, subnets
from fpc.search.space.description import Space, Subnet
from fpc.search.space.encoding import as_data, encode
from fpc.search.space.network import build
from fpc.targets import catalog as targets
from fpc.targets.description import Target

_TABLE = ".csv"
_OFF = 0.005
"""What a latency may differ by from the sum that was searched, as a fraction of it."""


@dataclass(frozen=True)
class SearchOptions:
    """What a search is asked.

    `accuracy` is a table of subnets and their top-1 (.csv) or a command that evaluates one subnet;
    without it, it is the regression that comes with fpc. The command is called for at most
    `evaluations` networks and may take `timeout_s` for each. Runtime, threads and `cost_model` (a
    file) choose the condition of latencies.
    """

    budget_ms: float
    limits: Limits = field(default_factory=Limits)
    target: str = "rpi4-arm"
    space: str = "fox-nas"
    accuracy: str | None = None
    evaluations: int = 200
    timeout_s: float = TIMEOUT_S
    objective: Objective = "lower"
    runtime: str | None = None
    threads: int | None = None
    cost_model: Path | None = None
    seed: int = 0

    @property
    def has_evaluator(self) -> bool:
        """Whether top-1 comes from a command."""
        return self.accuracy is not None and not self.accuracy.endswith(_TABLE)


@dataclass(frozen=True)
class Found:
    """The outcome of a search: the network, with shapes only, and the report."""

    space: Space
    candidate: Candidate
    report: SearchReport

    def network(self, seed: int | None) -> Graph:
        """The network, with drawn weights where there is a `seed`."""
        return build(self.space, self.candidate.subnet, seed)

    def reported(self, **changes: object) -> Found:
        """The same with changes to the report."""
        return replace(self, report=self.report.model_copy(update=changes))


@dataclass(frozen=True)
class Problem:
    """A search that is asked, with all that it needs.

    `accuracy` is None for an evaluator, `limits` where nothing but latency is limited; `notes` are
    told with whatever is found.
    """

    options: SearchOptions
    space: Space
    target: Target
    cost_model: CostModel
    choices: tuple[StageChoices, ...]
    overhead_ms: float
    accuracy: AccuracyModel | None
    limits: SpaceLimits | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, options: SearchOptions) -> Problem:
        """Errors as those of `search`."""
        target = targets.load(options.target)
        space, notes = _space(options, target)
        cost_model = cost_model_for(
            target,
            precision="int8",
            runtime=options.runtime,
            threads=options.threads,
            file=options.cost_model,
        )
        choices = choices_of(space)
        accuracy = None if options.has_evaluator else _accuracy(options, space, choices)
        overhead_ms = _overhead_ms(space, choices, cost_model)
        limits = None
        if options.limits.are_set:
            limits = SpaceLimits.of(space, choices, options.limits, target)
        return cls(
            options, space, target, cost_model, choices, overhead_ms, accuracy, limits, notes
        )

    def costs(self, pricing: Pricing, overhead_ms: float) -> Costs:
        """What every network costs by the prices of kernels and what each takes beyond them."""
        return Costs.of(self.space, self.choices, pricing, overhead_ms)

    def exact(self, costs: Costs, accuracy: AccuracyModel) -> ExactSearch:
        """The space ready to be searched exactly."""
        return ExactSearch.of(self.space, costs, accuracy, shipped_effect(), self.limits)


@dataclass(frozen=True)
class Outcome:
    """What one way to search found."""

    method: Literal["exact", "evolutionary"]
    best: Candidate
    front: tuple[Candidate, ...]
    accuracy: AccuracySourcePart
    promised: Candidate | None = None
    effects: tuple[EffectPart, ...] = ()
    notes: tuple[str, ...] = ()


def search(options: SearchOptions, progress: Progress = silent) -> Found:
    """The network that maximises the objective within the budget.

    The search is exact where top-1 comes from a regression, and evolutionary where a command
    evaluates networks. `InfeasibleError` where no network is fast enough; `SearchError` and
    `CostModelError` for spaces, tables, evaluators and targets that nothing can be said of.
    """
    started = time.perf_counter()
    problem = Problem.of(options)
    costs = problem.costs(problem.cost_model.kernel_ms, problem.overhead_ms)
    if problem.accuracy is None:
        outcome = _evolved(problem, costs, progress)
    else:
        prepared = problem.exact(costs, problem.accuracy)
        front = prepared.front(options.objective)
        outcome = exact_outcome(problem, prepared, front, front.best(options.budget_ms))
    found = found_of(problem, outcome)
    notes = (*found.report.notes, *_about_latency(found, options.budget_ms))
    return found.reported(notes=notes, timings_ms=_since(started))


def found_of(problem: Problem, outcome: Outcome) -> Found:
    """What was found, with the report: all of it but what the latency calls for in notes."""
    options, space, best = problem.options, problem.space, outcome.best
    graph = build(space, best.subnet)
    prediction = predict_graph(graph, problem.cost_model, None)
    footprint = Footprint.of(graph, problem.target)
    report = SearchReport(
        fpc=version("fpc"),
        space=space.name,
        networks=subnets(problem.choices) * len(space.settings),
        target=options.target,
        budget_ms=options.budget_ms,
        objective=options.objective,
        method=outcome.method,
        top1_evidence="measured" if best.top1_interval is None else "predicted",
        subnet=SubnetPart(**as_data(space.name, best.subnet)),
        latency_ms=prediction.latency_ms,
        latency_interval_ms=prediction.interval_ms,
        top1_percent=best.top1,
        top1_interval_percent=best.top1_interval,
        multiply_adds=footprint.multiply_adds,
        parameters=sum(constant.type.size for constant in graph.constants),
        size_bytes=footprint.size_bytes,
        memory_bytes=footprint.memory_bytes,
        off_path=tuple(dict.fromkeys(each.mnemonic for each in footprint.refusals)),
        limits=_limits(options.limits),
        prediction=prediction,
        accuracy=outcome.accuracy,
        promised=None if outcome.promised is None else _point(outcome.promised),
        notes=(*problem.notes, *outcome.notes, *prediction.notes),
        effects=outcome.effects,
        front=tuple(map(_point, outcome.front)),
    )
    return Found(space, best, report)


def exact_outcome(
    problem: Problem, prepared: ExactSearch, front: SpaceFront, best: Candidate
) -> Outcome:
    """What is told of the `best` network of a `front`."""
    accuracy, budget_ms = prepared.accuracy, problem.options.budget_ms
    caveats = accuracy.caveats(best.top1, best.leverage, best.subnet.setting, prepared.effect)
    return Outcome(
        method="exact",
        best=best,
        front=tuple(front[index] for index in range(len(front))),
        accuracy=_source(accuracy),
        promised=prepared.best("top1", budget_ms),
        effects=tuple(EffectPart(**vars(each)) for each in explain(prepared, best.subnet)),
        notes=(
            *caveats,
            *_about_front(front, budget_ms),
            *_about_widths(problem.space, prepared.costs),
        ),
    )


def _evolved(problem: Problem, costs: Costs, progress: Progress) -> Outcome:
    options = problem.options
    evaluator = Evaluator(options.accuracy or "", problem.space.name, options.timeout_s)
    front = evolved_front(
        costs,
        evaluator,
        options.budget_ms,
        limits=problem.limits,
        evaluations=options.evaluations,
        seed=options.seed,
        progress=progress,
    )
    measured = evaluator.known.values()
    source = AccuracySourcePart(
        what="top-1 by the evaluator",
        source=evaluator.command,
        evidence="measured",
        rows=len(measured),
        rmse_points=None,
        measured_percent=(min(measured), max(measured)),
    )
    note = (
        f"the best of {len(measured)} networks that were evaluated: an evolution does not prove "
        "that there is none better; with a table of them (--accuracy FILE.csv) the search is exact"
    )
    return Outcome("evolutionary", front[-1], front, source, notes=(note,))


def _space(options: SearchOptions, target: Target) -> tuple[Space, tuple[str, ...]]:
    """The space to search, and what is to be said of it."""
    space = catalog.load(options.space)
    if not options.limits.delegate_only:
        return space, ()
    space, refused = logits_of(space, target)
    if refused is None:
        return space, ()
    return space, (f"the softmax at the end was left out: {refused.reason}; {refused.remedy}",)


def _limits(limits: Limits) -> LimitsPart | None:
    if not limits.are_set:
        return None
    return LimitsPart(
        size_bytes=_finite(limits.size_bytes),
        multiply_adds=_finite(limits.multiply_adds),
        memory_bytes=_finite(limits.memory_bytes),
        delegate_only=limits.delegate_only,
    )


def _finite(limit: float) -> int | None:
    return int(limit) if isfinite(limit) else None


def _accuracy(
    options: SearchOptions, space: Space, choices: tuple[StageChoices, ...]
) -> AccuracyModel:
    if options.accuracy is None:
        return catalog.shipped_accuracy(space)
    return accuracy_from_table(Path(options.accuracy), space, choices)


def _overhead_ms(space: Space, choices: tuple[StageChoices, ...], cost_model: CostModel) -> float:
    """What a large network takes beyond its kernels."""
    largest = Subnet(space.settings[-1], tuple(stage[len(stage) - 1] for stage in choices))
    kernels = kernels_of(build(space, largest))
    alone = cost_model.kernel_ms([kernel.work for kernel in kernels]).sum()
    return cost_model.predict(kernels).latency_ms - float(alone)


def _source(accuracy: AccuracyModel) -> AccuracySourcePart:
    origin = accuracy.provenance
    return AccuracySourcePart(
        what=origin.what,
        source=origin.source,
        evidence=origin.evidence,
        rows=origin.rows,
        rmse_points=origin.rmse_points,
        measured_percent=accuracy.measured,
    )


def _point(candidate: Candidate) -> PointPart:
    return PointPart(
        subnet=encode(candidate.subnet),
        latency_ms=candidate.latency_ms,
        top1_percent=candidate.top1,
        top1_interval_percent=candidate.top1_interval,
    )


def _about_front(front: SpaceFront, budget_ms: float) -> Iterator[str]:
    if front.latency_ms[-1] <= budget_ms:
        yield "nothing in the space is better, whatever the budget: a larger space might be"


def _about_widths(space: Space, searched: Costs) -> Iterator[str]:
    known = {setting.width for setting in searched.settings}
    left_out = [f"{width:g}" for width in space.widths if width not in known]
    if left_out:
        yield f"no network of width {', '.join(left_out)} was measured: it was left out"


def _about_latency(found: Found, budget_ms: float) -> Iterator[str]:
    prediction, searched_ms = found.report.prediction, found.candidate.latency_ms
    if abs(prediction.latency_ms / searched_ms - 1.0) > _OFF:
        yield (
            f"the search took {searched_ms:.2f} ms for the subnet's latency: that of small "
            "networks is no sum on this target, and another may be better"
        )
    if prediction.interval_ms is not None and prediction.interval_ms[1] > budget_ms:
        reached = prediction.interval_ms[1]
        yield f"the latency's interval reaches {reached:.1f} ms, beyond the budget"


def _since(started: float) -> dict[str, float]:
    return {"search": (time.perf_counter() - started) * 1e3}
