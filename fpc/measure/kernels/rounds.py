"""Comparing kernels by time: in turns, so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median

_TURN_S = 1e-3
"""How long one kernel is called again and again before the next one's turn."""
_MOST_CALLS = 10_000
_FIRST_ROUNDS, _LAST_ROUNDS = 7, 25
_FINALISTS = 4


def best_of_rounds(runs: Mapping[str, Callable[[int], float]], reference: str) -> dict[str, float]:
    """Seconds a call, medians over rounds; a run does so many calls and gives seconds a call.

    After the first rounds only the fastest and the `reference` go on, for the last rounds; the
    others keep what they had.
    """
    calls = {name: _calls(run(1)) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}

    def compare(names: list[str], rounds: int) -> None:
        for _ in range(rounds):
            for name in names:
                times[name].append(runs[name](calls[name]))

    compare(list(runs), _FIRST_ROUNDS)
    fastest = sorted(runs, key=lambda name: median(times[name]))[:_FINALISTS]
    finalists = dict.fromkeys((*fastest, *({reference} & set(runs))))
    for name in finalists:
        times[name].clear()
    compare(list(finalists), _LAST_ROUNDS)
    return {name: median(taken) for name, taken in times.items()}


def _calls(seconds: float) -> int:
    """How many calls fill a turn."""
    return max(1, min(_MOST_CALLS, round(_TURN_S / max(seconds, 1e-9))))
