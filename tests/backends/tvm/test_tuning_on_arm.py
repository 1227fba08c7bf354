"""Tiles for a Cortex-A72, compared by simulated cycles on the real aarch64 TVM."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from fpc.backends.tvm.isa.neon_mlal import NEON_MLAL
from fpc.backends.tvm.tuning.tile_space import tile_space
from fpc.diagnostics.errors import MissingBackendError
from fpc.driver.tune.kernel import Refusal, costs_of
from fpc.driver.tune.tiles import TuneOptions, tune
from fpc.measure.emulation.emulator import EMULATOR, ArmEmulator
from fpc.measure.kernels.simulated import SimulatedKernelRunner
from tests.backends.arm.tvm import emulated
from tests.backends.tvm.cases import pointwise_case, two_layers

counted = pytest.mark.skipif(
    shutil.which(EMULATOR) is None or shutil.which("llvm-mca") is None,
    reason=f"simulating needs {EMULATOR} and llvm-mca (Debian: qemu-user, llvm)",
)
PEAK = 8
"""Products a cycle: `smull` makes 8 in the only pipe that multiplies."""


@emulated
@counted
def test_candidates_are_checked_and_their_cycles_counted() -> None:
    case = pointwise_case(NEON_MLAL)
    candidates = list(tile_space(case.kernel, NEON_MLAL))
    products = 4 * 8 * 24 * 40
    costs = list(costs_of(case, candidates, NEON_MLAL, SimulatedKernelRunner()))
    assert len(costs) >= 2
    for cost in costs:
        assert isinstance(cost, float)
        assert products / PEAK < cost < products
    wrong = replace(case, expected=case.expected ^ 1)
    [answer] = costs_of(wrong, candidates[:1], NEON_MLAL, SimulatedKernelRunner())
    assert answer == Refusal(f"{4 * 8 * 40} elements of its result are wrong")


@emulated
@counted
def test_a_network_is_tuned_for_a_processor_that_is_not_here(tmp_path) -> None:
    options = TuneOptions(tmp_path / "tiles.json", target="rpi4-arm")
    tuned = tune([two_layers()], options)
    assert (tuned.isa, tuned.evidence, tuned.unit) == ("neon-mlal", "simulated", "cycles")
    assert (tuned.compared, tuned.left) == (2, 0)
    assert tune([two_layers()], options).compared == 0


def test_without_an_emulator_nothing_is_compiled(tmp_path) -> None:
    emulator = ArmEmulator(tmp_path, "no-such-emulator")
    options = TuneOptions(tmp_path / "tiles.json", target="rpi4-arm")
    with pytest.raises(MissingBackendError, match="no-such-emulator is not installed"):
        tune([two_layers()], options, runner=SimulatedKernelRunner(emulator))
    assert not options.output.exists()
