"""Accuracy predictors, exact search and the optimiser's curse: `python -m benchmarks.search`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.search import curse
from benchmarks.search.datasets import accel_nasbench, fox_nas
from benchmarks.search.heuristics import Problem, annealing, evolution
from benchmarks.search.limits import beside_integer_program
from benchmarks.search.published import FOXPANDANET
from fpc.costmodel.library import select, shipped
from fpc.costmodel.metrics import goodness
from fpc.costmodel.regression import folds
from fpc.search import catalog
from fpc.search.accuracy.fit import fit_accuracy
from fpc.search.accuracy.resolution import shipped_effect
from fpc.search.costs.space import Costs
from fpc.search.costs.tables import cost_tables
from fpc.search.exact import ExactSearch
from fpc.search.front import exact_front
from fpc.search.space.choices import choices_of, subnets
from fpc.search.space.description import Setting, Subnet
from fpc.search.space.encoding import encode

_REPEATS = 5
_HEURISTIC_SEEDS = 3


def main() -> None:
    """Print every table."""
    accuracy("FOX-NAS, quantised ImageNet top-1", "fox-nas", [row[:2] for row in fox_nas()])
    accuracy("Accel-NASBench, proxy top-1", "mnasnet", [row[:2] for row in accel_nasbench()])
    exactness()
    beside_integer_program()
    regrets()
    foxpandanet()


def accuracy(label: str, name: str, rows: list[tuple[Subnet, float]]) -> None:
    """Five folds on which nothing was chosen, repeated with other seeds."""
    space = catalog.load(name)
    choices = choices_of(space)
    origin = catalog.shipped_accuracy(space).provenance
    top1 = np.array([percent for _, percent in rows])
    picks = np.array(
        [[c.index(s) for c, s in zip(choices, n.stages, strict=True)] for n, _ in rows]
    )
    errors: list[float] = []
    found: list[tuple[float, float]] = []
    repeats = _REPEATS if len(rows) < 1000 else 1
    for seed in range(1, 1 + repeats):
        predicted = np.empty(len(rows))
        for train, test in folds(len(rows), seed):
            model = fit_accuracy(space, choices, [rows[row] for row in train], origin)
            index = model.intercept + sum(
                stage.index[pick[test]]
                for stage, pick in zip(model.scores(choices), picks.T, strict=True)
            )
            predicted[test] = model.ceiling - np.exp(-index)
        errors.append(float(np.sqrt(((predicted - top1) ** 2).mean())))
        of_seed = goodness(predicted, top1)
        found.append((of_seed.mape_percent, of_seed.spearman))
    mape, spearman = np.mean(found, axis=0)
    print(
        f"{label}: {len(rows)} rows, 5-fold RMSE {np.mean(errors):.3f} points, "
        f"MAPE {mape:.2f} %, Spearman {spearman:.4f}",
        flush=True,
    )


def exactness() -> None:
    """The front of the whole FOX-NAS space at 256 px, and heuristics under ten budgets."""
    space = catalog.load("fox-nas")
    choices = choices_of(space)
    pricing = select(shipped("rpi4-arm"), "rpi4-arm", precision="int8").kernel_ms
    model = catalog.shipped_accuracy(space)
    scores = [model.lower_score(stage) for stage in model.scores(choices)]
    tables = cost_tables(space, Setting(256), choices, pricing)
    seconds: list[float] = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        front = exact_front(choices, tables, scores, 1.0)
        seconds.append(time.perf_counter() - started)
    print(
        f"\nfront of the {subnets(choices):.1e} FOX-NAS networks at 256 px: {len(front)} points, "
        f"{1e3 * np.median(seconds):.0f} ms on one core\n"
    )
    problem = Problem(choices, tables, scores)
    evaluations = "50,000 evaluations"
    print(f"lower end of the interval of top-1, and seconds: {evaluations} each, best and mean of "
          f"{_HEURISTIC_SEEDS} seeds")  # fmt: skip
    print(f"{'budget':>8s} {'exact':>8s} {'evolution':>18s} {'annealing':>18s}")

    def percent(score: float) -> float:
        return model.ceiling - float(np.exp(-(score + model.intercept))) - model.half_width

    for budget in np.geomspace(90.0, 220.0, 10):
        place = front.best_within(float(budget))
        assert place is not None
        line = f"{budget:6.1f}ms {percent(float(front.score[place])):8.3f}"
        for heuristic in (evolution, annealing):
            started = time.perf_counter()
            found = [
                percent(heuristic(problem, float(budget), seed)) for seed in range(_HEURISTIC_SEEDS)
            ]
            elapsed = (time.perf_counter() - started) / _HEURISTIC_SEEDS
            line += f" {max(found):7.3f} {np.mean(found):7.3f} {elapsed:4.1f}s"
        print(line, flush=True)


def regrets() -> None:
    """Searches by prediction where the truth is known."""
    truth = curse.Truth.load()
    ways: dict[str, Callable] = {
        "fpc, lower end of the interval": partial(curse.fpc, objective="lower"),
        "fpc, prediction": partial(curse.fpc, objective="top1"),
        "MACs instead of latency": curse.multiply_adds,
        "one-hot ridge": curse.ridge,
        "boosted trees": curse.boosted_trees,
        "the best of the 300": curse.random_search,
    }
    for label, budgets in (
        ("budgets at equal steps of rank", curse.steps_of_rank(truth)),
        ("budgets at equal steps of time", curse.steps_of_time(truth)),
    ):
        print(f"\nregret in points, Accel-NASBench on ZCU102, {curse.FITTED} rows fitted, {label}")
        print(f"{'':34s} {'mean':>6s} {'if kept':>8s} {'worst seed':>11s} {'promised':>9s}  "
              "budgets exceeded of 20")  # fmt: skip
        for way, choosers in ways.items():
            found = curse.regret(truth, budgets, choosers(truth))
            print(
                f"{way:34s} {found.points:6.2f} {found.points_kept:8.2f} "
                f"{found.worst_seed:11.2f} {found.promised:+9.2f}  "
                + " ".join(map(str, found.exceeded)),
                flush=True,
            )


def foxpandanet() -> None:
    """What is found at the latencies of FoxPandaNet's own networks."""
    space = catalog.load("fox-nas")
    pricing = select(shipped("rpi4-arm"), "rpi4-arm", precision="int8").kernel_ms
    costs = Costs.of(space, choices_of(space), pricing)
    prepared = ExactSearch.of(space, costs, catalog.shipped_accuracy(space), shipped_effect())
    front = prepared.front()
    print(
        "\nat FoxPandaNet's latencies on a Raspberry Pi 4; all but `published` is predicted, and "
        "theirs were\ntrained by another recipe than the subnets that the regression knows"
    )
    for name, subnet, latency_ms, top1 in FOXPANDANET:
        found, theirs = front.best(latency_ms), prepared.candidate(subnet)
        print(f"{name}: {latency_ms} ms and {top1} % published")
        for who, network in (("theirs", theirs), ("found", found)):
            low, high = network.top1_interval or (0.0, 0.0)
            print(
                f"  {who:8s} {network.latency_ms:5.1f} ms, {network.top1:.1f} % ({low:.1f} to "
                f"{high:.1f})  {encode(network.subnet)}"
            )


if __name__ == "__main__":
    main()
