"""Quantised lowerings: LiteRT runs them, and computes what the interpreter does.

That every bit agrees is for the tests of integer semantics; here a lowering may not be off by more
than one step of its result.
"""

import numpy as np
import pytest

from fpc.backends.tflite.emitter import emit, lower
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir.dtype import DType
from fpc.measure.litert.model import Kernels, LiteRtModel
from tests.backends.tflite.graphs import random_inputs
from tests.backends.tflite.integer_cases import cases

CASES = {dtype: cases(dtype) for dtype in (DType.I8, DType.I16)}
NAMES = [(dtype, name) for dtype, named in CASES.items() for name in named]
PARAMETERS = [pytest.param(*pair, id=f"{pair[0].value} {pair[1]}") for pair in NAMES]
NUMERICS = {
    "default": Numerics.TFLITE_XNNPACK,
    "reference": Numerics.TFLITE_REFERENCE,
    "no-delegate": Numerics.TFLITE_REFERENCE,
}


@pytest.mark.parametrize("kernels", NUMERICS)
@pytest.mark.parametrize(("dtype", "name"), PARAMETERS)
def test_litert_computes_what_the_ir_means(dtype: DType, name: str, kernels: Kernels) -> None:
    graph = CASES[dtype][name].graph
    inputs = random_inputs(graph)
    model = LiteRtModel(emit(graph), kernels=kernels)
    expected = run(graph, inputs, NUMERICS[kernels])
    for value, ours, theirs in zip(graph.outputs, expected, model(inputs), strict=True):
        assert theirs.dtype == value.type.dtype.numpy
        step = 1 if value.type.dtype.is_integer else 1e-6
        assert np.abs(theirs.astype(np.float64) - ours).max() <= step
        assert len(np.unique(theirs)) > 1


@pytest.mark.parametrize(("dtype", "name"), PARAMETERS)
def test_the_operators_a_node_becomes(dtype: DType, name: str) -> None:
    case = CASES[dtype][name]
    codes = [operator.code for operator in lower(case.graph).main.operators]
    assert " ".join(codes) == case.codes
