"""Exact search within limits beside an integer program: the FOX-NAS space at one resolution.

The program has a binary variable for every choice of every stage, 27,240 of them, one row a stage
and one a limit. HiGHS solves it by branch and bound, knowing nothing of networks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fpc.costmodel.library import select, shipped
from fpc.search import catalog
from fpc.search.costs.tables import CostTables, Matrix, cost_tables
from fpc.search.limits.setting import Limits, SettingLimits
from fpc.search.space.choices import choices_of
from fpc.search.space.description import Setting
from fpc.targets import catalog as targets

RESOLUTION = 256
DRAWS = 10
_SHARES = (0.05, 0.45)
"""Between the least and the most that networks take, limits are drawn from here: most bind."""
_GAP = 1e-10
"""Relative, at which the integer program is solved."""


@dataclass(frozen=True, eq=False)
class Problem:
    """The networks of a setting without choices of channels, with a score of every choice."""

    taken: SettingLimits
    latency_ms: CostTables
    scores: Sequence[Matrix]

    @classmethod
    def fox_nas(cls) -> Problem:
        """FOX-NAS: the lower end of its top-1, and its latency on a Raspberry Pi 4."""
        space, setting = catalog.load("fox-nas"), Setting(RESOLUTION)
        choices = choices_of(space)
        pricing = select(shipped("rpi4-arm"), "rpi4-arm", precision="int8").kernel_ms
        model = catalog.shipped_accuracy(space)
        return cls(
            SettingLimits.of(space, setting, choices, Limits(), targets.load("rpi4-arm")),
            cost_tables(space, setting, choices, pricing),
            [model.lower_score(stage) for stage in model.scores(choices)],
        )

    def drawn(self, count: int, seed: int = 0) -> Iterator[tuple[float, Limits]]:
        """Milliseconds, and limits of size and multiply-adds, that some network keeps."""
        random = np.random.default_rng(seed)
        tables = (self.latency_ms, self.taken.size, self.taken.multiply_adds)
        least, most = np.array([_range(each) for each in tables]).T
        while count:
            budget_ms, size, macs = least + random.uniform(*_SHARES, 3) * (most - least)
            limits = Limits(size_bytes=float(size), multiply_adds=float(macs))
            if len(self.within(limits).best(self.latency_ms, self.scores, float(budget_ms))):
                count -= 1
                yield float(budget_ms), limits

    def within(self, limits: Limits) -> SettingLimits:
        """The networks that keep `limits`."""
        return replace(self.taken, limits=limits)

    def integer_optimum(self, budget_ms: float, limits: Limits) -> float:
        """The highest score within the budget and limits, by an integer program."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        counts = [len(score) for score in self.scores]
        stages = np.repeat(np.arange(len(counts)), counts)
        one_each = csr_array((np.ones(len(stages)), (stages, np.arange(len(stages)))))
        rows, room = [], []
        for tables, most in (
            (self.latency_ms, budget_ms),
            (self.taken.size, limits.size_bytes),
            (self.taken.multiply_adds, limits.multiply_adds),
        ):
            row = np.concatenate([next(iter(stage.values())) for stage in tables.stages])
            (head,) = tables.head.values()
            # Rows of one size: bytes and milliseconds differ by a factor of a million.
            rows.append(row / most)
            room.append((most - tables.stem - head) / most)
        memory = np.concatenate([next(iter(stage.values())) for stage in self.taken.memory.stages])
        solved = milp(
            -np.concatenate(self.scores),
            integrality=np.ones(len(stages)),
            bounds=Bounds(0.0, (memory <= limits.memory_bytes).astype(float)),
            constraints=[
                LinearConstraint(one_each, 1.0, 1.0),
                LinearConstraint(np.array(rows), -np.inf, np.array(room)),
            ],
            options={"mip_rel_gap": _GAP},
        )
        return -float(solved.fun)


def beside_integer_program() -> None:
    """Print the times of both, how far apart their optima are, and the time of the whole front."""
    problem = Problem.fox_nas()
    print(
        f"\nlatency, size and multiply-adds limited at random, {RESOLUTION} px, one core: the best "
        "network by fpc and by\nan integer program (HiGHS), how far their scores are apart, and "
        "the whole front"
    )
    print(f"{'budget':>8s} {'size':>8s} {'MACs':>7s} {'best':>8s} {'program':>8s} {'apart':>8s} "
          f"{'front':>7s} {'points':>7s}")  # fmt: skip
    for budget_ms, limits in problem.drawn(DRAWS):
        within = problem.within(limits)
        times = [time.perf_counter()]
        best = within.best(problem.latency_ms, problem.scores, budget_ms)
        times.append(time.perf_counter())
        optimum = problem.integer_optimum(budget_ms, limits)
        times.append(time.perf_counter())
        front = within.front(problem.latency_ms, problem.scores)
        times.append(time.perf_counter())
        best_s, program_s, front_s = np.diff(times)
        print(
            f"{budget_ms:6.1f}ms {limits.size_bytes / 1e6:6.2f}MB "
            f"{limits.multiply_adds / 1e6:6.0f}M {best_s:7.3f}s {program_s:7.2f}s "
            f"{abs(best.score[0] - optimum):8.1e} {front_s:6.2f}s {len(front):7d}",
            flush=True,
        )


def _range(tables: CostTables) -> tuple[float, float]:
    """The least and the most that networks take."""
    (head,) = tables.head.values()
    each = [next(iter(stage.values())) for stage in tables.stages]
    return (
        tables.stem + head + sum(float(stage.min()) for stage in each),
        tables.stem + head + sum(float(stage.max()) for stage in each),
    )
