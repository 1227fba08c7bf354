"""Kernels for ARM, run by the real aarch64 TVM on an emulated Cortex-A72 and A76, to the bit.

All cases are one program: what takes the time is to start Python under emulation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fpc
from fpc.backends.tvm.emitter import emit
from fpc.backends.tvm.isa.neon_dot import NEON_DOT
from fpc.backends.tvm.isa.neon_mlal import NEON_MLAL
from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.backends.tvm.planner import plan
from fpc.diagnostics.errors import UnsupportedOpError
from fpc.driver.phases.backend import archive
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir.graph import Graph
from fpc.ir.ops import Dense
from fpc.measure.emulation.emulator import TVM, ArmEmulator
from fpc.measure.process.exchange import Plan as Task
from fpc.measure.protocol import MeasureConfig
from fpc.measure.tvm.model import TvmModel
from tests.backends.arm.tvm import emulated
from tests.backends.tflite.graphs import random_inputs
from tests.backends.tvm.families import assert_every_family_agrees
from tests.numeric.integer_cases import Draw, one_op

DIGITS = Path(__file__).parents[3] / "examples" / "digits"


@emulated
def test_a_network_has_the_bits_of_this_machines_and_of_the_interpreter():
    compiled = fpc.compile(
        DIGITS / "digits.onnx",
        target="rpi4-arm",
        backend="tvm",
        precision="int8",
        calibration=np.load(DIGITS / "calibration.npz")["images"][:24],
        preprocessing=fpc.Preprocessing(mean=(127.5,), std=(127.5,)),
        recipe="min-max",
    )
    assert compiled.report.verification is not None
    assert compiled.report.verification.exact
    inputs = random_inputs(compiled.graph, seed=3)
    [want] = run(compiled.graph, inputs, Numerics.TFLITE_XNNPACK)
    [here] = TvmModel(archive(emit(compiled.graph, isa_of_this_machine())))(inputs)
    task = Task(MeasureConfig(), is_timed=False)
    [[arm], result] = ArmEmulator.at_hand().run(TVM, compiled.model, inputs, task)
    assert result.runtime.endswith("(neon-mlal)")
    np.testing.assert_array_equal(here, want)
    np.testing.assert_array_equal(arm, want)


@emulated
@pytest.mark.parametrize("isa", [NEON_MLAL, NEON_DOT], ids=lambda isa: isa.name)
def test_every_kernel_family_to_the_bit(isa):
    """Operators, odd shapes, tails, extremes and whole tile spaces."""
    assert_every_family_agrees(isa)


def test_weights_that_would_overflow_are_refused():
    graph = _dense_with_weight(-127)
    assert plan(graph, NEON_MLAL).program.calls
    with pytest.raises(UnsupportedOpError, match="one is -128") as caught:
        plan(_dense_with_weight(-128), NEON_MLAL)
    assert "narrow range" in (caught.value.help or "")


def _dense_with_weight(value: int) -> Graph:
    draw = Draw(1)
    x = draw.type((1, 20))
    (weights, quant), bias, scale = draw.weights((10, 20), x)
    weights[3, 4] = value
    return one_op(Dense(), [x, (weights, quant), bias], draw.quant(scale))
