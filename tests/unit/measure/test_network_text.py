"""A network's text without weights reads back as the same shapes, attributes and types."""

from __future__ import annotations

import numpy as np

from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import QuantParams, TensorType, f32
from fpc.measure.samples.network_text import shape_only_text


def floats(channels: int) -> Graph:
    graph = Graph("conv")
    x = graph.add_input("x", f32(1, 3, 8, 8))
    weights = np.ones((channels, 3, 3, 3), np.float32)
    conv = graph.add(ops.Conv2d(strides=(2, 2)), x, graph.constant(weights, "w"), name="y")
    graph.set_outputs(conv.outputs)
    return graph


def test_weights_go_and_everything_else_stays():
    graph = floats(1000)
    text = shape_only_text(graph)
    assert len(text) < 300
    read = Graph.parse(text)
    assert [node.op for node in read] == [node.op for node in graph]
    assert [value.type for value in read.values()] == [value.type for value in graph.values()]
    [weights] = read.constants
    assert weights.constant is not None
    assert weights.constant.is_abstract
    assert not graph.constants[0].constant.is_abstract, "the graph itself keeps its weights"
    assert shape_only_text(read) == text


def test_long_lists_of_scales_do_not_make_the_text_unreadable():
    graph = Graph("quantised")
    scales = QuantParams(
        tuple(np.linspace(0.01, 0.02, 12).astype(np.float32).tolist()), (0,) * 12, 0
    )
    x = graph.add_input("x", TensorType(DType.I8, (1, 3, 8, 8), QuantParams.per_tensor(0.05)))
    weights = graph.constant(np.ones((12, 3, 1, 1), np.int8), "w", scales)
    conv = graph.add(ops.Conv2d(), x, weights, name="y", quant=QuantParams.per_tensor(0.1, 3))
    graph.set_outputs(conv.outputs)
    read = Graph.parse(shape_only_text(graph))
    assert str(read.constants[0].type) == "i8[12,3,1,1]"
    assert read.outputs[0].type == graph.outputs[0].type
