"""Tiles of kernels by measuring, kept in a file as they are found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fpc.diagnostics.errors import UsageError
from fpc.diagnostics.progress import Progress, silent
from fpc.driver.artifact import check_file_writable, write_file
from fpc.driver.backend import isa_of
from fpc.driver.compile import compile_model
from fpc.driver.measure import name_of
from fpc.driver.options import CompileOptions, Precision
from fpc.driver.tune_kernel import Clock, best_tile, compiled_and_timed
from fpc.driver.watch import random_inputs
from fpc.interp.executor import run_keeping
from fpc.ir.graph import Graph
from fpc.measure.device import device_name
from fpc.targets import catalog

if TYPE_CHECKING:
    from fpc.backends.tvm.isa.description import Isa
    from fpc.backends.tvm.kernels.table import AnyKernel
    from fpc.backends.tvm.tuning.case import Case
    from fpc.backends.tvm.tuning.tile_table import Circumstances, TileTable


@dataclass(frozen=True)
class TuneOptions:
    """What tiles are for and where they go.

    Kernels that the file `output` has, measured on this machine with these versions, are not
    measured again. After `budget_s` seconds no further kernel is begun; those with most work come
    first.
    """

    output: Path
    target: str = "host"
    budget_s: float | None = None
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])


@dataclass(frozen=True)
class TunedNetwork:
    """One network's kernels with a choice of tiles; times are sums over the calls of `known` ones.

    `untuned_ms` is with tiles by rules, `tuned_ms` with the best.
    """

    name: str
    kernels: int
    known: int
    untuned_ms: float
    tuned_ms: float


@dataclass(frozen=True)
class Tuned:
    """A run's result; `left` kernels were beyond the budget.

    `refused` are the candidates that computed something wrong, or could not be compiled.
    """

    isa: str
    networks: tuple[TunedNetwork, ...]
    measured: int
    left: int
    refused: tuple[str, ...]


def tune(
    models: Sequence[Path | Graph],
    options: TuneOptions,
    progress: Progress = silent,
    clock: Clock = compiled_and_timed,
) -> Tuned:
    """Measure the tiles of all kernels of `models` and keep the best ones in the file.

    `UsageError` (`usage.tune-target`) for a target with other instructions than this machine's,
    `BackendError` for a file of something else, and whatever compiling a model raises.
    """
    isa = _isa_of(options.target)
    check_file_writable(options.output)
    table, circumstances = _kept(options.output, isa), _circumstances()
    networks = _networks(models, options, isa, progress)
    wanted = _wanted([case for cases in networks.values() for case in cases], table, circumstances)
    refused: list[str] = []
    started, done = time.monotonic(), 0
    for case in wanted:
        progress("tune", done, len(wanted))
        if options.budget_s is not None and time.monotonic() - started >= options.budget_s:
            break
        best = best_tile(case, isa, clock)
        refused += best.refused
        table = table.with_entry(best.entry, circumstances)
        write_file(options.output, table.to_json().encode())
        done += 1
    progress("tune", len(wanted), len(wanted))
    described = tuple(
        _describe(name, cases, table, circumstances) for name, cases in networks.items()
    )
    return Tuned(isa.name, described, done, len(wanted) - done, tuple(refused))


def _isa_of(target: str) -> Isa:
    from fpc.backends.tvm.isa.table import runs_here
    from fpc.backends.tvm.requirements import require_tvm

    require_tvm()
    isa = isa_of(catalog.load(target))
    if not runs_here(isa):
        raise UsageError(
            "tune-target",
            f"kernels for {isa.name} cannot be timed on this machine, an emulator has no clock",
            help=f"run `fpc tune --target host` on a machine like {target}, and bring the file "
            "here for --tiles",
        )
    return isa


def _kept(file: Path, isa: Isa) -> TileTable:
    from fpc.backends.tvm.tuning.tables import tiles_of_file
    from fpc.backends.tvm.tuning.tile_table import TileTable

    return tiles_of_file(file, isa) if file.exists() else TileTable(isa.name)


def _circumstances() -> Circumstances:
    from fpc.backends.tvm.requirements import PINNED
    from fpc.backends.tvm.sources import kernels_digest
    from fpc.backends.tvm.tuning.tile_table import Circumstances

    return Circumstances(
        machine=device_name(),
        date=datetime.now(UTC).date().isoformat(),
        versions={**PINNED, "kernels": kernels_digest()[:16]},
    )


def _networks(
    models: Sequence[Path | Graph], options: TuneOptions, isa: Isa, progress: Progress
) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for index, model in enumerate(models):
        progress("compile", index, len(models))
        found[name_of(model)] = _cases(model, options, isa)
    progress("compile", len(models), len(models))
    return found


def _cases(model: Path | Graph, options: TuneOptions, isa: Isa) -> list[Case]:
    """The kernels of a model with a choice of tiles, and what they compute of noise."""
    from fpc.backends.tvm.artifact import NUMERICS
    from fpc.backends.tvm.planner import plan
    from fpc.backends.tvm.tuning.case import cases, needed, tilable
    from fpc.backends.tvm.tuning.tile_table import TileTable

    compiled = compile_model(
        model,
        CompileOptions(
            target=options.target,
            backend="tvm",
            precision=Precision.INT8,
            input_shapes=options.input_shapes,
            recipe="min-max",
            allow_degraded=True,
        ),
    )
    planned = plan(compiled.graph, isa, TileTable(isa.name))
    calls = tuple(tilable(planned, isa).values())
    keep = needed(planned, calls)
    values = run_keeping(compiled.graph, random_inputs(compiled.graph), keep, NUMERICS)
    return list(cases(planned, calls, values))


def _wanted(cases: Sequence[Case], table: TileTable, circumstances: Circumstances) -> list[Case]:
    """One case of every kernel that nobody has measured, those with most work first."""
    from fpc.backends.tvm.tuning.tile_space import untiled

    distinct: dict[AnyKernel, Case] = {}
    for case in cases:
        if table.entry(case.kernel, circumstances) is None:
            distinct.setdefault(untiled(case.kernel), case)
    return sorted(distinct.values(), key=lambda case: -case.work)


def _describe(
    name: str, cases: Sequence[Case], table: TileTable, circumstances: Circumstances
) -> TunedNetwork:
    found = [(case.calls, table.entry(case.kernel, circumstances)) for case in cases]
    known = [(calls, entry) for calls, entry in found if entry is not None]
    return TunedNetwork(
        name,
        kernels=len(cases),
        known=len(known),
        untuned_ms=sum(calls * entry.untuned_microseconds for calls, entry in known) / 1e3,
        tuned_ms=sum(calls * entry.microseconds for calls, entry in known) / 1e3,
    )
