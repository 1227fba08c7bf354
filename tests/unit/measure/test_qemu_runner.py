"""Counting instructions: what the runner makes of an emulator's word, and the real one's."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fpc.diagnostics.errors import MissingBackendError, UsageError
from fpc.measure.emulation import executed_blocks
from fpc.measure.emulation.emulator import EMULATOR, TVM
from fpc.measure.emulation.runner import QemuRunner
from fpc.measure.process.exchange import MARK
from fpc.measure.protocol import Failure, MeasureConfig, Timing
from tests.unit.measure.fixtures import expected, request

CONFIG = MeasureConfig()
COUNTS = (1000, 100, 500, 100, 501, 100, 502)
"""Between the marks: 100 instructions around every run of 400, 401 and 402."""
NOP = "1f2003d5"
ROOT = Path(os.environ.get("FPC_ARM_ROOTFS", Path(__file__).parents[3] / ".cache" / "arm-rootfs"))


def emulator(folder: Path, counts: tuple[int, ...]) -> QemuRunner:
    """A runner whose emulator runs the program on this machine and says that it counted."""
    script = folder / "emulator"
    written = "".join(f"{count} 1000 {NOP}\n\n" for count in counts)
    script.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, subprocess, sys\n"
        "plugin = sys.argv[sys.argv.index('-plugin') + 1]\n"
        f"pathlib.Path(plugin.partition('blocks=')[2]).write_text({written!r})\n"
        "program = sys.argv[sys.argv.index('-m') :]\n"
        "sys.exit(subprocess.run([sys.executable, *program]).returncode)\n"
    )
    script.chmod(0o755)
    python = folder / "usr" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    python.touch()
    (folder / "opt" / "site-packages" / "ai_edge_litert").mkdir(parents=True)
    return QemuRunner(folder, str(script), "true")


def test_counts_are_simulated_instructions_and_no_latency(tmp_path):
    [timing] = emulator(tmp_path, COUNTS).run([request()], CONFIG)
    assert isinstance(timing, Timing)
    assert timing.runs == (400.0, 401.0, 402.0)
    assert (timing.unit, timing.evidence) == ("instructions", "simulated")
    assert timing.frames_per_second is None
    assert "QEMU" in timing.condition.device


@pytest.mark.parametrize("counts", [(), COUNTS[:-1]])
def test_an_emulator_that_did_not_count(tmp_path, counts):
    [failure] = emulator(tmp_path, counts).run([request()], CONFIG)
    assert isinstance(failure, Failure)
    assert failure.error.code == "measure.qemu-count"


def test_wrong_outputs_are_not_counted(tmp_path):
    [failure] = emulator(tmp_path, COUNTS).run([request("x", expected(0, 0, 0, 0))], CONFIG)
    assert isinstance(failure, Failure)
    assert failure.error.code == "measure.wrong-outputs"


def test_what_is_missing_is_named(tmp_path):
    whole = emulator(tmp_path, COUNTS)
    for runner, name in (
        (replace(whole, emulator="no-such-emulator"), "no-such-emulator"),
        (replace(whole, compiler="no-such-compiler"), "no-such-compiler"),
        (replace(whole, root=tmp_path / "none"), "none"),
        (replace(whole, program=TVM), "lacks the package tvm"),
    ):
        with pytest.raises(MissingBackendError, match=name):
            list(runner.run([request()], CONFIG))


def test_waiting_threads_are_not_counted(tmp_path):
    runner = emulator(tmp_path, COUNTS)
    for config in (MeasureConfig(threads=2), MeasureConfig(workers=2)):
        with pytest.raises(UsageError, match="one thread"):
            list(runner.run([request()], config))


def test_the_plugin_watches_for_the_programs_mark():
    source = Path(executed_blocks.__file__).with_name("executed_blocks.c")
    assert f"#define MARK {MARK:#x}\n" in source.read_text()


@pytest.mark.skipif(
    shutil.which(EMULATOR) is None or not (ROOT / "opt").is_dir(),
    reason=f"counting needs {EMULATOR} (Debian: qemu-user) and the ARM root",
)
def test_real_counts_repeat():
    counted = [next(QemuRunner(ROOT).run([request()], CONFIG)) for _ in range(2)]
    assert all(isinstance(timing, Timing) for timing in counted), counted
    first, second = (timing for timing in counted if isinstance(timing, Timing))
    assert first.median == pytest.approx(second.median, rel=0.02)
    assert 100 < first.median < 1_000_000
