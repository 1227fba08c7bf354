"""Evolutionary search, where top-1 is no sum over stages: NSGA-II (Deb et al. 2002, pymoo).

Latency still is a sum, so a network beyond the budget is told from its tables, as is one beyond
other limits, and only networks within are evaluated.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fpc.diagnostics.errors import MissingBackendError
from fpc.diagnostics.progress import Progress, silent
from fpc.search.costs.space import Costs
from fpc.search.costs.tables import Matrix
from fpc.search.exact import Candidate, infeasible
from fpc.search.front import undominated
from fpc.search.genome import GenomeLayout
from fpc.search.limits.space import SpaceLimits
from fpc.search.space.choices import IntArray
from fpc.search.space.description import Subnet

_GENERATIONS = 1000
_PATIENCE = 20
"""Generations without a network that is new: the space is known."""
_POPULATION = 50
_FEWEST = 4
_WORST = 100.0
"""The error of a network beyond what is allowed, which nobody evaluates."""
_FURTHEST = 1e3
"""What is forbidden is as bad as so many times too much."""


def evolved_front(
    costs: Costs,
    evaluate: Callable[[Subnet], float],
    budget_ms: float,
    *,
    limits: SpaceLimits | None = None,
    evaluations: int,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Candidate, ...]:
    """The undominated of at most `evaluations` evaluated networks, by ascending latency.

    `InfeasibleError` names the fastest network where none is fast enough, or what cannot be kept of
    `limits`; `MissingBackendError` without pymoo.
    """
    require_pymoo()
    layout = GenomeLayout(costs.settings, costs.choices)
    fastest = layout.genes(*(costs.fastest() if limits is None else limits.fastest(costs)))
    found: dict[Subnet, Candidate] = {}

    def excess(subnet: Subnet) -> float:
        """By which share a network is beyond what is allowed; at most 0 where it is within."""
        over = costs.latency_ms(subnet) / budget_ms - 1.0
        return over if limits is None else max(over, limits.excess(subnet))

    def judged(subnet: Subnet) -> tuple[float, float, float] | None:
        """Latency, error and excess of a network; None where it would be an evaluation too many."""
        latency_ms, over = costs.latency_ms(subnet), excess(subnet)
        if over > 0.0:
            return latency_ms, _WORST, over
        if subnet not in found:
            if len(found) == evaluations:
                return None
            top1 = evaluate(subnet)
            found[subnet] = Candidate(subnet, latency_ms, top1, None, 0.0)
            progress("evaluate", len(found), evaluations)
        return latency_ms, 100.0 - found[subnet].top1, over

    quickest = layout.subnet(fastest)
    if costs.latency_ms(quickest) > budget_ms:
        raise infeasible(
            budget_ms, quickest, costs.latency_ms(quickest), is_limited=limits is not None
        )
    population = max(_FEWEST, min(_POPULATION, evaluations // 5))
    first = _beginning(excess, layout, fastest, population, seed)
    algorithm = _Nsga2(layout, first, seed)
    last_new = 0
    for generation in range(_GENERATIONS):
        before = len(found)
        results = [judged(layout.subnet(genes)) for genes in algorithm.ask()]
        told = [result for result in results if result is not None]
        last_new = generation if len(found) > before else last_new
        if not results or len(told) < len(results) or generation - last_new > _PATIENCE:
            break
        algorithm.tell(np.array(told))
    return _undominated(tuple(found.values()))


def require_pymoo() -> None:
    """`MissingBackendError` where the optional library is not installed."""
    if importlib.util.find_spec("pymoo") is None:
        raise MissingBackendError(
            "missing",
            "pymoo is not installed, and an evaluator's top-1 is searched with its evolution",
            help="install it with fpc's extra `search`: pip install 'fpc[search]'; with a table "
            "(--accuracy FILE.csv) the search is exact and needs no pymoo",
        )


def _beginning(
    excess: Callable[[Subnet], float],
    layout: GenomeLayout,
    fastest: Sequence[int],
    count: int,
    seed: int,
) -> IntArray:
    """The fastest network, and others on the ways from it to networks drawn, without excess."""
    random = np.random.default_rng(seed)
    found = [np.array(fastest)]
    while len(found) < count:
        genes = random.integers(layout.alternatives)
        # Ever less of the drawn network, until the rest is allowed.
        for share in (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.0):
            is_drawn = random.random(len(genes)) < share
            mixed = np.where(is_drawn, genes, found[0])
            if excess(layout.subnet(mixed.tolist())) <= 0.0:
                found.append(mixed)
                break
    return np.array(found)


class _Nsga2:
    """pymoo's NSGA-II on genes, asked for networks and told their latency and error."""

    def __init__(self, layout: GenomeLayout, first: IntArray, seed: int) -> None:
        alternatives = layout.alternatives
        mutation: Any = _pymoo("core.mutation").Mutation

        class DrawAnew(mutation):  # pyright: ignore[reportUntypedBaseClass]
            """One gene in as many as there are takes any of its values."""

            def _do(self, _: Any, X: Any, *, random_state: Any, **__: Any) -> Any:
                anew = random_state.integers(alternatives, size=X.shape)
                is_drawn: Any = random_state.random(X.shape) < 1.0 / len(alternatives)
                return np.asarray(np.where(is_drawn, anew, X), np.intp)

        self._problem = _pymoo("core.problem").Problem(
            n_var=len(alternatives),
            n_obj=2,
            n_ieq_constr=1,
            xl=np.zeros(len(alternatives)),
            xu=alternatives - 1,
            vtype=int,
        )
        self._algorithm = _pymoo("algorithms.moo.nsga2").NSGA2(
            pop_size=len(first),
            sampling=first,
            crossover=_pymoo("operators.crossover.ux").UX(),
            mutation=DrawAnew(),
        )
        self._algorithm.setup(self._problem, seed=seed, termination=("n_gen", _GENERATIONS))
        self._asked: Any = None

    def ask(self) -> list[list[int]]:
        """The genes of networks to judge; none when nothing new comes to mind."""
        self._asked = self._algorithm.ask()
        if self._asked is None:
            return []
        return np.asarray(self._asked.get("X")).astype(int).tolist()

    def tell(self, judged: Matrix) -> None:
        """Latency, error and excess of what was asked last, [networks, 3]."""
        results = _pymoo("problems.static").StaticProblem(
            self._problem, F=judged[:, :2], G=np.minimum(judged[:, 2:], _FURTHEST)
        )
        _pymoo("core.evaluator").Evaluator().eval(results, self._asked)
        self._algorithm.tell(infills=self._asked)


def _pymoo(module: str) -> Any:
    """A module of pymoo, which is optional and says nothing of its types."""
    return importlib.import_module(f"pymoo.{module}")


def _undominated(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    latency_ms = np.array([candidate.latency_ms for candidate in candidates])
    top1 = np.array([candidate.top1 for candidate in candidates])
    kept: list[int] = undominated(latency_ms, top1).tolist()
    return tuple(candidates[place] for place in kept)
