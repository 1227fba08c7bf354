"""`fpc search --measure`: rounds of searching, measuring and correcting the prices of kernels."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from fpc.costmodel.prediction import Pricing
from fpc.costmodel.residual import CorrectedPrices, MeasuredNetwork, Prior
from fpc.diagnostics.errors import SearchError
from fpc.diagnostics.progress import Progress, silent
from fpc.driver.artifact import digest
from fpc.driver.measure.calibrate import calibration_config
from fpc.driver.search.bench import Bench, Build, Latency, builder
from fpc.driver.search.best_network import Found, Problem, SearchOptions, exact_outcome, found_of
from fpc.driver.search.describe import about_feedback, describe_trial, nothing_within
from fpc.driver.search.workers import Jobs, require_jobs
from fpc.measure.protocol import Runner
from fpc.report.search_schema import FeedbackPart, RoundPart
from fpc.search.exact import Candidate, ExactSearch, SpaceFront
from fpc.search.feedback import Kernels, Trial, best_measured, nearest, shortcomings, trials
from fpc.search.journal import Journal, Question
from fpc.search.space.description import Subnet
from fpc.search.space.encoding import encode

_TURNS = 3
"""How often a network is measured in the round that asks for it."""
_CONFIRMED, _PATIENCE = 6, 15
"""How often the chosen network is: the fewest turns that bound a median with 95 %, and more of them
while a busy neighbour leaves it uncertain."""
_STEADY = 0.005
"""The standard error, as a fraction, that is good enough."""
_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class FeedbackOptions:
    """How a search measures.

    `runners` by the names that the journal and the report have for them. A figure that is only
    looked up is the same every time: `turns` is then 1.
    """

    runners: Mapping[str, Runner]
    rounds: int = 4
    turns: int = _TURNS
    journal: Path | None = None
    resume: bool = False
    jobs: Jobs = 1
    database: Path | None = None
    """Where finished measurements are added as samples."""
    build: Build | None = None
    """None: as `builder` does it."""

    @property
    def repeats(self) -> bool:
        """Whether measuring again can tell something new."""
        return self.turns > 1


def search_by_measuring(
    options: SearchOptions, feedback: FeedbackOptions, progress: Progress = silent
) -> Found:
    """The best network that was measured within the budget; errors as `search`'s and the journal's.

    `SearchError`: `search.measured-evaluator` where top-1 comes from a command,
    and `InfeasibleError` where no measured network is fast enough.
    """
    started = time.perf_counter()
    require_jobs(feedback.jobs)
    problem = Problem.of(options)
    if problem.accuracy is None:
        raise _evaluator()
    config = calibration_config(problem.cost_model.condition.threads or 1, _TIMEOUT_S)
    build = feedback.build or builder(problem.space, options.target, options.seed, config)
    question = _question(problem, feedback)
    with Journal(feedback.journal, question, resume=feedback.resume) as journal:
        runners = tuple(feedback.runners.values())
        bench = Bench(
            runners, config, build, journal, jobs=feedback.jobs, database=feedback.database
        )
        rounds = _Rounds(problem, feedback, bench, journal)
        for number in range(1, 1 + feedback.rounds):
            if rounds.settles(number, progress):
                break
        found = rounds.found()
    return found.reported(timings_ms={"search": (time.perf_counter() - started) * 1e3})


class _Rounds:
    """What is known after so many rounds."""

    def __init__(
        self, problem: Problem, feedback: FeedbackOptions, bench: Bench, journal: Journal
    ) -> None:
        self._problem, self._feedback = problem, feedback
        self._bench, self._journal = bench, journal
        self._kernels = Kernels(problem.space)
        pricing, overhead_ms = problem.cost_model.kernel_ms, problem.overhead_ms
        self._prepared, self._front = self._searched(pricing, overhead_ms)
        works = self._kernels(nearest(self._front, problem.options.budget_ms).subnet)
        self._prices = CorrectedPrices(Prior.of(pricing, overhead_ms, works))
        self._best: Candidate | None = None
        self._rounds: list[RoundPart] = []

    def settles(self, number: int, progress: Progress) -> bool:
        """Do one round; whether it is the last that is needed, or possible."""
        budget_ms = self._problem.options.budget_ms
        tried = trials(self._front, budget_ms, self._prices, self._kernels, self._bench.asked)
        turns = {trial.subnet: self._feedback.turns for trial in tried}
        if self._best is not None:
            # Measured with the others, it shows whether the device still is what it was.
            turns |= self._more_turns(self._best.subnet)
        self._bench.measure(turns, progress)
        self._confirm(progress)
        self._prepared, self._front = self._searched(
            self._prices.kernel_ms, self._prices.overhead_ms
        )
        latencies = self._bench.latencies
        errors = [
            trial.predicted_ms / latencies[trial.subnet].ms - 1.0
            for trial in tried
            if trial.subnet in latencies
        ]
        missed = tuple(self._shortcomings(latencies, errors))
        self._record(number, tried, errors, missed)
        return not missed or not tried

    def found(self) -> Found:
        """The best measured network, with the report; `InfeasibleError` where none is within."""
        if self._best is None:
            raise nothing_within(self._bench, self._problem.options.budget_ms)
        best = self._prepared.candidate(self._best.subnet)
        latency = self._bench.latencies[best.subnet]
        corrected = Trial.of(best.subnet, self._kernels(best.subnet), self._prices)
        found = found_of(
            self._problem, exact_outcome(self._problem, self._prepared, self._front, best)
        )
        part = FeedbackPart(
            evidence=latency.evidence,
            condition=str(self._bench.condition),
            runners=tuple(self._feedback.runners),
            missed=self._rounds[-1].missed,
            is_settled=not self._rounds[-1].missed,
            predicted_ms=found.report.latency_ms,
            corrected_ms=corrected.predicted_ms,
            corrected_interval_ms=corrected.interval_ms,
            measured_ms=latency.ms,
            measured_interval_ms=latency.interval_ms,
            turns=latency.turns,
            disturbed_turns=self._bench.disturbed,
            factors=self._prices.factors(),
            rounds=tuple(self._rounds),
        )
        return found.reported(
            latency_ms=latency.ms,
            latency_interval_ms=latency.interval_ms,
            evidence=latency.evidence,
            feedback=part,
            notes=(*found.report.notes, *about_feedback(part, self._problem)),
        )

    def _searched(self, pricing: Pricing, overhead_ms: float) -> tuple[ExactSearch, SpaceFront]:
        problem = self._problem
        assert problem.accuracy is not None
        prepared = problem.exact(problem.costs(pricing, overhead_ms), problem.accuracy)
        return prepared, prepared.front(problem.options.objective)

    def _more_turns(self, subnet: Subnet) -> dict[Subnet, int]:
        turns = self._bench.wanted(subnet) + self._feedback.turns
        return {subnet: turns if self._feedback.repeats else self._feedback.turns}

    def _confirm(self, progress: Progress) -> None:
        """Measure the best network again until it is the best of those measured well.

        Of many networks the best within the budget is one that chance favoured: it must also be
        fast enough by the prices, in which the measurements of the others have their say.
        """
        options = self._problem.options
        while True:
            latencies = self._bench.latencies
            self._correct(latencies)
            measured = [
                subnet for subnet, latency in latencies.items() if latency.ms <= options.budget_ms
            ]
            agreed = [
                subnet
                for subnet in measured
                if self._prices.latency_ms(self._kernels(subnet)) <= options.budget_ms
            ]
            self._best = best_measured(self._prepared, agreed or measured, options.objective)
            if self._best is None or not self._feedback.repeats:
                return
            best = latencies[self._best.subnet]
            wanted = self._bench.wanted(self._best.subnet)
            is_steady = best.noise <= _STEADY or wanted >= _PATIENCE
            if wanted >= _CONFIRMED and is_steady:
                return
            turns = max(_CONFIRMED, wanted + self._feedback.turns)
            self._bench.measure({self._best.subnet: turns}, progress)

    def _correct(self, latencies: Mapping[Subnet, Latency]) -> None:
        networks = (
            MeasuredNetwork(self._kernels(subnet), latency.ms, latency.noise)
            for subnet, latency in latencies.items()
        )
        self._prices = CorrectedPrices(self._prices.prior, tuple(networks))

    def _shortcomings(
        self, latencies: Mapping[Subnet, Latency], errors: Sequence[float]
    ) -> Iterator[str]:
        options = self._problem.options
        latencies_ms = {subnet: latency.ms for subnet, latency in latencies.items()}
        return shortcomings(
            self._best, latencies_ms, errors, self._front, options.budget_ms, options.objective
        )

    def _record(
        self, number: int, tried: Sequence[Trial], errors: Sequence[float], missed: tuple[str, ...]
    ) -> None:
        part = RoundPart(
            number=number,
            trials=tuple(
                describe_trial(trial, self._bench, is_corrected=bool(self._rounds))
                for trial in tried
            ),
            error_percent=100.0 * float(np.median(np.abs(errors))) if errors else None,
            best=None if self._best is None else encode(self._best.subnet),
            missed=missed,
        )
        self._rounds.append(part)
        self._journal.add_round(number, part.model_dump(mode="json"))


def _question(problem: Problem, feedback: FeedbackOptions) -> Question:
    options = problem.options
    assert problem.accuracy is not None
    return {
        "fpc": version("fpc"),
        "budget_ms": options.budget_ms,
        "target": options.target,
        "space": problem.space.name,
        "space_sha256": _digest(problem.space),
        "accuracy_sha256": _digest(problem.accuracy),
        "objective": options.objective,
        "limits": str(options.limits),
        "condition": str(problem.cost_model.condition),
        "cost_model_sha256": _digest(problem.cost_model),
        "seed": options.seed,
        "runners": ", ".join(feedback.runners),
        "turns": feedback.turns,
    }


def _digest(document: BaseModel) -> str:
    return digest(document.model_dump_json().encode())


def _evaluator() -> SearchError:
    return SearchError(
        "measured-evaluator",
        "--measure needs a top-1 that is a sum over stages, and an evaluator's is not",
        help="write the networks that it evaluated to a table and give that: --accuracy FILE.csv",
    )
