"""Shipped cost models against the published latencies that they are fitted on, and others."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.latency.datasets import dataset, fox_nas_rpi4, mlperf, published_foxpandanet
from benchmarks.latency.fit import SOURCES
from fpc.costmodel.features import CPU, family
from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.library import select, shipped
from fpc.zoo.catalog import build


@pytest.fixture(autouse=True)
def _data(shared_data, monkeypatch):
    monkeypatch.setenv("FPC_DATA", str(shared_data))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.file)
def test_a_shipped_file_is_what_its_script_fits(source):
    condition = source.condition
    stored = select(
        shipped(),
        source.target,
        precision=condition.precision,
        runtime=condition.runtime,
        threads=condition.threads,
    )
    found = source.fitted()
    assert stored.provenance == found.provenance
    rows = dataset(source.rows(), family(stored.features)).features
    np.testing.assert_allclose(stored.latency_ms(rows), found.latency_ms(rows), rtol=1e-3)


def test_foxpandanet_at_other_resolutions_within_two_percent():
    model = select(shipped(), "rpi4-arm", precision="int8", runtime="TFLite 2.1")
    published = dataset(published_foxpandanet(), CPU)
    errors = model.latency_ms(published.features) / published.latency_ms - 1.0
    assert np.abs(errors).max() <= 0.02, errors


def test_fox_nas_out_of_fold():
    model = select(shipped(), "rpi4-arm", precision="int8", runtime="TFLite 2.1")
    assert model.provenance.mape_percent <= 0.45
    assert not model.extrapolates(dataset(fox_nas_rpi4(), CPU).features).any()


def test_mobilenets_of_mlperf_out_of_fold():
    for runtime, bound in (("TFLite 2.7.1", 3.0), ("TFLite 2.5", 2.2)):
        model = select(shipped(), "rpi4-arm", precision="int8", runtime=runtime)
        assert model.provenance.mape_percent <= bound


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "squeezenet_1_1", "fasternet_t0"])
def test_another_family_extrapolates(name):
    model = select(shipped(), "rpi4-arm", precision="int8", runtime="TFLite 2.1")
    assert model.predict(kernels_of(build(name))).extrapolates


def test_one_runtime_does_not_answer_for_another():
    data = dataset(mlperf("rpi4-tflite-v2.7.1-ruy", quantised=True), CPU)
    old = select(shipped(), "rpi4-arm", precision="int8", runtime="TFLite 2.1")
    assert old.extrapolates(data.features).all()
