"""The best network of a space under a latency budget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.model import CostModel
from fpc.driver.predict import cost_model_for, predict_graph
from fpc.ir.graph import Graph
from fpc.report.schema import PredictionPart
from fpc.report.search_schema import (
    AccuracySourcePart,
    EffectPart,
    PointPart,
    SearchReport,
    SubnetPart,
)
from fpc.search import catalog
from fpc.search.accuracy import AccuracyModel
from fpc.search.choices import StageChoices, choices_of, subnets
from fpc.search.encoding import as_data, encode
from fpc.search.exact import Candidate, ExactSearch, Objective, SpaceFront
from fpc.search.explain import explain
from fpc.search.network import build
from fpc.search.resolution import shipped_effect
from fpc.search.space import Space, Subnet
from fpc.search.table import accuracy_from_table
from fpc.targets import catalog as targets
from fpc.targets.description import multiply_adds


@dataclass(frozen=True)
class SearchOptions:
    """What a search is asked.

    `accuracy` is a table of subnets and their top-1 (.csv); without one it is the regression that
    comes with fpc. Runtime, threads and `cost_model` (a file) choose the condition of latencies.
    """

    budget_ms: float
    target: str = "rpi4-arm"
    space: str = "fox-nas"
    accuracy: str | None = None
    objective: Objective = "lower"
    runtime: str | None = None
    threads: int | None = None
    cost_model: Path | None = None


@dataclass(frozen=True)
class Found:
    """The outcome of a search: the network, with shapes only, and the report."""

    space: Space
    candidate: Candidate
    report: SearchReport

    def network(self, seed: int | None) -> Graph:
        """The network, with drawn weights where there is a `seed`."""
        return build(self.space, self.candidate.subnet, seed)


def search(options: SearchOptions) -> Found:
    """The network that maximises the objective within the budget, exactly.

    `InfeasibleError` where no network is fast enough; `SearchError` and `CostModelError` for
    spaces, tables and targets that nothing can be said of.
    """
    started = time.perf_counter()
    space = catalog.load(options.space)
    cost_model = cost_model_for(
        targets.load(options.target),
        precision="int8",
        runtime=options.runtime,
        threads=options.threads,
        file=options.cost_model,
    )
    choices = choices_of(space)
    accuracy = _accuracy(options, space, choices)
    effect = shipped_effect()
    prepared = ExactSearch.of(
        space,
        choices,
        accuracy,
        effect,
        cost_model.kernel_ms,
        _overhead_ms(space, choices, cost_model),
    )
    front = prepared.front(options.objective)
    best = front.best(options.budget_ms)
    graph = build(space, best.subnet)
    prediction = predict_graph(graph, cost_model, None)
    caveats = accuracy.caveats(best.top1, best.leverage, best.subnet.setting, effect)
    report = SearchReport(
        fpc=version("fpc"),
        space=space.name,
        networks=subnets(choices) * len(front.settings),
        target=options.target,
        budget_ms=options.budget_ms,
        objective=options.objective,
        subnet=SubnetPart(**as_data(space.name, best.subnet)),
        latency_ms=prediction.latency_ms,
        latency_interval_ms=prediction.interval_ms,
        top1_percent=best.top1,
        top1_interval_percent=best.top1_interval,
        multiply_adds=sum(map(multiply_adds, graph)),
        parameters=sum(constant.type.size for constant in graph.constants),
        prediction=prediction,
        accuracy=_source(accuracy),
        promised=_point(prepared.front("top1").best(options.budget_ms)),
        notes=(
            *caveats,
            *_about_latency(prediction, options.budget_ms),
            *_about_front(front, options.budget_ms),
        ),
        effects=tuple(EffectPart(**vars(effect)) for effect in explain(prepared, best.subnet)),
        front=tuple(_point(front[index]) for index in range(len(front))),
        timings_ms={"search": (time.perf_counter() - started) * 1e3},
    )
    return Found(space, best, report)


def _accuracy(
    options: SearchOptions, space: Space, choices: tuple[StageChoices, ...]
) -> AccuracyModel:
    if options.accuracy is None:
        return catalog.shipped_accuracy(space)
    return accuracy_from_table(Path(options.accuracy), space, choices)


def _about_front(front: SpaceFront, budget_ms: float) -> Iterator[str]:
    if front.latency_ms[-1] <= budget_ms:
        yield "nothing in the space is better, whatever the budget: a larger space might be"


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


def _about_latency(prediction: PredictionPart, budget_ms: float) -> Iterator[str]:
    yield from prediction.notes
    if prediction.interval_ms is not None and prediction.interval_ms[1] > budget_ms:
        reached = prediction.interval_ms[1]
        yield f"the latency's interval reaches {reached:.1f} ms, beyond the budget"
