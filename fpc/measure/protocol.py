"""What is asked of a runner and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np

from fpc.diagnostics.errors import FpcError, MeasureError, UsageError
from fpc.ir.constant import Array
from fpc.measure.median import SMALLEST_SAMPLE, Interval, median, median_interval

Evidence: TypeAlias = Literal["measured", "replayed", "simulated"]
"""Where a figure comes from: a clock, a record of one, or emulated work."""

Unit: TypeAlias = Literal["ms", "instructions", "emulated_ms"]
"""What one run costs. What an emulator executes, or takes for it, is never called a latency."""


@dataclass(frozen=True)
class Condition:
    """What a figure holds for: figures of different conditions are never compared or fitted as one.

    `device` is the processor's name, `runtime` the library with its version, `threads` those of one
    interpreter, `workers` how many interpreters run side by side.
    """

    device: str
    runtime: str
    threads: int = 1
    workers: int = 1

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        if self.workers == 1:
            return f"{self.device}, {self.runtime}, {threads}"
        return f"{self.device}, {self.runtime}, {self.workers} workers of {threads}"


@dataclass(frozen=True)
class Expected:
    """Inputs, and the outputs that a trustworthy implementation gives for them.

    An output is right when no element is further off than its entry of `tolerances`, or when its
    signal-to-quantisation-noise ratio is at least `sqnr_floor_db`.
    """

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    tolerances: tuple[float, ...]
    sqnr_floor_db: float
    oracle: str

    def check(self, actual: Sequence[Array]) -> None:
        """`MeasureError` (`measure.wrong-outputs`) unless the `actual` outputs are right."""
        if len(actual) != len(self.outputs):
            raise self._wrong(f"{len(actual)} outputs came back, not {len(self.outputs)}")
        for index, (want, got) in enumerate(zip(self.outputs, actual, strict=True)):
            if want.shape != got.shape or want.dtype != got.dtype:
                raise self._wrong(
                    f"output {index} is {got.dtype}{list(got.shape)}, "
                    f"not {want.dtype}{list(want.shape)}"
                )
            reals, others = np.asarray(want, np.float64), np.asarray(got, np.float64)
            error = reals - others
            largest = float(np.abs(error).max(initial=0.0))
            if largest <= self.tolerances[index] or _sqnr_db(reals, error) >= self.sqnr_floor_db:
                continue
            raise self._wrong(f"output {index} is off by up to {largest:g}")

    def _wrong(self, fact: str) -> MeasureError:
        return MeasureError(
            "wrong-outputs",
            "the model does not compute what it should, so its timing means nothing",
            notes=[fact, f"compared with {self.oracle} on the same inputs"],
            help="check the runtime and the processor that ran it; `fpc compare` shows the outputs",
        )


def _sqnr_db(signal: Array, error: Array) -> float:
    noise = float(np.square(error).sum())
    power = float(np.square(signal - signal.mean()).sum())
    return 10.0 * float(np.log10(power / noise)) if power > 0 and noise > 0 else -float("inf")


@dataclass(frozen=True)
class Request:
    """One model to measure.

    `content` is the .tflite file, empty for a runner that only looks figures up. `model_sha256` is
    the digest of the model as its user gave it, before it was compiled to `precision`. Without
    `expected` the outputs are not looked at.
    """

    name: str
    content: bytes
    model_sha256: str
    precision: str
    expected: Expected | None = None
    multiply_adds: int | None = None
    graph: str = ""
    """The optimised float network as IR text without its weights, empty where it is not known."""

    @property
    def inputs(self) -> tuple[Array, ...]:
        """What to run the model on for the outputs that are looked at, none otherwise."""
        return self.expected.inputs if self.expected is not None else ()


@dataclass(frozen=True)
class Timing:
    """The cost of every run of one model, in `unit`, and what it holds for.

    `date` is ISO 8601 in UTC. `frames_per_second` counts the runs of all workers together.
    """

    name: str
    model_sha256: str
    precision: str
    runs: tuple[float, ...]
    unit: Unit
    evidence: Evidence
    condition: Condition
    date: str
    frames_per_second: float | None = None

    @property
    def median(self) -> float:
        """The middle of the runs."""
        return median(self.runs)

    @property
    def interval(self) -> Interval:
        """A 95 % confidence interval of the median."""
        return median_interval(self.runs)


@dataclass(frozen=True)
class Failure:
    """A model that could not be measured, and why."""

    name: str
    error: FpcError = field(compare=False)


@dataclass(frozen=True)
class MeasureConfig:
    """How to measure.

    Runs that do not count come first, at least `warm_up` of them and for `warm_up_s` seconds: a
    processor changes its pace within a fraction of a second. Runs that count go on until the 95 %
    interval of their median is within `relative_interval` of it (its half-width in parts of the
    median), but not for less than `least_time_s` seconds, in which a neighbour may come and go.
    They end after `time_limit_s` seconds or `most_repeats` in any case, and are never fewer than
    `least_repeats`. A model that has said nothing for `timeout_s` seconds is given up.
    `processors` pins the runs to some of the machine's processors.
    """

    threads: int = 1
    workers: int = 1
    warm_up: int = 5
    warm_up_s: float = 0.25
    least_repeats: int = 20
    most_repeats: int = 1000
    relative_interval: float = 0.01
    least_time_s: float = 0.5
    time_limit_s: float = 10.0
    timeout_s: float = 120.0
    processors: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, value, least in (
            ("threads", self.threads, 1),
            ("workers", self.workers, 1),
            ("warm-up", self.warm_up, 0),
            ("repeats", self.least_repeats, SMALLEST_SAMPLE),
        ):
            if value < least:
                raise UsageError(
                    "measure-config",
                    f"--{name} cannot be {value}",
                    help=f"the least is {least}",
                )
        for name, value in (
            ("interval", self.relative_interval),
            ("time-limit", self.time_limit_s),
            ("timeout", self.timeout_s),
        ):
            if not 0 < value < float("inf"):
                raise UsageError(
                    "measure-config",
                    f"--{name} cannot be {value:g}",
                    help="give a number above 0",
                )
        for name, value in (("warm-up", self.warm_up_s), ("measurement", self.least_time_s)):
            if not value >= 0:
                raise UsageError("measure-config", f"a {name} cannot last {value:g} s")
        if self.least_repeats > self.most_repeats:
            raise UsageError(
                "measure-config",
                f"--repeats cannot be {self.least_repeats}",
                help=f"the most is {self.most_repeats}",
            )
        if self.timeout_s <= self.warm_up_s + self.time_limit_s:
            raise UsageError(
                "measure-config",
                f"a time limit of {self.time_limit_s:g} s leaves no time to load and warm up "
                f"before the model is given up after {self.timeout_s:g} s",
                help="make --timeout longer than --time-limit",
            )


class Runner(Protocol):
    """Something that measures models, one after the other."""

    def run(self, requests: Sequence[Request], config: MeasureConfig) -> Iterator[Timing | Failure]:
        """One answer a request, in their order, each as soon as it is known.

        What goes wrong with one model is its `Failure` and does not end the iteration.
        """
        ...
