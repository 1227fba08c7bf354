"""Verification of a written file: nothing else passes, and no right file is refused."""

from __future__ import annotations

import numpy as np
import pytest

import fpc
from fpc.diagnostics.errors import BackendError
from fpc.driver.phases.verify import verify_file
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.op import Activation
from tests.unit.quant.networks import Builder


def deep_network(seed=0):
    """Drawn weights, so that what is rounded early grows from layer to layer."""
    build = Builder(seed=seed)
    for _ in range(12):
        build.conv(16, activation=Activation.RELU)
    return build.classifier().then(ops.Softmax(1)).done()


def compiled(target, seed=0):
    random = np.random.default_rng(1)
    samples = [random.standard_normal((1, 3, 12, 12)).astype(np.float32) for _ in range(4)]
    return fpc.compile(
        deep_network(seed),
        target=target,
        precision="int8",
        recipe="min-max",
        calibration=samples,
        allow_degraded=True,
    )


def test_shifted_scales_are_shown_to_be_in_the_file_whatever_the_network_makes_of_rounding():
    verification = compiled("fpga").report.verification
    assert verification is not None
    assert verification.numerics == "tflite-reference"
    assert verification.largest_difference < 1e-6


@pytest.mark.parametrize("numerics", [Numerics.TFLITE_REFERENCE, Numerics.POW2])
def test_a_file_of_other_weights_is_refused(numerics):
    mine, other = compiled("fpga"), compiled("fpga", seed=1)
    verify_file(mine.model, mine.graph, numerics)
    with pytest.raises(BackendError, match="not what the graph computes"):
        verify_file(other.model, mine.graph, numerics)
