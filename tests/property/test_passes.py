"""Every pass keeps a thousand random graphs well formed and their functions unchanged."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir.printer import print_graph
from fpc.ir.verifier import verify
from fpc.passes.manifest import MANIFEST
from fpc.passes.presets import PRESETS
from fpc.rewrite.pipeline import Pipeline
from fpc.rewrite.spec import parse_pipeline
from tests.property.examples import for_all
from tests.property.graphs import graphs

PARTS = range(4)
TOLERANCE = 1e-4
"""Of an output's range; folding rounds weights to float32 again, and errors grow along a path."""

OF_THE_INTERFACE = {"image-input", "set-io"}
"""They change what a graph takes and gives, so that before and after cannot be compared here."""


def inputs_of(graph):
    noise = np.random.default_rng(len(graph))
    return [noise.uniform(-2.0, 2.0, v.type.shape).astype(np.float32) for v in graph.inputs]


def assert_same_function(before, after, what):
    for expected, found in zip(before, after, strict=True):
        assert np.isfinite(expected).all()
        reach = max(1.0, float(np.abs(expected).max(initial=0.0)))
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * reach, err_msg=what)


def interface(graph):
    return (
        [(value.name, value.type) for value in graph.inputs],
        [value.type for value in graph.outputs],
    )


@pytest.mark.parametrize("part", PARTS)
def test_single_passes(part):
    """Verified, truthful about what they modified, and numerically without effect."""
    names = set(MANIFEST) - OF_THE_INTERFACE
    passes = [step for name in sorted(names) for step in parse_pipeline(name, MANIFEST)]
    fired = Counter()

    def check(graph):
        inputs = inputs_of(graph)
        expected = run(graph, inputs)
        text = print_graph(graph)
        for step in passes:
            copy = graph.clone()
            result = step.run(copy)
            verify(copy)
            assert result.modified == (print_graph(copy) != text), step.name
            assert interface(copy) == interface(graph), step.name
            if result.modified:
                fired[step.name] += 1
                if not step.changes_function:
                    assert_same_function(expected, run(copy, inputs), step.name)

    for_all(graphs(), check, part=part, examples=250)
    assert set(fired) == names
    assert min(fired.values()) >= 5, fired


@pytest.mark.parametrize("part", PARTS)
def test_presets(part):
    """Whole pipelines too; run again and again they come to rest."""
    presets = {name: Pipeline(parse_pipeline(text, MANIFEST)) for name, text in PRESETS.items()}
    fired = Counter()

    def check(graph):
        inputs = inputs_of(graph)
        expected = run(graph, inputs)
        for name, pipeline in presets.items():
            copy = graph.clone()
            records = pipeline.run(copy, lambda _, graph: verify(graph))
            fired[name] += any(record.modified for record in records)
            assert interface(copy) == interface(graph), name
            assert_same_function(expected, run(copy, inputs), name)
            assert runs_to_rest(pipeline, copy) <= 3, name

    for_all(graphs(), check, part=part + 100, examples=60)
    assert set(fired) == set(PRESETS)


def runs_to_rest(pipeline, graph):
    """How often `pipeline` changes `graph` before it has nothing left to do, at most 4."""
    for count in range(4):
        before = print_graph(graph)
        pipeline.run(graph)
        if print_graph(graph) == before:
            return count
    return 4
