"""Counting the instructions that ARM's LiteRT or TVM executes, under emulation on this machine.

The outputs are those of the real aarch64 library. Its instructions say how much work a network is,
never how long it takes: there is no cache, no pipeline and no clock in an emulator.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from fpc.diagnostics.errors import MeasureError, MissingBackendError, UsageError
from fpc.measure.answers import one_by_one
from fpc.measure.emulation import EMULATOR, LITERT, PROCESSOR, ArmEmulator, GuestProgram
from fpc.measure.exchange import Plan
from fpc.measure.protocol import Condition, Failure, MeasureConfig, Request, Timing

_PLUGIN_SOURCE = Path(__file__).with_name("instruction_count.c")
_RUNS = 3


@dataclass(frozen=True)
class QemuRunner:
    """Runs models by `program` in the ARM root `root`.

    A `Timing` holds the instructions of three runs, evidence `simulated`. Failures are those
    of `fpc.measure.child` and `measure.wrong-outputs`.
    """

    root: Path
    emulator: str = EMULATOR
    compiler: str = "cc"
    program: GuestProgram = LITERT

    def run(self, requests: Sequence[Request], config: MeasureConfig) -> Iterator[Timing | Failure]:
        """A count or a failure for every request.

        `MissingBackendError` without emulator, compiler or root; `UsageError` for more than one
        thread, whose waiting would be counted as work.
        """
        if config.threads > 1 or config.workers > 1:
            raise UsageError(
                "measure-config",
                "instructions are counted with one thread and one worker",
                help="leave --threads and --workers out",
            )
        self._require_tools()
        with tempfile.TemporaryDirectory(prefix="fpc-qemu-") as name:
            plugin = self._built_plugin(Path(name))
            yield from one_by_one(requests, lambda request: self._measure(request, config, plugin))

    def _measure(self, request: Request, config: MeasureConfig, plugin: Path) -> Timing:
        count = plugin.with_suffix(".count")
        count.unlink(missing_ok=True)
        plan = Plan(config, is_timed=False, marked_runs=_RUNS)
        outputs, result = self._emulated.run(
            self.program,
            request.content,
            request.inputs,
            plan,
            ("-plugin", f"{plugin},count={count}"),
        )
        if request.expected is not None:
            request.expected.check(outputs)
        return Timing(
            name=request.name,
            model_sha256=request.model_sha256,
            precision=request.precision,
            runs=_instructions(count),
            unit="instructions",
            evidence="simulated",
            condition=Condition(f"{PROCESSOR} (aarch64, QEMU)", result.runtime),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _require_tools(self) -> None:
        self._emulated.require(self.program)
        if shutil.which(self.compiler) is None:
            raise MissingBackendError(
                "missing",
                f"{self.compiler} is not installed, and counting ARM instructions needs it",
                help="install it (Debian: apt-get install gcc)",
            )

    @property
    def _emulated(self) -> ArmEmulator:
        return ArmEmulator(self.root, self.emulator)

    def _built_plugin(self, folder: Path) -> Path:
        plugin = folder / "instruction_count.so"
        command = [self.compiler, "-shared", "-fPIC", "-O2", "-o", str(plugin), str(_PLUGIN_SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise MeasureError(
                "qemu-plugin",
                f"{self.compiler} cannot compile the plugin that counts instructions",
                notes=done.stderr.splitlines()[:10],
                help="is it a C compiler for this machine?",
            )
        return plugin


def _instructions(count: Path) -> tuple[float, ...]:
    """What every run executed, from the counts at its marks, less what surrounds a run."""
    try:
        marks = [int(line) for line in count.read_text().splitlines()]
    except (OSError, ValueError):
        marks = []
    if len(marks) != 2 * _RUNS + 1:
        raise MeasureError(
            "qemu-count",
            "the emulator did not say how many instructions it executed",
            help="counting needs QEMU 6 to 8 with plugins (Debian: qemu-user)",
        )
    parts = [after - before for before, after in pairwise(marks)]
    return tuple(float(full - empty) for empty, full in zip(parts[::2], parts[1::2], strict=True))
