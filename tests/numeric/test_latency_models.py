"""Shipped cost models against the published latencies that they are fitted on, and others."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.latency.datasets import fox_nas_rpi4, mlperf, published_foxpandanet
from benchmarks.latency.fit import SOURCES
from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.library import select, shipped
from fpc.costmodel.model import CostModel
from fpc.zoo.catalog import build

SMALL = [source for source in SOURCES if source.target == "rpi4-arm"]


@pytest.fixture(autouse=True)
def _data(shared_data, monkeypatch):
    monkeypatch.setenv("FPC_DATA", str(shared_data))


def rpi4(runtime: str) -> CostModel:
    return select(shipped(), "rpi4-arm", precision="int8", runtime=runtime)


@pytest.mark.parametrize("source", SMALL, ids=lambda source: source.file)
def test_a_shipped_file_is_what_its_script_fits(source):
    condition = source.condition
    stored = select(
        shipped(), source.target, precision=condition.precision, runtime=condition.runtime
    )
    found = source.fitted()
    assert stored.provenance == found.provenance
    works = source.rows().works
    np.testing.assert_allclose(stored.kernel_ms(works), found.kernel_ms(works), 1e-3, 1e-5)


@pytest.mark.parametrize(
    ("file", "bound_percent"),
    [
        ("rpi4-arm-tflite-2.1-int8", 0.45),
        ("rpi4-arm-tflite-2.7.1-int8", 3.0),
        ("rpi4-arm-tflite-2.5-int8", 2.2),
        ("fpga-zcu102-int8", 0.8),
        ("fpga-vck190-int8", 1.0),
        ("dsp-hexagon-690-int8", 3.5),
        ("sd855-cpu-kryo-485-int8", 4.0),
    ],
)
def test_errors_out_of_fold(file, bound_percent):
    source = next(source for source in SOURCES if source.file == file)
    stored = [
        model
        for model in shipped()
        if (model.target, model.condition) == (source.target, source.condition)
    ]
    assert len(stored) == 1
    assert stored[0].provenance.mape_percent <= bound_percent


def test_foxpandanet_at_other_resolutions_within_two_percent():
    model = rpi4("TFLite 2.1")
    for name, graph, latency_ms in published_foxpandanet():
        assert model.predict(kernels_of(graph)).latency_ms == pytest.approx(latency_ms, 0.02), name


def test_what_was_fitted_does_not_extrapolate_and_other_families_do():
    model = rpi4("TFLite 2.1")
    flags = [model.predict(kernels_of(graph)).extrapolates for _, graph, _ in fox_nas_rpi4()]
    assert not any(flags)
    for name in ("mobilenet_v2", "resnet18", "squeezenet_1_1", "fasternet_t0"):
        assert model.predict(kernels_of(build(name))).extrapolates, name


def test_one_runtime_does_not_answer_for_another():
    model = rpi4("TFLite 2.1")
    for _, graph, latency_ms in mlperf("rpi4-tflite-v2.7.1-ruy", quantised=True):
        found = model.predict(kernels_of(graph))
        assert found.extrapolates
        assert found.latency_ms > 2.0 * latency_ms
