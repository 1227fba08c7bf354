"""Trained networks compiled by TVM: every bit of the interpreter's outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpc.driver.compile import compile_model
from fpc.driver.options import CompileOptions, Precision
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.measure.tvm import TvmModel
from tests.backends.tflite_graphs import random_inputs

NETWORKS = {
    "cifar10_resnet20_bn": (3, 32, 32),
    "mobilenet_v2_1.0_224_dequant_float": (3, 224, 224),
    "squeezenet_v1.1_fp16weights": (3, 227, 227),
}


@pytest.mark.parametrize(
    ("name", "precision"),
    [*((name, Precision.INT8) for name in NETWORKS), ("cifar10_resnet20_bn", Precision.INT16)],
)
def test_a_trained_network_to_the_bit(shared_data: Path, name: str, precision: Precision) -> None:
    noise = np.random.default_rng(0).standard_normal((2, *NETWORKS[name])).astype(np.float32)
    options = CompileOptions(
        target="host",
        backend="tvm",
        precision=precision,
        calibration=tuple(noise),
        recipe="min-max",
        allow_degraded=True,
    )
    compiled = compile_model(shared_data / "models" / "trained" / f"{name}.onnx", options)
    assert compiled.report.verification is not None
    assert compiled.report.verification.exact
    inputs = random_inputs(compiled.graph, seed=7)
    [want] = run(compiled.graph, inputs, Numerics.TFLITE_XNNPACK)
    [got] = TvmModel(compiled.model)(inputs)
    np.testing.assert_array_equal(got, want)
    assert len(np.unique(got)) > 5
