"""Walking an integer graph in segments gives what running it whole gives."""

import numpy as np

from fpc.interp.executor import run_keeping
from fpc.ir import ops
from fpc.ir.op import Activation
from fpc.ir.verifier import verify
from fpc.quant.analysis.placement import weight_of
from fpc.quant.apply import apply_plan
from fpc.quant.calibration.observers import MinMax
from fpc.quant.calibration.statistics import collect
from fpc.quant.plan import make_plan
from fpc.quant.refinement import layerwise
from fpc.quant.refinement.layerwise import (
    Revision,
    paired_layers,
    to_graph_type,
    to_reals,
    walk,
    walk_size,
)
from fpc.quant.refinement.segments import cut_before, extract
from fpc.quant.scheme import TFLITE_INT8
from tests.unit.quant.networks import Builder, numpy_runner, samples_of


def residual_network():
    relu = Activation.RELU
    build = Builder().conv(8, activation=relu)
    kept = build.value
    build.depthwise(activation=relu).conv(8, kernel=1)
    build.value = build.graph.add(ops.Add(), build.value, kept).output
    build.then(ops.MaxPool((2, 2), (2, 2)))
    build.value = build.graph.add(ops.Concat(1), build.value, build.value).output
    return build.classifier(5).done()


def quantised(graph, samples):
    plan = make_plan(graph, collect(graph, samples, numpy_runner), TFLITE_INT8, MinMax())
    return plan, apply_plan(graph, plan, TFLITE_INT8)


def own_revision(layer):
    """The layer as it is."""
    return Revision(layer.node.input(1).data, layer.bias)


def test_every_layer_reads_what_it_reads_in_the_whole_graph():
    graph = residual_network()
    samples = samples_of(graph, 3)
    plan, integer = quantised(graph, samples)
    layers = paired_layers(graph, plan, integer)
    assert [layer.node.op.mnemonic for layer in layers] == ["conv2d"] * 3 + ["dense"]
    read = {}

    def revise(layer, inputs):
        read[layer.node.input(0)] = inputs
        return own_revision(layer)

    revisions = walk(integer, layers, samples, numpy_runner, revise)
    assert set(revisions) == {layer.float_node for layer in layers}
    for index, sample in enumerate(samples):
        inputs = [to_graph_type(sample[0], integer.inputs[0])]
        whole = run_keeping(integer, inputs, read)
        for value, arrays in read.items():
            np.testing.assert_array_equal(arrays[index], whole[value])


def test_later_layers_read_what_revised_ones_give():
    graph = residual_network()
    samples = samples_of(graph, 2)
    plan, integer = quantised(graph, samples)
    layers = paired_layers(graph, plan, integer)
    seen = []

    def revise(layer, inputs):
        seen.append(np.concatenate(inputs))
        nothing = np.zeros_like(layer.node.input(1).data)
        return Revision(nothing, np.zeros(len(nothing)))

    walk(integer, layers, samples, numpy_runner, revise)
    zero = layers[1].node.input(0).type.quantisation.zero_point
    assert np.any(seen[0] != seen[0].flat[0])
    assert np.all(seen[1] == zero)


def test_segments_cover_the_graph_and_run_alone():
    graph = residual_network()
    starts = {node for node in graph if weight_of(node) is not None}
    segments = cut_before(graph, starts)
    assert [node for segment in segments for node in segment.nodes] == list(graph)
    assert segments[-1].outputs == ()
    for segment in segments[:-1]:
        verify(extract(segment.nodes, segment.inputs, segment.outputs))
    finished = [value for segment in segments for value in segment.finished]
    assert len(finished) == len(set(finished))
    assert graph.inputs[0] in segments[0].finished


def test_reals_and_integers_turn_into_each_other():
    graph = residual_network()
    _, integer = quantised(graph, samples_of(graph, 2))
    (value,) = integer.inputs
    integers = np.arange(-128, 128, dtype=np.int8)
    np.testing.assert_array_equal(to_graph_type(to_reals(integers, value), value), integers)
    (real,) = graph.inputs
    array = np.array([0.5], np.float32)
    assert to_reals(array, real) is to_graph_type(array, real) is array


def test_a_walk_takes_what_memory_and_time_allow(monkeypatch):
    graph = residual_network()
    assert walk_size(graph) == layerwise.MOST_SAMPLES
    monkeypatch.setattr(layerwise, "WALK_ELEMENTS", 1)
    assert walk_size(graph) == layerwise.FEWEST_SAMPLES
    monkeypatch.setattr(layerwise, "WALK_BYTES", 5_000)
    assert 1 <= walk_size(graph) < layerwise.FEWEST_SAMPLES
