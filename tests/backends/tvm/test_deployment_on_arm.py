"""Artifacts for ARM run from C++ and on an emulated board of a farm, to the bit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fpc.backends.tvm.isa.neon_mlal import NEON_MLAL
from fpc.driver.phases.backend import archive
from fpc.measure.emulation.emulator import ArmEmulator, guest_environment
from fpc.measure.protocol import Expected, MeasureConfig, Request, Timing
from fpc.measure.samples.database import SampleDatabase
from fpc.measure.samples.sample import Sample
from fpc.measure.tvm_rpc.runner import TvmRpcRunner
from tests.backends.arm.tvm import emulated
from tests.backends.tvm.artifacts import draw_inputs, forked, interpreted, write_artifact
from tests.backends.tvm.farm import Farm

pytestmark = emulated

COMPILER = "aarch64-linux-gnu-g++"
GRAPH = forked()
INPUTS = draw_inputs(GRAPH)
WANTED = interpreted(GRAPH, INPUTS)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifact(tmp_path_factory.mktemp("arm") / "forked", GRAPH, NEON_MLAL)


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"{COMPILER} is not installed")
def test_the_program_is_built_here_and_runs_there(artifact: Path, tmp_path: Path) -> None:
    emulator = ArmEmulator.at_hand()
    words = ("make", "-C", artifact, f"CXX={COMPILER}", f"PACKAGES={emulator.packages}")
    subprocess.run(words, check=True)
    inputs = [tmp_path / f"{value.name}.bin" for value in GRAPH.inputs]
    outputs = [tmp_path / f"{value.name}.bin" for value in GRAPH.outputs]
    for array, path in zip(INPUTS, inputs, strict=True):
        array.tofile(path)
    on_arm = (emulator.emulator, "-cpu", emulator.processor, "-L", emulator.root)
    program = (artifact / "run", artifact, *inputs, *outputs)
    subprocess.run((*on_arm, *program), env=guest_environment(), check=True)
    for path, want in zip(outputs, WANTED, strict=True):
        np.testing.assert_array_equal(np.fromfile(path, want.dtype).reshape(want.shape), want)


@pytest.mark.slow
def test_an_emulated_board_of_a_farm_is_right_and_its_time_is_none(
    artifact: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tornado", reason="TVM's tracker needs tornado")
    content = archive({path.name: path.read_bytes() for path in artifact.iterdir()})
    expected = Expected(INPUTS, WANTED, (0.0, 0.0), float("inf"), "the interpreter")
    request = Request("forked", content, "ab" * 32, "int8", expected)
    config = MeasureConfig(warm_up=0, warm_up_s=0.0, least_time_s=0.0, time_limit_s=0.1)
    farm = Farm.start()
    try:
        farm.add_boards("a72", python=ArmEmulator.at_hand().python())
        [timing] = TvmRpcRunner(farm.reached()).run([request], config)
    finally:
        farm.stop()
    assert isinstance(timing, Timing)
    assert (timing.unit, timing.evidence) == ("emulated_ms", "simulated")
    assert timing.condition.device == "a72 (aarch64), emulated"
    assert timing.condition.runtime.endswith("(neon-mlal)")
    with SampleDatabase(tmp_path / "samples.db", create=True) as database:
        database.add(Sample(timing, "0.1.0"))
        assert database.samples()[0].timing == timing
