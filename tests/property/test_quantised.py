"""Random graphs in int8: well formed, near the float graph, moved about without losing a bit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir.parser import parse_graph
from fpc.ir.printer import graph_constants, print_graph
from fpc.ir.verifier import verify
from fpc.passes.manifest import MANIFEST
from fpc.passes.presets import PRESETS
from fpc.quant.apply import apply_plan
from fpc.quant.calibration.observers import MinMax
from fpc.quant.calibration.statistics import collect
from fpc.quant.plan import make_plan
from fpc.quant.scheme import TFLITE_INT8
from fpc.rewrite.pipeline import Pipeline
from fpc.rewrite.spec import parse_pipeline
from tests.property.examples import for_all
from tests.property.graphs import graphs

LITERT = (Numerics.TFLITE_REFERENCE, Numerics.TFLITE_XNNPACK)
MOVING = ("canonicalise", "cse", "dce", "drop-identity", "set-layout", "simplify-shape", "nhwc")
"""Passes and presets that move and drop values and compute nothing anew."""


def pipeline(name):
    return Pipeline(parse_pipeline(PRESETS.get(name, name), MANIFEST))


def numpy_runner(graph):
    return lambda inputs: run(graph, inputs)


def to_type(array, tensor):
    """Reals as integers of a quantised type; as they are for a float type."""
    if not tensor.is_quantised:
        return array
    quant = tensor.quantisation
    integers = np.rint(array / quant.scale) + quant.zero_point
    return integers.clip(tensor.dtype.minimum, tensor.dtype.maximum).astype(tensor.dtype.numpy)


def to_reals(array, tensor):
    if not tensor.is_quantised:
        return array.astype(np.float64)
    quant = tensor.quantisation
    return (array.astype(np.float64) - quant.zero_point) * quant.scale


def quantised(graph, samples):
    statistics = collect(graph, samples, numpy_runner)
    plan = make_plan(graph, statistics, TFLITE_INT8, MinMax())
    return apply_plan(graph, plan, TFLITE_INT8)


def sqnr_db(reference, test):
    noise = np.square(reference - test).sum()
    return 120.0 if noise == 0 else 10 * np.log10(np.square(reference).sum() / noise)


@pytest.mark.parametrize("first", [0, 2])
def test_integer_graphs(first):
    pipelines = {name: pipeline(name) for name in MOVING}
    fired = Counter()
    ratios = []

    def check(graph):
        if len(graph) % 2:
            pipeline("optimise").run(graph)
        noise = np.random.default_rng(len(graph))
        samples = [
            tuple(noise.uniform(-2, 2, v.type.shape).astype(np.float32) for v in graph.inputs)
            for _ in range(4)
        ]
        integer = quantised(graph, samples)
        verify(integer)
        text = print_graph(integer)
        assert print_graph(parse_graph(text, graph_constants(integer))) == text

        inputs = [to_type(a, v.type) for a, v in zip(samples[0], integer.inputs, strict=True)]
        expected = {numerics: run(integer, inputs, numerics) for numerics in LITERT}
        floats = run(graph, samples[0])
        for value, real, found in zip(
            integer.outputs, floats, expected[Numerics.TFLITE_REFERENCE], strict=True
        ):
            ratios.append(sqnr_db(real.astype(np.float64), to_reals(found, value.type)))
        for name, moving in pipelines.items():
            copy = integer.clone()
            records = moving.run(copy, lambda _, graph: verify(graph))
            fired[name] += any(record.modified for record in records)
            for numerics in LITERT:
                for before, after in zip(
                    expected[numerics], run(copy, inputs, numerics), strict=True
                ):
                    if np.issubdtype(before.dtype, np.floating):
                        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)
                    else:
                        np.testing.assert_array_equal(after, before, err_msg=name)

    for part in (first, first + 1):
        for_all(graphs(), check, part=part + 200, examples=75)
    assert all(fired[name] for name in ("canonicalise", "cse", "dce", "set-layout", "nhwc")), fired
    assert np.percentile(ratios, 5) > 25
