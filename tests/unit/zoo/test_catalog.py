"""Every network of the zoo: its two forms are one network, and its file reads back as it."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.backends.onnx.emit import emit_bytes
from fpc.diagnostics.errors import UsageError
from fpc.driver.phases.prepare import start
from fpc.frontends.onnx import load
from fpc.interp.executor import run
from fpc.zoo import build, names, options
from tests.unit.zoo.counts import assert_forms_agree, multiply_adds


@pytest.mark.parametrize("name", names())
def test_shapes_only_is_the_optimised_form_of_the_seeded_network(name):
    assert_forms_agree(build(name), build(name, seed=0))


@pytest.mark.parametrize(
    "name", ["fpnet_fpga", "mnasnet_a1", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small"]
)
def test_file_reads_back_as_the_network(name):
    written = build(name, resolution=64, seed=0)
    read = load(emit_bytes(written), simplify=False).graph
    image = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)
    (wanted,), (got,) = run(written, [image]), run(read, [image])
    assert np.abs(wanted).max() > 0
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())
    forms = (start(graph).then("optimise").graph for graph in (written, read))
    first, second = ([node.op.mnemonic for node in form] for form in forms)
    assert first == second


@pytest.mark.parametrize("name", names())
def test_resolution_and_seed_are_taken_by_all(name):
    taken = options(name)
    assert {"resolution", "seed"} <= set(taken)
    own = taken["resolution"]
    assert build(name).inputs[0].type.shape == (1, 3, own, own)
    assert build(name, resolution=96).inputs[0].type.shape == (1, 3, 96, 96)


def test_width_scales_every_network_that_takes_one():
    wide = [name for name in names() if "width" in options(name)]
    assert len(wide) > 5
    for name in wide:
        half, full = (multiply_adds(build(name, width=width)) for width in (0.5, 1.0))
        assert 0.2 < half / full < 0.5


def test_same_seed_same_network():
    first, again, other = (build("fbnet_96", seed=seed).to_text() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("code", "name", "given"),
    [
        ("usage.unknown-network", "mobilenet_v4", {}),
        ("usage.network-option", "mobilenet_v2", {"depth": 2}),
        ("usage.network-size", "mobilenet_v2", {"width": -1.0}),
        ("usage.network-size", "mobilenet_v2", {"resolution": 0}),
        ("usage.network-stages", "fox_nas", {"stages": (((6, 3),),)}),
        ("usage.network-stages", "fox_nas", {"stages": ((), (), (), (), ())}),
        ("usage.network-stages", "accel_nasbench", {"stages": ()}),
        ("usage.subnet", "ofa_mobilenet_v3", {"kernels": (3, 5)}),
        ("usage.subnet", "ofa_mobilenet_v3", {"kernels": 4}),
        ("usage.subnet", "ofa_proxyless", {"depths": (4, 4, 4, 4, 5)}),
    ],
)
def test_what_no_network_can_be(code, name, given):
    with pytest.raises(UsageError) as raised:
        build(name, **given)
    assert raised.value.code == code
    assert raised.value.help


def test_package_lists_what_it_offers():
    import fpc.zoo

    assert dir(fpc.zoo) == ["build", "names", "options"]
    with pytest.raises(AttributeError, match="no attribute 'make'"):
        _ = fpc.zoo.make
