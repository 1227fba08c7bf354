"""The report's account of what was measured, and the error where it was not enough."""

from __future__ import annotations

from collections.abc import Iterator

from fpc.diagnostics.errors import InfeasibleError
from fpc.driver.search.bench import Bench
from fpc.driver.search.best_network import Problem
from fpc.report.search_schema import FeedbackPart, TrialPart
from fpc.search.feedback import Trial
from fpc.search.space.encoding import encode


def describe_trial(trial: Trial, bench: Bench, *, is_corrected: bool) -> TrialPart:
    """A network of a round; whether the prices that predicted it had been corrected."""
    latency = bench.latencies.get(trial.subnet)
    return TrialPart(
        subnet=encode(trial.subnet),
        predicted_ms=trial.predicted_ms,
        predicted_interval_ms=trial.interval_ms if is_corrected else None,
        measured_ms=None if latency is None else latency.ms,
        measured_interval_ms=None if latency is None else latency.interval_ms,
        turns=0 if latency is None else latency.turns,
        failure=bench.failure(trial.subnet),
    )


def about_feedback(part: FeedbackPart, problem: Problem) -> Iterator[str]:
    """What a reader of the figures should know."""
    began = problem.cost_model.condition
    if not part.condition.startswith(began.device):
        yield f"prices began as those of {began}, and were corrected by {part.condition}"
    yield from _about_disturbances(part.disturbed_turns)
    rounds = len(part.rounds)
    for each in part.missed:
        yield f"not settled after {rounds} round{'s' if rounds > 1 else ''}: {each}"
    reached = part.measured_interval_ms[1]
    if reached > problem.options.budget_ms:
        yield f"the measured latency's interval reaches {reached:.2f} ms, beyond the budget"


def nothing_within(bench: Bench, budget_ms: float) -> InfeasibleError:
    """The error that names the fastest network where no measured one is fast enough."""
    subnet, latency = min(bench.latencies.items(), key=lambda item: item[1].ms)
    return InfeasibleError(
        "nothing-within",
        f"no network that was measured runs within {budget_ms:g} ms",
        notes=[
            f"the fastest took {latency.ms:.2f} ms, {latency.evidence}: {encode(subnet)}",
            *_about_disturbances(bench.disturbed),
        ],
        help="allow more --rounds, or raise the budget",
    )


def _about_disturbances(turns: int) -> Iterator[str]:
    if turns > 0:
        yield (
            f"something else had the processor in {turns} turns of measuring: they were taken again"
        )
