"""What tests of passes share: small networks with seeded weights, and one way to run a pass.

`transform` holds every pass to its contract: the result verifies, `modified` tells the truth,
inputs and outputs keep their names, the function stays the same, and a second run changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpc.diagnostics.location import Location
from fpc.interp.executor import run
from fpc.ir.graph import Graph
from fpc.ir.printer import print_graph
from fpc.ir.types import f32
from fpc.ir.verifier import verify
from fpc.passes.manifest import MANIFEST
from fpc.rewrite.pipeline import Pipeline
from fpc.rewrite.spec import parse_pipeline

TOLERANCE = 1e-5
"""Of the output's range: what folding weights in float32 may cost."""


class Network:
    """A graph under construction with one input `x`; every node is located at its name."""

    def __init__(self, *shape, seed=0):
        self.graph = Graph("net")
        self.x = self.graph.add_input("x", f32(*shape))
        self.noise = np.random.default_rng(seed)

    def input(self, name, *shape):
        return self.graph.add_input(name, f32(*shape))

    def weights(self, *shape, name="w"):
        """Eighths: sums and products of them are exact, and golden files the same everywhere."""
        return self.constant(self.noise.integers(-8, 9, shape) / 8, name)

    def positive(self, *shape, name="w"):
        """Powers of 4, whose square roots are exact too."""
        return self.constant(4.0 ** self.noise.integers(-1, 2, shape), name)

    def constant(self, data, name="c"):
        return self.graph.constant(np.asarray(data, np.float32), name)

    def add(self, op, *inputs, name=None, **options):
        hint = name or op.mnemonic
        node = self.graph.add(op, *inputs, name=hint, location=Location.of(hint), **options)
        return node.outputs[0] if len(node.outputs) == 1 else node.outputs

    def returns(self, *values, whole=False):
        """A copy that returns `values`, without nodes they do not need unless it is to be whole."""
        self.graph.set_outputs(values)
        graph = self.graph.clone()
        for node in reversed(graph.nodes):
            if not whole and not any(value.use_count for value in node.outputs):
                graph.erase(node)
        verify(graph)
        return graph


@dataclass
class Outcome:
    """A graph before and after a pass, and what the pass said."""

    before: Graph
    after: Graph
    modified: bool
    declined: list[str]

    @property
    def ops(self):
        """The mnemonics after the pass, in order."""
        return [node.op.mnemonic for node in self.after]

    @property
    def text(self):
        """Everything, for a golden file."""
        return (
            "\n".join(
                [
                    print_graph(self.before, locations=True),
                    print_graph(self.after, locations=True),
                    *(f"declined: {reason}" for reason in self.declined),
                ]
            ).rstrip("\n")
            + "\n"
        )


def transform(graph, text, *, same_function=True, same_types=True):
    """Run the passes of `text` on a copy of `graph` and check what every pass promises."""
    pipeline = Pipeline(parse_pipeline(text, MANIFEST))
    after = graph.clone()
    records = pipeline.run(after, lambda step, result: verify(result))
    outcome = Outcome(
        graph,
        after,
        any(record.modified for record in records),
        [f"{d.reason} [{d.location}]" for record in records for d in record.declined],
    )
    assert outcome.modified == (print_graph(after) != print_graph(graph))
    assert [v.name for v in after.inputs] == [v.name for v in graph.inputs]
    assert [v.name for v in after.outputs] == [v.name for v in graph.outputs]
    if same_types:
        assert [v.type for v in after.outputs] == [v.type for v in graph.outputs]
    if same_function:
        assert_same_function(graph, after)
    settled = print_graph(after)
    assert not any(record.modified for record in pipeline.run(after))
    assert print_graph(after) == settled
    return outcome


def sample(graph, seed=1):
    """Seeded inputs for `graph`, in the ranges of its quantised inputs where it has such."""
    noise = np.random.default_rng(seed)
    return [
        noise.normal(0, 2, value.type.shape).astype(np.float32)
        if value.type.dtype.is_float
        else noise.integers(
            value.type.dtype.minimum, value.type.dtype.maximum + 1, value.type.shape
        ).astype(value.type.dtype.numpy)
        for value in graph.inputs
    ]


def assert_same_function(before, after):
    """Both graphs compute the same from the same inputs: integers exactly, floats closely."""
    inputs = sample(before)
    for expected, found in zip(run(before, inputs), run(after, inputs), strict=True):
        assert_close(found, expected)


def assert_close(found, expected):
    """Equal integers; floats equal up to `TOLERANCE` of their range."""
    if np.issubdtype(expected.dtype, np.integer):
        np.testing.assert_array_equal(found, expected)
        return
    reach = float(np.abs(expected).max(initial=1e-3))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * reach)
