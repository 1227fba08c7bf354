"""Counting the instructions that ARM's LiteRT executes, under emulation on this machine.

The outputs are those of the real aarch64 library. Its instructions say how much work a network is,
never how long it takes: there is no cache, no pipeline and no clock in an emulator.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from fpc.diagnostics.errors import MeasureError, MissingBackendError, UsageError
from fpc.measure.answers import one_by_one
from fpc.measure.child import run_program
from fpc.measure.exchange import Plan
from fpc.measure.protocol import Condition, Failure, MeasureConfig, Request, Timing

EMULATOR = "qemu-aarch64"
"""QEMU's user mode, dynamically linked: the static builds of distributions take no plugins."""

PROCESSOR = "cortex-a72"
"""Not `max`: with its extensions QEMU 7.2 gives wrong results in LiteRT's integer kernels."""

_PLUGIN_SOURCE = Path(__file__).with_name("instruction_count.c")
_RUNS = 3
_NOT_FOR_THE_GUEST = ("PYTHON", "COVERAGE", "COV_")


@dataclass(frozen=True)
class QemuRunner:
    """Runs files in the aarch64 LiteRT of `root`, a folder with an unpacked arm64 Debian.

    `root` holds Python at usr/bin/python3 and the wheels of LiteRT and numpy at opt/site-packages.
    A `Timing` holds the instructions of three runs, evidence `simulated`. Failures are those
    of `fpc.measure.child` and `measure.wrong-outputs`.
    """

    root: Path
    emulator: str = EMULATOR
    compiler: str = "cc"

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
        command = self._command(plugin, count)
        outputs, result = run_program(
            command, request.content, request.inputs, plan, _environment()
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

    def _command(self, plugin: Path, count: Path) -> tuple[str, ...]:
        packages = self.root / "opt" / "site-packages"
        ours = Path(__file__).parents[2]
        return (
            *(self.emulator, "-cpu", PROCESSOR, "-L", str(self.root)),
            *("-plugin", f"{plugin},count={count}", "-U", "LD_LIBRARY_PATH"),
            *("-E", f"PYTHONHOME={self.root / 'usr'}", "-E", f"PYTHONPATH={packages}:{ours}"),
            # What Python does by chance or only once would be counted as the model's.
            *("-E", "PYTHONHASHSEED=0", "-E", "PYTHONDONTWRITEBYTECODE=1"),
            str((self.root / "usr" / "bin" / "python3").resolve()),
            *("-m", "fpc.measure.litert_program"),
        )

    def _require_tools(self) -> None:
        for tool, package in ((self.emulator, "qemu-user"), (self.compiler, "gcc")):
            if shutil.which(tool) is None:
                raise MissingBackendError(
                    "missing",
                    f"{tool} is not installed, and counting ARM instructions needs it",
                    help=f"install it (Debian: apt-get install {package})",
                )
        if not (self.root / "usr" / "bin" / "python3").exists():
            raise MissingBackendError(
                "missing",
                f"there is no ARM root at {self.root}",
                help="`make arm-root` builds one; --arm-root names it",
            )

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


def _environment() -> Mapping[str, str]:
    """What the emulated Python may see of this machine's environment."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_THE_GUEST)
    }


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
