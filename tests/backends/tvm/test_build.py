"""The child process that compiles, what it needs, and what users read when it fails."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from fpc.backends.tvm import requirements
from fpc.backends.tvm.build import build
from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.isa.table import ISAS, fastest, isa_of_this_machine
from fpc.backends.tvm.isa.x86_avx2 import X86_AVX2, X86_AVX_VNNI
from fpc.backends.tvm.isa.x86_avx512_vnni import X86_AVX512_VNNI
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.planning.table import PLANNERS
from fpc.backends.tvm.program import Program
from fpc.backends.tvm.requirements import PINNED, require_tvm
from fpc.diagnostics.errors import BackendError, MissingBackendError, UnsupportedOpError
from fpc.diagnostics.location import Location
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import TensorType, f32
from tests.numeric.integer_cases import Draw, one_op


def dense() -> Graph:
    draw = Draw(1)
    x = draw.type((1, 20))
    w, b, scale = draw.weights((10, 20), x)
    return one_op(ops.Dense(), [x, w, b], draw.quant(scale))


def program() -> Program:
    return plan(dense(), PLAIN).program


def installed(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(requirements, "version", version)


def test_the_library_of_a_program_is_a_shared_object() -> None:
    assert build(program()).startswith(b"\x7fELF")


def test_equal_networks_with_other_weights_have_equal_programs() -> None:
    draws = [Draw(seed) for seed in (1, 2)]
    x = draws[0].type((1, 20))
    graphs = [one_op(ops.Dense(), [x, *d.weights((10, 20), x)[:2]], d.quant(0.1)) for d in draws]
    plans = [plan(graph, PLAIN) for graph in graphs]
    assert plans[0].program.to_json() == plans[1].program.to_json()
    assert any(
        (a != b).any() for a, b in zip(plans[0].parameters, plans[1].parameters, strict=True)
    )


@pytest.mark.parametrize("missing", PINNED)
def test_a_missing_package_says_what_to_install(monkeypatch, missing) -> None:
    installed(monkeypatch, {name: found for name, found in PINNED.items() if name != missing})
    with pytest.raises(MissingBackendError) as caught:
        require_tvm()
    assert caught.value.code == "backend.missing-tvm"
    assert missing in caught.value.message
    assert f"{missing}=={PINNED[missing]}" in (caught.value.help or "")
    assert caught.value.exit_status == 3


def test_another_release_of_the_foreign_function_interface_is_refused(monkeypatch) -> None:
    installed(monkeypatch, {**PINNED, "apache-tvm-ffi": "0.1.15.post2"})
    with pytest.raises(MissingBackendError, match=r"installed is 0\.1\.15\.post2") as caught:
        require_tvm()
    assert caught.value.code == "backend.tvm-version"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("import os; os.abort()", "backend.tvm-died", "SIGABRT"),
        ("raise SystemExit('LLVM ERROR: out of registers')", "backend.tvm-failed", "registers"),
        ("pass", "backend.tvm-failed", "could not compile"),
        ("import time; time.sleep(60)", "backend.tvm-timeout", "0.5 s"),
    ],
)
def test_a_compiler_that_fails_is_a_coded_error(words, code, said) -> None:
    with pytest.raises(BackendError) as caught:
        build(
            program(),
            command=(sys.executable, "-c", words),
            time_limit_s=0.5 if "sleep" in words else 60,
        )
    assert caught.value.code == code
    assert said in " ".join((caught.value.message, *caught.value.notes))
    assert "tflite" in (caught.value.help or "")


def test_an_operator_without_a_kernel_is_named_with_a_remedy() -> None:
    missing = sorted(set(ops.ALL_OPS) - set(PLANNERS), key=lambda op: op.mnemonic)
    assert ops.BatchNorm in missing
    graph = Graph()
    x = graph.add_input("x", f32(1, 3, 3, 4))
    node = graph.add(ops.Cast(DType.I32), x, name="y", location=Location.of("/cast"))
    graph.set_outputs(node.outputs)
    with pytest.raises(UnsupportedOpError) as caught:
        plan(graph, PLAIN)
    assert str(caught.value.location) == "/cast"
    assert "no kernel" in caught.value.message
    assert "tflite" in (caught.value.help or "")


def test_integers_without_a_scale_are_refused_by_name() -> None:
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.I32, (1, 4)))
    graph.set_outputs(graph.add(ops.Add(), x, x, name="y").outputs)
    with pytest.raises(UnsupportedOpError, match="is i32") as caught:
        plan(graph, PLAIN)
    assert "--int8" in (caught.value.help or "")


def test_a_graph_in_another_layout_is_refused() -> None:
    graph = Graph()
    x = graph.add_input("x", f32(1, 3, 4, 4))
    graph.set_outputs(graph.add(ops.GlobalAvgPool(), x, name="y").outputs)
    with pytest.raises(BackendError, match="NCHW") as caught:
        plan(graph, PLAIN)
    assert caught.value.code == "backend.layout"


def test_the_fastest_instruction_set_that_a_processor_has() -> None:
    assert fastest(frozenset()) is PLAIN
    assert fastest(X86_AVX512_VNNI.features | {"amx_int8"}) is X86_AVX512_VNNI
    older = X86_AVX512_VNNI.features | X86_AVX_VNNI.features
    assert fastest(older - {"avx512_vnni"}) is X86_AVX_VNNI
    assert fastest(older - {"avx512_vnni", "avx_vnni"}) is X86_AVX2
    assert isa_of_this_machine() in ISAS.values()


def test_a_dot_product_finds_the_weights_where_they_were_packed() -> None:
    import numpy as np

    weights = np.random.default_rng(0).integers(-127, 128, (37, 3, 10)).astype(np.int8)
    for isa in ISAS.values():
        dot = isa.dot
        packed = dot.pack(weights)
        blocks = -(-10 // dot.depth)
        for unit, tap, term in np.ndindex(weights.shape):
            within = dot.index(unit % dot.lanes, term % dot.depth)
            where = unit // dot.lanes, tap * blocks + term // dot.depth, *within
            assert packed[where] == weights[unit, tap, term]


def test_the_extras_pin_the_releases_that_are_required() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    pins = {f"{name}=={wanted}" for name, wanted in PINNED.items()}
    assert set(project["optional-dependencies"]["tvm"]) == pins
    assert pins <= set(project["optional-dependencies"]["dev"])
