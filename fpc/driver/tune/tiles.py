"""The best tiles of kernels, kept in a file as they are found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.isa.table import runs_here
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.requirements import require_tvm
from fpc.backends.tvm.sources import kernel_versions
from fpc.backends.tvm.tuning.case import Case
from fpc.backends.tvm.tuning.tables import tiles_of_file
from fpc.backends.tvm.tuning.tile_space import untiled
from fpc.backends.tvm.tuning.tile_table import Circumstances, TileTable
from fpc.diagnostics.errors import UsageError
from fpc.diagnostics.progress import Progress, silent
from fpc.driver.artifact import check_file_writable, write_file
from fpc.driver.measure.models import name_of
from fpc.driver.options import Precision
from fpc.driver.phases.backend import isa_of
from fpc.driver.tune.kernel import best_tile
from fpc.driver.tune.network import cases_of
from fpc.ir.graph import Graph
from fpc.measure.emulation.emulator import PROCESSOR
from fpc.measure.kernels.here import HostKernelRunner
from fpc.measure.kernels.on_boards import BoardKernelRunner
from fpc.measure.kernels.protocol import CostUnit, KernelCondition, KernelEvidence, KernelRunner
from fpc.measure.kernels.simulated import SimulatedKernelRunner
from fpc.measure.tvm_rpc.tracker import Tracker
from fpc.targets import catalog
from fpc.targets.description import Target


@dataclass(frozen=True)
class TuneOptions:
    """What tiles are for and where they go.

    Kernels are compared `on` this machine, an emulated one or boards of a tracker: if nothing else
    is said here, and emulated where this machine has other instructions than the target. Those that
    the file `output` has from the same machine with the same versions are not compared again. After
    `budget_s` seconds no further kernel is begun; those with most work come first.
    """

    output: Path
    target: str = "host"
    on: Tracker | Literal["host", "qemu"] | None = None
    budget_s: float | None = None
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    precision: Precision = Precision.INT8
    """What float models are quantised in."""


@dataclass(frozen=True)
class TunedNetwork:
    """One network's kernels with a choice of tiles; costs are sums over the calls of `known` ones.

    `untuned_cost` is with tiles by rules, `tuned_cost` with the best.
    """

    name: str
    kernels: int
    known: int
    untuned_cost: float
    tuned_cost: float


@dataclass(frozen=True)
class Tuned:
    """A run's result, with costs in `unit`; `left` kernels were beyond the budget.

    `refused` are the candidates that computed something wrong, or could not be compiled.
    """

    isa: str
    machine: str
    evidence: KernelEvidence
    unit: CostUnit
    networks: tuple[TunedNetwork, ...]
    compared: int
    left: int
    refused: tuple[str, ...]


def tune(
    models: Sequence[Path | Graph],
    options: TuneOptions,
    progress: Progress = silent,
    runner: KernelRunner | None = None,
) -> Tuned:
    """Compare the tiles of all kernels of `models` and keep the best ones in the file.

    A `runner` takes the place of the one that `options` choose. `UsageError` (`usage.tune-target`)
    for a target whose kernels cannot be compared there, `BackendError` for a file of something
    else, and whatever compiling a model or running a kernel raises.
    """
    require_tvm()
    target = catalog.load(options.target)
    isa = isa_of(target)
    check_file_writable(options.output)
    runner = runner if runner is not None else _runner_for(isa, options)
    condition = runner.condition()
    table, circumstances = _kept(options.output, isa), _circumstances(condition)
    networks = _networks(models, options, target.compiled_by("tvm"), isa, progress)
    wanted = _wanted([case for cases in networks.values() for case in cases], table, circumstances)
    refused: list[str] = []
    started, done = time.monotonic(), 0
    for case in wanted:
        progress("tune", done, len(wanted))
        if options.budget_s is not None and time.monotonic() - started >= options.budget_s:
            break
        best = best_tile(case, isa, runner)
        refused += best.refused
        table = table.with_entry(best.entry, circumstances)
        write_file(options.output, table.to_json().encode())
        done += 1
    progress("tune", len(wanted), len(wanted))
    return Tuned(
        isa.name,
        condition.machine,
        condition.evidence,
        condition.unit,
        tuple(_describe(name, cases, table, circumstances) for name, cases in networks.items()),
        compared=done,
        left=len(wanted) - done,
        refused=tuple(refused),
    )


def _runner_for(isa: Isa, options: TuneOptions) -> KernelRunner:
    match options.on:
        case Tracker() as tracker:
            return BoardKernelRunner(tracker)
        case "host" | None if runs_here(isa):
            return HostKernelRunner()
        case "qemu" | None if isa.target.get("mcpu") == PROCESSOR:
            return SimulatedKernelRunner()
        case "qemu":
            raise UsageError(
                "tune-target",
                f"kernels for {isa.name} cannot be simulated, only those for a {PROCESSOR} can",
                help="leave --on out, or tune for --target rpi4-arm",
            )
        case _:
            raise UsageError(
                "tune-target",
                f"kernels for {isa.name} cannot be timed on this machine, which has other "
                "instructions",
                help="--on tvm-rpc:HOST:PORT/KEY times them on a board; or run `fpc tune --target "
                f"host` on a machine like {options.target}, and bring the file here for --tiles",
            )


def _kept(file: Path, isa: Isa) -> TileTable:
    return tiles_of_file(file, isa) if file.exists() else TileTable(isa.name)


def _circumstances(condition: KernelCondition) -> Circumstances:
    return Circumstances(
        machine=condition.machine,
        date=datetime.now(UTC).date().isoformat(),
        evidence=condition.evidence,
        unit=condition.unit,
        versions={**kernel_versions(), **condition.versions},
    )


def _networks(
    models: Sequence[Path | Graph],
    options: TuneOptions,
    target: Target,
    isa: Isa,
    progress: Progress,
) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for index, model in enumerate(models):
        progress("compile", index, len(models))
        found[name_of(model)] = cases_of(
            model, options.input_shapes, target, isa, options.precision
        )
    progress("compile", len(models), len(models))
    return found


def _wanted(cases: Sequence[Case], table: TileTable, circumstances: Circumstances) -> list[Case]:
    """One case of every kernel that the table lacks, those with most work first."""
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
        untuned_cost=sum(calls * entry.untuned_cost for calls, entry in known),
        tuned_cost=sum(calls * entry.cost for calls, entry in known),
    )
