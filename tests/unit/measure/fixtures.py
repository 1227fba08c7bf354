"""A tiny model and its right answer, and samples to keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fpc.backends.tflite import emit
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.types import f32
from fpc.measure.protocol import Condition, Expected, Request, Timing
from fpc.measure.samples.sample import Sample

INPUT = np.array([[-2.0, -0.5, 1.0, 3.0]], np.float32)
CONDITION = Condition("Cortex-A72 (aarch64)", "LiteRT 2.3.0", threads=4)


def relu_graph() -> Graph:
    graph = Graph("relu")
    graph.set_outputs(graph.add(ops.Relu(), graph.add_input("x", f32(1, 4)), name="y").outputs)
    return graph


def expected(*values: float) -> Expected:
    output = np.array([values], np.float32)
    return Expected((INPUT,), (output,), (1e-6,), float("inf"), "numpy")


def request(name: str = "relu", right: Expected | None = None) -> Request:
    """A request for the ReLU of `INPUT`, checked against the numbers written here."""
    content = emit(relu_graph())
    right = expected(0, 0, 1, 3) if right is None else right
    return Request(name, content, "ab" * 32, "float32", right)


def sample(name: str = "net", *runs: float, **changes: object) -> Sample:
    timing = Timing(
        name=name,
        model_sha256="0123456789abcdef" * 4,
        precision="int8",
        runs=runs or (60.1, 60.3, 59.9, 1 / 3, 60.0, 61.0),
        unit="ms",
        evidence="measured",
        condition=CONDITION,
        date="2026-01-02T03:04:05+00:00",
        frames_per_second=16.6,
    )
    return Sample(replace(timing, **changes), "0.1.0", 300_000_000, relu_graph().to_text())
