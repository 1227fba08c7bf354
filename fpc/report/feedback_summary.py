"""The printed account of measured feedback, made from the report."""

from __future__ import annotations

from collections.abc import Iterator

from fpc.report.search_schema import FeedbackPart, TrialPart


def round_headings(feedback: FeedbackPart) -> tuple[str, ...]:
    """Of the columns of `round_rows`."""
    figures = "ms predicted", f"ms {feedback.evidence}", "95 % interval", "error"
    return ("round", "network", *figures)


def round_rows(feedback: FeedbackPart) -> Iterator[tuple[str, ...]]:
    """Every network of every round; `*` marks the best that was within the budget."""
    for each in feedback.rounds:
        for trial in each.trials:
            mark = "*" if trial.subnet == each.best else ""
            yield f"{each.number}{mark}", trial.subnet, *_figures(trial)


def feedback_lines(feedback: FeedbackPart) -> Iterator[str]:
    """What the rounds came to."""
    rounds = f"{len(feedback.rounds)} round{'s' if len(feedback.rounds) > 1 else ''}"
    networks = sum(trial.turns > 0 for each in feedback.rounds for trial in each.trials)
    state = "settled" if feedback.is_settled else "not settled"
    yield (
        f"rounds     {state} after {rounds} and {networks} networks; * is the best within the "
        "budget after its round"
    )
    low, high = feedback.corrected_interval_ms
    yield (
        f"prices     {feedback.predicted_ms:.2f} ms predicted before, {feedback.corrected_ms:.2f} "
        f"ms by corrected prices (90 % interval {low:.2f} to {high:.2f}), "
        f"{feedback.measured_ms:.2f} ms {feedback.evidence}"
    )
    factors = ", ".join(f"{name} x{factor:.2f}" for name, factor in feedback.factors.items())
    yield f"corrected  the prices of kernels, here and in the front: {factors}"


def _figures(trial: TrialPart) -> tuple[str, ...]:
    predicted = f"{trial.predicted_ms:.3f}"
    if trial.measured_ms is None or trial.measured_interval_ms is None:
        return predicted, trial.failure or "not measured", "", ""
    low, high = trial.measured_interval_ms
    error = 100.0 * (trial.predicted_ms / trial.measured_ms - 1.0)
    return predicted, f"{trial.measured_ms:.3f}", f"{low:.3f} to {high:.3f}", f"{error:+.1f} %"
