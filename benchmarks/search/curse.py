"""The optimiser's curse, with the truth at hand.

Accel-NASBench says of 4,097 networks what they score and what they take on a ZCU102. Accuracy and
latency are fitted on 300 of them; among the others the best within a budget is searched by
prediction, and looked up. Regret is what the best network within the budget has beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.search.datasets import accel_nasbench
from fpc.costmodel.dpu_features import DPU
from fpc.costmodel.kernels import Work
from fpc.costmodel.model import Condition, CostModel
from fpc.costmodel.model import Provenance as LatencyProvenance
from fpc.costmodel.networks import Networks
from fpc.search import catalog
from fpc.search.accuracy.fit import fit_accuracy
from fpc.search.accuracy.model import AccuracyModel
from fpc.search.costs.tables import Matrix, SettingPieces
from fpc.search.space.choices import StageChoices, choices_of
from fpc.search.space.description import Space, Subnet

FITTED = 300
BUDGETS = 20
SEEDS = 5
EXCEEDED = 1.02
"""A budget counts as exceeded from 2 % on."""


@dataclass(frozen=True, eq=False)
class Truth:
    """All networks with their measurements, and what predictors may look at."""

    subnets: tuple[Subnet, ...]
    choices: tuple[StageChoices, ...]
    picks: NDArray[np.intp]
    networks: Networks
    top1: Matrix
    multiply_adds: Matrix

    @classmethod
    def load(cls) -> Truth:
        """The table's networks that have a latency."""
        space = catalog.load("mnasnet")
        choices = choices_of(space)
        rows = [row for row in accel_nasbench() if np.isfinite(row[2])]
        subnets = tuple(subnet for subnet, _, _ in rows)
        works = list(_kernels(space, choices, subnets))
        picks = [
            [stage.index(choice) for stage, choice in zip(choices, subnet.stages, strict=True)]
            for subnet in subnets
        ]
        return cls(
            subnets,
            choices,
            np.array(picks),
            Networks.of((work, row[2]) for work, row in zip(works, rows, strict=True)),
            np.array([top1 for _, top1, _ in rows]),
            np.array([float(sum(w.multiply_adds for w in work)) for work in works]),
        )

    @property
    def latency_ms(self) -> Matrix:
        """[networks], measured."""
        return self.networks.latency_ms

    def draws(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Rows to fit on and rows to search among, a pair a seed."""
        for seed in range(SEEDS):
            order = np.random.default_rng(seed).permutation(len(self.top1))
            yield order[:FITTED], order[FITTED:]


def _kernels(
    space: Space, choices: tuple[StageChoices, ...], subnets: tuple[Subnet, ...]
) -> Iterator[list[Work]]:
    """The kernels of each network of one setting, put together from the pieces of the space."""
    (setting,) = space.settings
    made_of = SettingPieces.of(space, setting)
    (head,) = made_of.heads.values()
    for subnet in subnets:
        works = list(made_of.stem.works)
        for pieces, of_stage, choice in zip(made_of.stages, choices, subnet.stages, strict=True):
            (first,), (others,) = pieces.first.values(), pieces.others.values()
            options = of_stage.stage.options
            works += first[options.index(choice.blocks[0])].works
            for block in choice.blocks[1:]:
                works += others[options.index(block)].works
        yield [*works, *head.works]


@dataclass(frozen=True)
class Regret:
    """Of one way to search, over all seeds and budgets."""

    points: float
    """A budget exceeded buys accuracy, so that a way that exceeds many has little regret."""
    points_kept: float
    """Over the budgets kept alone."""
    worst_seed: float
    exceeded: tuple[int, ...]
    """Budgets exceeded, of 20, a number a seed."""
    promised: float
    """How much more than was measured the predictor promised, in points."""


Chooser = Callable[[float], tuple[int, float]]
"""The row chosen for a budget, and the top-1 it is promised to have."""


def regret(truth: Truth, budgets: Matrix, choosers: Iterator[Chooser]) -> Regret:
    """The regret of a chooser a seed."""
    lost: list[Matrix] = []
    kept: list[Matrix] = []
    exceeded: list[int] = []
    promises: list[float] = []
    for (_, others), choose in zip(truth.draws(), choosers, strict=True):
        picked = [choose(budget) for budget in budgets]
        rows = np.array([row for row, _ in picked])
        best = [truth.top1[others[truth.latency_ms[others] <= b]].max() for b in budgets]
        lost.append(np.array(best) - truth.top1[rows])
        is_over = truth.latency_ms[rows] > EXCEEDED * budgets
        kept.append(lost[-1][~is_over])
        exceeded.append(int(is_over.sum()))
        promises += (np.array([promise for _, promise in picked]) - truth.top1[rows]).tolist()
    by_seed = np.mean(lost, axis=1)
    return Regret(
        float(np.mean(lost)),
        float(np.concatenate(kept).mean()),
        float(by_seed.max()),
        tuple(exceeded),
        float(np.mean(promises)),
    )


def steps_of_rank(truth: Truth) -> Matrix:
    """20 budgets between which equally many networks lie."""
    return np.quantile(truth.latency_ms, np.arange(1, BUDGETS + 1) / (BUDGETS + 1))


def steps_of_time(truth: Truth) -> Matrix:
    """20 budgets at equal distances in milliseconds, without the outer 3 % at either end."""
    return np.linspace(*np.quantile(truth.latency_ms, (0.03, 0.97)), BUDGETS)


def fpc(truth: Truth, objective: str) -> Iterator[Chooser]:
    """As `fpc search` chooses: `lower` or `top1`."""
    for fitted, others in truth.draws():
        latency_ms = _latency(truth, fitted)
        model = _accuracy(truth, fitted)
        scores = model.scores(truth.choices)
        index = model.intercept + _summed(truth, [stage.index for stage in scores])
        lower = index - model.doubt * _summed(truth, [stage.leverage for stage in scores])
        top1 = model.ceiling - np.exp(-index)
        yield _best(others, latency_ms, lower if objective == "lower" else index, top1)


def multiply_adds(truth: Truth) -> Iterator[Chooser]:
    """The same accuracy under a limit on MACs that the fitted rows say is worth the budget."""
    for fitted, others in truth.draws():
        slope = np.polyfit(truth.multiply_adds[fitted], truth.latency_ms[fitted], 1)
        model = _accuracy(truth, fitted)
        index = model.intercept + _summed(truth, [s.index for s in model.scores(truth.choices)])
        top1 = model.ceiling - np.exp(-index)
        yield _best(others, np.polyval(slope, truth.multiply_adds), index, top1)


def boosted_trees(truth: Truth) -> Iterator[Chooser]:
    """Gradient-boosted trees of both (scikit-learn) on what describes a network."""
    from sklearn.ensemble import GradientBoostingRegressor

    x = np.array(
        [
            [value for s in subnet.stages for value in (*s.blocks[0], len(s.blocks))]
            for subnet in truth.subnets
        ],
        np.float64,
    )
    x = np.column_stack([x, truth.multiply_adds])
    for fitted, others in truth.draws():
        top1, latency_ms = (
            GradientBoostingRegressor(
                n_estimators=300, max_depth=3, learning_rate=0.05, random_state=0
            )
            .fit(x[fitted], measured[fitted])
            .predict(x)
            for measured in (truth.top1, truth.latency_ms)
        )
        yield _best(others, latency_ms, top1, top1)


def ridge(truth: Truth) -> Iterator[Chooser]:
    """A plain linear fit of both on one-hot choices."""
    hot = np.concatenate(
        [
            np.eye(len(stage))[pick]
            for stage, pick in zip(truth.choices, truth.picks.T, strict=True)
        ],
        axis=1,
    )
    for fitted, others in truth.draws():
        centred = hot - hot[fitted].mean(axis=0)
        normal = centred[fitted].T @ centred[fitted] + np.eye(hot.shape[1])
        top1, latency_ms = (
            centred @ np.linalg.solve(normal, centred[fitted].T @ (m[fitted] - m[fitted].mean()))
            + m[fitted].mean()
            for m in (truth.top1, truth.latency_ms)
        )
        yield _best(others, latency_ms, top1, top1)


def random_search(truth: Truth) -> Iterator[Chooser]:
    """The best of the 300 that were measured: no predictor, as many evaluations."""
    for fitted, _ in truth.draws():
        yield _best(fitted, truth.latency_ms, truth.top1, truth.top1)


def _best(rows: NDArray[np.intp], latency_ms: Matrix, score: Matrix, top1: Matrix) -> Chooser:
    def choose(budget_ms: float) -> tuple[int, float]:
        within = rows[latency_ms[rows] <= budget_ms]
        row = int(within[score[within].argmax()])
        return row, float(top1[row])

    return choose


def _latency(truth: Truth, fitted: NDArray[np.intp]) -> Matrix:
    networks = truth.networks
    training = Networks(networks.works, networks.counts[fitted], networks.latency_ms[fitted])
    origin = LatencyProvenance(
        source="", evidence="replayed", rows=0, networks="", date="", mape_percent=0.0
    )
    model = CostModel.fitted("", Condition(device="", runtime=""), DPU, training, origin)
    return networks.counts @ model.kernel_ms(networks.works)


def _accuracy(truth: Truth, fitted: NDArray[np.intp]) -> AccuracyModel:
    space = catalog.load("mnasnet")
    origin = catalog.shipped_accuracy(space).provenance
    rows = ((truth.subnets[row], float(truth.top1[row])) for row in fitted)
    return fit_accuracy(space, truth.choices, rows, origin)


def _summed(truth: Truth, tables: list[Matrix]) -> Matrix:
    return np.sum([table[pick] for table, pick in zip(tables, truth.picks.T, strict=True)], axis=0)
