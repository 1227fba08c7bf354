"""Wall time and peak memory of whole commands, alternating so that both see the same machine."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """What one run of a command took; children included in the peak."""

    seconds: float
    peak_mb: float


_LAUNCHER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - started
peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([done.returncode, seconds, peak_kb / 1024]))
"""


def run_once(command: Sequence[str]) -> Usage:
    """Run a command to its end; `CalledProcessError` when it fails.

    A launcher starts it: a child's peak counts the memory of whoever forked it.
    """
    launched = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, *command], capture_output=True, text=True, check=True
    )
    status, seconds, peak_mb = json.loads(launched.stdout)
    if status:
        raise subprocess.CalledProcessError(status, command, stderr=launched.stderr)
    return Usage(seconds, peak_mb)


@dataclass(frozen=True)
class Pair:
    """Two commands run in turn."""

    first: tuple[Usage, ...]
    second: tuple[Usage, ...]

    @property
    def wall_ratio(self) -> float:
        """Median over rounds of first / second."""
        pairs = zip(self.first, self.second, strict=True)
        return statistics.median(a.seconds / b.seconds for a, b in pairs)

    @property
    def memory_ratio(self) -> float:
        """Median over rounds of the peaks' ratio."""
        pairs = zip(self.first, self.second, strict=True)
        return statistics.median(a.peak_mb / b.peak_mb for a, b in pairs)


def alternate(first: Sequence[str], second: Sequence[str], rounds: int) -> Pair:
    """Run both commands `rounds` times, turn by turn."""
    usages: tuple[list[Usage], list[Usage]] = ([], [])
    for _ in range(rounds):
        for command, into in zip((first, second), usages, strict=True):
            into.append(run_once(command))
    return Pair(tuple(usages[0]), tuple(usages[1]))
