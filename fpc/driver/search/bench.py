"""Networks of a space on the bench: built with drawn weights, compiled, and measured in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event, Lock
from typing import Literal, TypeAlias

from fpc.diagnostics.errors import FpcError, SearchError
from fpc.diagnostics.progress import Progress, silent
from fpc.driver.measure.models import MeasureOptions, prepare_request, sample_of
from fpc.driver.search.workers import Jobs, mapped
from fpc.measure.median import Interval, is_disturbed, median, median_interval
from fpc.measure.protocol import (
    Condition,
    Failure,
    MeasureConfig,
    Request,
    Runner,
    Timing,
)
from fpc.measure.samples.database import SampleDatabase
from fpc.search.journal import Journal
from fpc.search.space.description import Space, Subnet
from fpc.search.space.encoding import encode
from fpc.search.space.network import build

Build: TypeAlias = Callable[[Subnet], Request | FpcError]
"""Makes the request for a network, or says why there is none."""

_NORMAL = 1.96
_PATIENCE = 3


@dataclass(frozen=True)
class Latency:
    """What a network took: the median over its turns, each the median of its runs.

    The 95 % interval is that of the turns' medians, whose wandering no single turn shows; their
    whole range where they are few; that of the runs where there is one turn. Disturbed turns say
    nothing of the network and are left out, unless all are.
    """

    ms: float
    interval_ms: Interval
    turns: int
    evidence: Literal["measured", "replayed"]

    @classmethod
    def of(cls, timings: Sequence[Timing]) -> Latency:
        """Of the turns of one network."""
        timings = _undisturbed(timings) or timings
        medians = [timing.median for timing in timings]
        interval = timings[0].interval if len(timings) == 1 else median_interval(medians)
        evidence = "replayed" if timings[0].evidence == "replayed" else "measured"
        return cls(median(medians), interval, len(timings), evidence)

    @property
    def noise(self) -> float:
        """The standard error, as a fraction."""
        low, high = self.interval_ms
        return (high - low) / (2.0 * _NORMAL) / self.ms


class Bench:
    """Measures networks on runners, each of which takes one network at a time.

    What is in the journal is not measured again. Finished measurements go there, and as samples
    into the `database`. Where there are several runners they work side by side, and every network
    visits them in turn.
    """

    def __init__(
        self,
        runners: Sequence[Runner],
        config: MeasureConfig,
        build: Build,
        journal: Journal,
        *,
        jobs: Jobs = 1,
        database: Path | None = None,
    ) -> None:
        self._runners = tuple(runners)
        self._config = config
        self._build = build
        self._journal = journal
        self._jobs: Jobs = jobs
        self._database = database
        self._asked: dict[Subnet, int] = {}
        self._wanted: dict[Subnet, int] = {}
        self._lock = Lock()

    def measure(self, turns: Mapping[Subnet, int], progress: Progress = silent) -> None:
        """Bring networks to so many turns each, in turn: what disturbs one disturbs all.

        Turns that were disturbed are taken again later, at most twice as many as are wanted. A
        network that fails is not tried again. Where all fail, it is an error: that of the first.
        `SearchError` (`search.several-conditions`) for runners that are not of one kind.
        """
        self._wanted |= turns
        while True:
            again = {subnet: self._turns_to_take(subnet) for subnet in turns}
            if all(count <= self._asked.get(subnet, 0) for subnet, count in again.items()):
                return
            self._asked |= again
            self._take(again, progress)

    def _turns_to_take(self, subnet: Subnet) -> int:
        """How many there must be in all, as far as is known, for so many to be undisturbed."""
        asked, wanted = self._asked.get(subnet, 0), self._wanted[subnet]
        if self.failure(subnet) is not None:
            return asked
        undisturbed = len(_undisturbed(self._timings(subnet)))
        return max(asked, min(asked + wanted - undisturbed, _PATIENCE * wanted))

    def _take(self, turns: Mapping[Subnet, int], progress: Progress) -> None:
        missing = sorted(
            (turn - self._taken(subnet), place, turn, subnet)
            for place, (subnet, total) in enumerate(turns.items())
            for turn in range(self._taken(subnet), total)
            if self.failure(subnet) is None
        )
        wanted = list(dict.fromkeys(subnet for *_, subnet in missing))
        requests, failures = self._built(wanted, progress)
        queues: list[list[tuple[Subnet, int]]] = [[] for _ in self._runners]
        for _, place, turn, subnet in missing:
            if subnet in requests:
                queues[(place + turn) % len(queues)].append((subnet, turn))
        failures |= self._run(queues, requests, progress)
        if wanted and len(failures) == len(wanted):
            raise next(iter(failures.values()))[1]
        for subnet, (turn, error) in failures.items():
            self._journal.add_failure(encode(subnet), turn, error.message)

    def failure(self, subnet: Subnet) -> str | None:
        """Why a network could not be measured, as far as that was asked."""
        turn, message = self._journal.failures.get(encode(subnet), (0, None))
        return message if turn < self._asked.get(subnet, 0) else None

    def _taken(self, subnet: Subnet) -> int:
        """The first turns of a network that the journal has."""
        return next(turn for turn in count() if (encode(subnet), turn) not in self._journal.timings)

    @property
    def latencies(self) -> dict[Subnet, Latency]:
        """Of every network that was asked for and did not fail, in the order of their texts.

        A journal that is resumed knows more, and must not decide by it before it is asked.
        """
        found: dict[Subnet, Latency] = {}
        for subnet in sorted(self._asked, key=encode):
            if self.failure(subnet) is None:
                found[subnet] = Latency.of(self._timings(subnet))
        return found

    def wanted(self, subnet: Subnet) -> int:
        """How many undisturbed turns of a network were asked for."""
        return self._wanted[subnet]

    @property
    def disturbed(self) -> int:
        """How many turns were."""
        asked = [self._timings(subnet) for subnet in self._asked if self.failure(subnet) is None]
        return sum(len(timings) - len(_undisturbed(timings)) for timings in asked)

    def _timings(self, subnet: Subnet) -> list[Timing]:
        turns = range(self._asked.get(subnet, 0))
        return [self._journal.timings[encode(subnet), turn] for turn in turns]

    @property
    def asked(self) -> frozenset[Subnet]:
        """Every network that was asked for."""
        return frozenset(self._asked)

    @property
    def condition(self) -> Condition | None:
        """What all measurements hold for."""
        return next((timing.condition for timing in self._journal.timings.values()), None)

    def _built(
        self, subnets: Sequence[Subnet], progress: Progress
    ) -> tuple[dict[Subnet, Request], dict[Subnet, tuple[int, FpcError]]]:
        requests: dict[Subnet, Request] = {}
        failures: dict[Subnet, tuple[int, FpcError]] = {}
        for subnet, built in zip(subnets, mapped(self._build, subnets, self._jobs), strict=True):
            if isinstance(built, FpcError):
                failures[subnet] = 0, built
            else:
                requests[subnet] = built
            progress("compile", len(requests) + len(failures), len(subnets))
        return requests, failures

    def _run(
        self,
        queues: Sequence[Sequence[tuple[Subnet, int]]],
        requests: dict[Subnet, Request],
        progress: Progress,
    ) -> dict[Subnet, tuple[int, FpcError]]:
        failures: dict[Subnet, tuple[int, FpcError]] = {}
        total, done = sum(map(len, queues)), 0
        stop = Event()

        def work(runner: Runner, queue: Sequence[tuple[Subnet, int]]) -> None:
            nonlocal done
            for subnet, turn in queue:
                if stop.is_set():
                    return
                if subnet not in failures:
                    [answer] = runner.run([requests[subnet]], self._config)
                    if isinstance(answer, Failure):
                        failures[subnet] = turn, answer.error
                    else:
                        self._keep(subnet, turn, answer, requests[subnet])
                done += 1
                progress("measure", done, total)

        if len(self._runners) == 1:
            work(self._runners[0], queues[0])
            return failures
        with ThreadPoolExecutor(len(self._runners)) as pool:
            futures = [
                pool.submit(work, runner, queue)
                for runner, queue in zip(self._runners, queues, strict=True)
            ]
            try:
                for future in futures:
                    future.result()
            finally:
                stop.set()
        return failures

    def _keep(self, subnet: Subnet, turn: int, timing: Timing, request: Request) -> None:
        if timing.unit != "ms":
            raise SearchError(
                "no-latency",
                f"{timing.unit} do not say how long a network takes",
                help="measure with a clock: on this machine (host) or on a board (ssh:HOST)",
            )
        with self._lock:
            expected = self.condition
            if expected is not None and timing.condition != expected:
                raise SearchError(
                    "several-conditions",
                    "the measurements of one search come from several devices or runtimes",
                    notes=[str(expected), str(timing.condition)],
                    help="measure on boards of one kind, and resume a journal on the kind that it "
                    "began on",
                )
            self._journal.add_timing(encode(subnet), turn, timing)
        if self._database is not None:
            # Opened anew: a connection belongs to one thread.
            with SampleDatabase(self._database, create=True) as database:
                database.add(sample_of(timing, request))


def _undisturbed(timings: Sequence[Timing]) -> list[Timing]:
    return [timing for timing in timings if not is_disturbed(timing.runs)]


def builder(space: Space, target: str, seed: int, config: MeasureConfig) -> Build:
    """Builds networks of `space` with weights drawn from `seed`, compiled to int8 for `target`."""
    return partial(_built, space, target, seed, config)


def _built(
    space: Space, target: str, seed: int, config: MeasureConfig, subnet: Subnet
) -> Request | FpcError:
    try:
        options = MeasureOptions(target=target, quick=True)
        request = prepare_request(build(space, subnet, seed), options, config)
        return replace(request, name=encode(subnet))
    except FpcError as error:
        return error
