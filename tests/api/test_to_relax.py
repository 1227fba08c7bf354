"""fpc as TVM's quantiser: modules that TVM builds by itself compute what the interpreter does."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

import fpc
from fpc.backends.tvm import requirements
from fpc.diagnostics.errors import BackendError, MissingBackendError, UnsupportedOpError
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from tests.backends.tvm.artifacts import draw_inputs, forked, interpreted
from tests.cli.digits import MODEL
from tests.cli.networks import two_inputs


@pytest.fixture(scope="module")
def integer_graph(tmp_path_factory: pytest.TempPathFactory) -> fpc.Graph:
    """Quantised from ONNX, NCHW, two inputs and two outputs."""
    path = two_inputs(tmp_path_factory.mktemp("relax") / "net.onnx")
    return fpc.quantize(fpc.load(path), target="host", allow_degraded=True).graph


def test_tvm_builds_it_and_every_bit_is_the_interpreters(integer_graph) -> None:
    import tvm
    from tvm import relax

    module = fpc.to_relax(integer_graph, io_layout="nchw")
    executable = relax.build(module, module.attrs["target"])
    main = relax.VirtualMachine(executable, tvm.cpu())["main"]
    inputs = draw_inputs(integer_graph)
    wanted = run(integer_graph, inputs, Numerics.TFLITE_XNNPACK)
    for got, want in zip(main(*map(tvm.runtime.tensor, inputs)), wanted, strict=True):
        np.testing.assert_array_equal(got.numpy(), want)
        assert len(np.unique(want)) > 5


@pytest.mark.parametrize("pipeline", ["zero", "of the target"])
def test_pipelines_that_fuse_leave_the_kernels_as_they_are(pipeline: str) -> None:
    import tvm
    from tvm import relax

    graph = forked()
    module = fpc.to_relax(graph)
    target = module.attrs["target"]
    if pipeline == "zero":
        executable = relax.build(relax.get_pipeline("zero")(module), target)
    else:
        passes = relax.get_default_pipeline(target)
        executable = relax.build(module, target, relax_pipeline=passes)
    main = relax.VirtualMachine(executable, tvm.cpu())["main"]
    inputs = draw_inputs(graph)
    outputs = main(*map(tvm.runtime.tensor, inputs))
    for got, want in zip(outputs, interpreted(graph, inputs), strict=True):
        np.testing.assert_array_equal(got.numpy(), want)


def test_the_graph_stays_as_it_was(integer_graph) -> None:
    before = integer_graph.to_text()
    fpc.to_relax(integer_graph)
    assert integer_graph.to_text() == before


def test_importing_fpc_does_not_import_tvm() -> None:
    words = "import sys, fpc; fpc.to_relax; fpc.TvmModel; assert 'tvm' not in sys.modules"
    subprocess.run([sys.executable, "-c", words], check=True)


def test_what_cannot_be_had_is_said(monkeypatch, integer_graph) -> None:
    with pytest.raises(BackendError) as caught:
        fpc.to_relax(integer_graph, target="dsp")
    assert caught.value.code == "backend.tvm-target"
    with pytest.raises(UnsupportedOpError, match="no kernel for this"):
        fpc.to_relax(fpc.load(MODEL))

    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(requirements, "version", version)
    with pytest.raises(MissingBackendError) as caught:
        fpc.to_relax(integer_graph)
    assert caught.value.code == "backend.missing-tvm"
