"""Kernels of float32 against the interpreter: every operator that LiteRT is tested with."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np

from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.planning.wide.table import FLOAT_PLANNERS
from fpc.driver.compile import compile_model
from fpc.driver.options import CompileOptions
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.ir.op import Activation, Layout
from fpc.ir.types import f32
from fpc.measure.tvm.model import TvmModel
from tests.backends.tflite.graphs import random_inputs
from tests.backends.tflite.test_float import CASES
from tests.backends.tvm.programs import execute, merged

_WEIGHTS_ARE_COMPUTED = "conv computed weights"


def test_every_float_operator() -> None:
    isa = isa_of_this_machine()
    cases = {
        name: case
        for name, case in CASES.items()
        if name != _WEIGHTS_ARE_COMPUTED
        and all(type(node.op) in FLOAT_PLANNERS for node in case.graph)
    }
    found = {type(case.op) for case in cases.values()}
    assert found == set(FLOAT_PLANNERS) - {ops.Quantize}
    graphs = [case.graph for case in cases.values()]
    inputs = [_inputs(case.graph, positive=case.positive) for case in cases.values()]
    whole = merged([plan(graph, isa) for graph in graphs])
    outputs = iter(execute(whole, list(chain.from_iterable(inputs)), isa))
    for name, graph, feeds in zip(cases, graphs, inputs, strict=True):
        for want in run(graph, feeds, Numerics.TFLITE_XNNPACK):
            got = next(outputs).reshape(want.shape)
            tolerance = cases[name].tolerance * max(1.0, float(np.abs(want).max()))
            np.testing.assert_allclose(got, want, rtol=0, atol=tolerance, err_msg=name)


def _inputs(graph: Graph, *, positive: bool) -> list[Array]:
    arrays = random_inputs(graph)
    return [np.abs(array) for array in arrays] if positive else arrays


def test_residual_sums_are_part_of_the_kernels_before_them() -> None:
    """As either operand, clamped before and after."""
    isa, rng = isa_of_this_machine(), np.random.default_rng(3)
    graph = Graph("residual")
    x, y = (graph.add_input(name, f32(1, 5, 6, 21)) for name in ("x", "y"))
    value = x
    for kernel in (1, 3):
        shape = (21, kernel, kernel, 21)
        filters = graph.constant(rng.standard_normal(shape).astype(np.float32) / kernel)
        op = ops.Conv2d(pads=(kernel // 2,) * 4, activation=Activation.RELU, layout=Layout.NHWC)
        made = graph.add(op, value, filters).output
        operands = (made, y) if kernel == 1 else (y, made)
        value = graph.add(ops.Add(Activation.RELU6), *operands).output
    graph.set_outputs([value])
    planned = plan(graph, isa)
    assert "float_elementwise" not in {kernel.family for kernel in planned.program.kernels}
    feeds = random_inputs(graph)
    [want] = run(graph, feeds, Numerics.TFLITE_XNNPACK)
    [got] = execute(planned, feeds, isa)
    np.testing.assert_allclose(got.reshape(want.shape), want, rtol=0, atol=1e-5)


def test_a_float_network_is_the_baseline(shared_data: Path) -> None:
    model = shared_data / "models" / "trained" / "cifar10_resnet20_bn.onnx"
    compiled = compile_model(model, CompileOptions(target="host", backend="tvm"))
    assert compiled.report.precision == "float32"
    inputs = random_inputs(compiled.graph, seed=7)
    [want] = run(compiled.graph, inputs, Numerics.TFLITE_XNNPACK)
    [got] = TvmModel(compiled.model)(inputs)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * float(np.abs(want).max()))
