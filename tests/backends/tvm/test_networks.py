"""Trained and published networks compiled by TVM: every bit of the interpreter's outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpc.driver.compile import Compiled, compile_model
from fpc.driver.options import CompileOptions, Precision
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.measure.tvm.model import TvmModel
from tests.backends.arm.tvm import emulated
from tests.backends.tflite.graphs import random_inputs

TRAINED = {
    "cifar10_resnet20_bn": (3, 32, 32),
    "mobilenet_v1_0.25_224_keras_bn": (3, 224, 224),
    "mobilenet_v2_1.0_224_dequant_float": (3, 224, 224),
    "squeezenet_v1.1_fp16weights": (3, 227, 227),
}
PUBLISHED = {
    "qonnx_bsd300x3-espcn_subpixel_float_model": (1, 3, 4, 4),
    "ultraface_version-slim-320": (1, 3, 240, 320),
}
"""Two of the 26 that `python -m benchmarks.suite` compares: pixels shuffled, and boxes decoded in
float32 behind the integers."""


def compiled(
    path: Path, shape: tuple[int, ...], precision: Precision, target: str, samples: int = 2
) -> Compiled:
    noise = np.random.default_rng(0).standard_normal((samples, *shape[1:])).astype(np.float32)
    options = CompileOptions(
        target=target,
        backend="tvm",
        precision=precision,
        calibration=tuple(noise),
        recipe="min-max",
        allow_degraded=True,
    )
    return compile_model(path, options)


@pytest.mark.parametrize(
    ("name", "precision"),
    [*((name, Precision.INT8) for name in TRAINED), ("cifar10_resnet20_bn", Precision.INT16)],
)
def test_a_trained_network_to_the_bit(shared_data: Path, name: str, precision: Precision) -> None:
    path = shared_data / "models" / "trained" / f"{name}.onnx"
    network = compiled(path, (1, *TRAINED[name]), precision, "host")
    assert network.report.verification is not None
    assert network.report.verification.exact
    inputs = random_inputs(network.graph, seed=7)
    [want] = run(network.graph, inputs, Numerics.TFLITE_XNNPACK)
    [got] = TvmModel(network.model)(inputs)
    np.testing.assert_array_equal(got, want)
    assert len(np.unique(got)) > 5


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_to_the_bit(shared_data: Path, name: str) -> None:
    path = shared_data / "models" / "suite" / f"{name}.onnx"
    network = compiled(path, PUBLISHED[name], Precision.INT8, "host")
    inputs = random_inputs(network.graph, seed=7)
    wanted = run(network.graph, inputs, Numerics.TFLITE_XNNPACK)
    for want, got in zip(wanted, TvmModel(network.model)(inputs), strict=True):
        np.testing.assert_array_equal(got, want)
        assert len(np.unique(got)) > 1


@emulated
def test_a_trained_network_to_the_bit_on_arm(shared_data: Path) -> None:
    path = shared_data / "models" / "trained" / "cifar10_resnet20_bn.onnx"
    network = compiled(path, (1, 3, 32, 32), Precision.INT8, "rpi4-arm")
    assert network.report.verification is not None
    assert network.report.verification.exact
    assert "emulated" in network.report.verification.runtime


def test_int16_is_better_by_20_db_with_its_wide_weights(shared_data: Path) -> None:
    path = shared_data / "models" / "trained" / "cifar10_resnet20_bn.onnx"
    shape = (1, *TRAINED[path.stem])
    int8, int16 = (
        compiled(path, shape, precision, "host", samples=8).report.quantisation
        for precision in (Precision.INT8, Precision.INT16)
    )
    assert int8 is not None
    assert int16 is not None
    assert int16.quality.sqnr_db > int8.quality.sqnr_db + 20
    assert (int8.weight_bits, int16.weight_bits) == ((8, 8), (13, 14))
