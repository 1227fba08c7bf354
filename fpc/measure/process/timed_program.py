"""The body of programs that measure one model and leave: `python -m PROGRAM FOLDER`.

A runtime can crash on a file or never come back from it, so it runs in a process of its own.
`fpc.measure.process.exchange` says what the folder holds.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from fpc.diagnostics.errors import MeasureError, UsageError
from fpc.ir.constant import Array
from fpc.measure.device import Machine, device_name, require_processors
from fpc.measure.median import relative_half_width
from fpc.measure.process.exchange import (
    WAITING,
    Plan,
    Result,
    mark,
    read_task,
    write_answer,
    write_error,
)
from fpc.measure.protocol import MeasureConfig

_ROUND = 10
"""Runs between two looks at the interval."""


class TimedModel(Protocol):
    """A model made ready to run in some runtime."""

    @property
    def runtime_name(self) -> str:
        """The runtime with its version."""
        ...

    def __call__(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs for `inputs`."""
        ...

    def time_ms(self, repeats: int, *, warm_up: int = 3) -> tuple[float, ...]:
        """Wall-clock milliseconds of each of `repeats` runs, after `warm_up` more."""
        ...


ModelT = TypeVar("ModelT", bound=TimedModel)


def _this_machine(_model: TimedModel) -> Machine:
    return Machine(device_name())


def measure_and_leave(
    load: Callable[[bytes, Plan], ModelT], machine: Callable[[ModelT], Machine] = _this_machine
) -> None:
    """Read the task from the folder that is the last argument, do it, write the answer there.

    `machine` says where the model that `load` made runs. A program that waits (`WAITING`) leaves
    when its input ends without a folder.
    """
    named = sys.argv[-1] if sys.argv[-1] != WAITING else sys.stdin.readline()
    if not named:
        return
    folder = Path(named)
    content, inputs, plan = read_task(folder)
    try:
        _pin(plan.config.processors)
        model = load(content, plan)
        outputs = model(inputs) if inputs else ()
        result = _measure(model, lambda: load(content, plan), plan)
        device = machine(model)
        answer = replace(result, device=device.name, is_emulated=device.is_emulated)
        write_answer(folder, outputs, answer)
    except MeasureError as error:
        write_error(folder, error)


def _pin(processors: tuple[int, ...]) -> None:
    try:
        require_processors(processors)
    except UsageError as error:
        raise MeasureError("pin", error.message, help=error.help) from None
    if processors:
        os.sched_setaffinity(0, processors)


def _measure(model: TimedModel, load: Callable[[], TimedModel], plan: Plan) -> Result:
    runtime = model.runtime_name
    if not plan.is_timed:
        if plan.marked_runs:
            _run_marked(model, plan.marked_runs)
        return Result(runtime)
    config = plan.config
    _warm_up(model, config)
    # A collection in the middle of a run would be counted as the model's.
    gc.disable()
    if config.workers == 1:
        runs, elapsed_s = _until_tight(model, config)
        return Result(runtime, runs, len(runs) / elapsed_s)
    others = [load() for _ in range(config.workers - 1)]
    for other in others:
        _warm_up(other, config)
    return Result(runtime, *_side_by_side([model, *others], config))


def _run_marked(model: TimedModel, runs: int) -> None:
    model.time_ms(0, warm_up=1)
    for _ in range(runs):
        for invocations in (0, 1):
            mark()
            model.time_ms(0, warm_up=invocations)
    mark()


def _warm_up(model: TimedModel, config: MeasureConfig) -> None:
    until = time.perf_counter() + config.warm_up_s
    model.time_ms(0, warm_up=config.warm_up)
    while time.perf_counter() < until:
        model.time_ms(0, warm_up=1)


def _until_tight(model: TimedModel, config: MeasureConfig) -> tuple[tuple[float, ...], float]:
    """The milliseconds of every run and the seconds they took together."""
    runs: list[float] = []
    started = time.perf_counter()
    while True:
        runs += model.time_ms(_ROUND, warm_up=0)
        elapsed_s = time.perf_counter() - started
        if _is_enough([runs], elapsed_s, config):
            return tuple(runs), elapsed_s


def _side_by_side(
    models: list[TimedModel], config: MeasureConfig
) -> tuple[tuple[float, ...], float]:
    """The milliseconds of every run of every worker, and their frames a second together.

    Every worker is a thread with a model of its own (runtimes run without Python's lock).
    They start together and stop together, as soon as all runs so far fix the median.
    """
    runs: list[list[float]] = [[] for _ in models]
    rates = [0.0] * len(models)
    start = threading.Barrier(len(models))
    stop = threading.Event()
    problems: list[MeasureError] = []

    def work(index: int) -> None:
        start.wait()
        started = time.perf_counter()
        while not stop.is_set():
            runs[index] += models[index].time_ms(_ROUND, warm_up=0)
            if index == 0 and _is_enough(runs, time.perf_counter() - started, config):
                stop.set()
        rates[index] = len(runs[index]) / (time.perf_counter() - started)

    threads = [
        threading.Thread(target=_guarded(work, index, stop, problems))
        for index in range(len(models))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return tuple(run for of_worker in runs for run in of_worker), sum(rates)


def _guarded(
    work: Callable[[int], None], index: int, stop: threading.Event, problems: list[MeasureError]
) -> Callable[[], None]:
    def run() -> None:
        try:
            work(index)
        except MeasureError as error:
            problems.append(error)
            stop.set()

    return run


def _is_enough(runs: list[list[float]], elapsed_s: float, config: MeasureConfig) -> bool:
    fewest = min(map(len, runs))
    if fewest < config.least_repeats:
        return False
    every = [run for of_worker in runs for run in of_worker]
    return (
        elapsed_s >= config.time_limit_s
        or fewest >= config.most_repeats
        or (
            elapsed_s >= config.least_time_s
            and relative_half_width(every) <= config.relative_interval
        )
    )
