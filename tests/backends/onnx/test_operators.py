"""Every imported ONNX operator computes what onnxruntime computes, by both of fpc's engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnx.shape_inference
import pytest

from fpc.backends.onnx.runner import onnxruntime_runner
from fpc.frontends.onnx import load
from fpc.frontends.onnx.evaluation import EVALUATORS
from fpc.interp.executor import run
from tests.backends.onnx.cases import CASES
from tests.backends.onnx.models import (
    DEFAULT_OPSET,
    Case,
    integers,
    normal,
    run_onnxruntime,
    scalar,
)

TOLERANCE = 1e-5


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_agrees_with_onnxruntime(case: Case) -> None:
    model, arrays = case.model(), case.arrays()
    expected = run_onnxruntime(model, arrays)

    graph = load(model, simplify=False).graph

    assert [value.type.shape for value in graph.outputs] == [array.shape for array in expected]
    for results in (onnxruntime_runner(graph)(arrays), run(graph, arrays)):
        for got, wanted in zip(results, expected, strict=True):
            scale = max(float(np.abs(wanted).max()), 1e-3)
            np.testing.assert_allclose(got, wanted, rtol=0.0, atol=TOLERANCE * scale)


NEWEST = onnx.defs.onnx_opset_version()
UNCHANGED = [case for case in CASES if case.opset == DEFAULT_OPSET]


@pytest.mark.parametrize("case", UNCHANGED, ids=lambda case: case.id)
def test_newest_opset_means_the_same(case: Case) -> None:
    newest = replace(case, opset=NEWEST).model()
    if not case.domain:
        inferred = onnx.shape_inference.infer_shapes(newest, strict_mode=True)
        onnx.checker.check_model(inferred)  # the form is one that the newest opset still has

    graphs = [load(model, simplify=False).graph for model in (case.model(), newest)]

    assert graphs[0].to_text() == graphs[1].to_text()


KNOWN = (
    *(case for case in CASES if case.op_type in EVALUATORS),
    Case("constant-of-shape", "ConstantOfShape", [integers(2, 3)]),
    Case("range", "Range", [scalar(1.0), scalar(7.5), scalar(2.0)]),
    Case("where", "Where", [normal(3, 1) > 0, normal(3, 2), normal(1, 2)]),
    Case("compare", "Less", [normal(3, 2), normal(3, 2, seed=4)]),
    Case("divide-integers", "Div", [integers(-7, 7, 9), integers(2, -2, 3)]),
    Case("reduce-product", "ReduceProd", [normal(3, 2)]),
    Case("cast-integer", "Cast", [normal(3, 2)], {"to": 7}),
    Case("modulo", "Mod", [integers(-7, 7, 9), integers(2, -2, 4)]),
    Case("modulo-c", "Mod", [integers(-7, 7, 9), integers(2, -2, 4)], {"fmod": 1}),
    Case("not", "Not", [normal(3, 1) > 0]),
)


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: case.id)
def test_known_operands_are_computed_while_importing(case: Case) -> None:
    arrays = iter(case.arrays())
    operands = [next(arrays) if isinstance(x, tuple) else x for x in case.inputs]
    model = replace(case, inputs=operands).model()
    for output in model.graph.output:
        output.ClearField("type")  # not every result is float

    graph = load(model, simplify=False).graph

    assert len(graph) == 0
    for value, wanted in zip(graph.outputs, run_onnxruntime(model, []), strict=True):
        assert value.data.shape == wanted.shape
        assert value.data.dtype == wanted.dtype
        np.testing.assert_allclose(value.data, wanted, rtol=1e-5, atol=1e-6)


def test_case_ids_are_distinct() -> None:
    assert len({case.id for case in CASES}) == len(CASES)
