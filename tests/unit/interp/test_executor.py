"""Running graphs: inputs by name or order, batches of any size, values kept and freed."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from fpc.diagnostics.errors import UsageError
from fpc.interp.batching import treats_images_alike
from fpc.interp.executor import run, run_keeping, trace
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import QuantParams, TensorType, f32


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def classifier() -> Graph:
    """conv, squeeze and excitation, reshape, dense, softmax: images do not mix."""
    graph = Graph()
    x = graph.add_input("x", f32(1, 3, 8, 8))
    y = graph.add(ops.Conv2d(pads=(1, 1, 1, 1)), x, graph.constant(normal(4, 3, 3, 3))).output
    gate = graph.add(ops.Sigmoid(), graph.add(ops.GlobalAvgPool(), y).output).output
    y = graph.add(ops.Mul(), y, gate).output
    y = graph.add(ops.Add(), y, graph.constant(normal(4, 1, 1))).output
    y = graph.add(ops.Reshape((1, 256)), y).output
    y = graph.add(ops.Dense(), y, graph.constant(normal(10, 256))).output
    graph.set_outputs([graph.add(ops.Softmax(1), y).output])
    return graph


def test_inputs_by_name_or_in_order():
    graph, image = classifier(), normal(1, 3, 8, 8)
    (by_order,) = run(graph, [image])
    (by_name,) = run(graph, {"x": image})
    np.testing.assert_array_equal(by_order, by_name)
    assert by_order.shape == (1, 10)


def test_a_batch_gives_what_its_images_give():
    graph, images = classifier(), normal(5, 3, 8, 8)
    assert treats_images_alike(graph)
    (together,) = run(graph, [images])
    for index in range(5):
        (alone,) = run(graph, [images[index : index + 1]])
        np.testing.assert_allclose(together[index], alone[0], rtol=1e-5, atol=1e-6)


def mixing(op, shape=(1, 4, 6)) -> Graph:
    graph = Graph()
    graph.set_outputs([graph.add(op, graph.add_input("x", f32(*shape))).output])
    return graph


MIXING = [
    ops.Reshape((4, 6)),
    ops.Reshape((4, 1, 6)),
    ops.Transpose((1, 0, 2)),
    ops.Softmax(0),
    ops.ReduceMean((0,)),
    ops.Pad((1, 0, 0), (0, 0, 0)),
]


@pytest.mark.parametrize("op", MIXING, ids=str)
def test_images_that_would_mix_are_run_one_by_one(op):
    graph, images = mixing(op), normal(3, 4, 6)
    assert not treats_images_alike(graph)
    (together,) = run(graph, [images])
    alone = [run(graph, [images[index : index + 1]])[0] for index in range(3)]
    np.testing.assert_array_equal(together, np.concatenate(alone))


KEEPING = [
    ops.Reshape((1, 24)),
    ops.Transpose((0, 2, 1)),
    ops.Softmax(2),
    ops.ReduceMean((1,)),
    ops.Slice((0, 1, 0), (1, 4, 6), (1, 1, 2)),
    ops.Pad((0, 1, 0), (0, 0, 2)),
]


@pytest.mark.parametrize("op", KEEPING, ids=str)
def test_ops_that_leave_the_leading_axis_alone(op):
    graph, images = mixing(op), normal(3, 4, 6)
    assert treats_images_alike(graph)
    (together,) = run(graph, [images])
    alone = [run(graph, [images[index : index + 1]])[0] for index in range(3)]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_a_constant_as_long_as_the_batch_keeps_images_apart():
    graph = Graph()
    x = graph.add_input("x", f32(2, 3))
    graph.set_outputs([graph.add(ops.Add(), x, graph.constant(normal(2, 3))).output])
    assert not treats_images_alike(graph)
    images = normal(4, 3)
    (sums,) = run(graph, [images])
    np.testing.assert_array_equal(sums, images + np.tile(normal(2, 3), (2, 1)))


def test_matrix_products_of_batches():
    graph = Graph()
    x = graph.add_input("x", f32(1, 4, 6))
    transposed = graph.add(ops.Transpose((0, 2, 1)), x).output
    graph.set_outputs([graph.add(ops.MatMul(), x, transposed).output])
    assert treats_images_alike(graph)
    images = normal(3, 4, 6)
    np.testing.assert_allclose(
        run(graph, [images])[0], images @ images.transpose(0, 2, 1), rtol=1e-5
    )


def test_quantised_batches():
    graph = Graph()
    quant = QuantParams.per_tensor(0.05, -3)
    x = graph.add_input("x", TensorType(DType.I8, (1, 6, 6, 3), quant))
    graph.set_outputs([graph.add(ops.ReduceMean((1, 2)), x, quant=quant).output])
    images = np.random.default_rng(1).integers(-128, 128, (4, 6, 6, 3)).astype(np.int8)
    for numerics in (Numerics.TFLITE_REFERENCE, Numerics.TFLITE_XNNPACK):
        (together,) = run(graph, [images], numerics)
        alone = [run(graph, [images[i : i + 1]], numerics)[0] for i in range(4)]
        np.testing.assert_array_equal(together, np.concatenate(alone))


def test_keeping_values():
    graph, image = classifier(), normal(1, 3, 8, 8)
    convolution = graph.nodes[0].output
    found = run_keeping(graph, [image], [convolution, graph.inputs[0]])
    assert set(found) == {convolution, graph.inputs[0], *graph.outputs}
    assert found[convolution].shape == (1, 4, 8, 8)


def test_tracing_gives_every_value_in_order():
    graph = classifier()
    values = [value for value, _ in trace(graph, [normal(1, 3, 8, 8)])]
    assert values == [*graph.inputs, *(node.output for node in graph)]


def test_values_are_freed_when_nobody_needs_them():
    graph = Graph()
    y = graph.add_input("x", f32(64))
    for _ in range(6):
        y = graph.add(ops.Add(), y, graph.constant(normal(64))).output
    graph.set_outputs([y])
    references: list[weakref.ref] = []
    most = 0
    for _, array in trace(graph, [normal(64)]):
        references.append(weakref.ref(array))
        del array
        gc.collect()
        most = max(most, sum(reference() is not None for reference in references))
    assert most <= 3


def test_an_output_that_is_an_input_or_a_constant():
    graph = Graph()
    x = graph.add_input("x", f32(2))
    constant = graph.constant(normal(3))
    graph.set_outputs([x, constant, graph.add(ops.Relu(), x).output])
    array = np.array([-1, 2], np.float32)
    first, second, third = run(graph, [array])
    np.testing.assert_array_equal(first, array)
    np.testing.assert_array_equal(second, normal(3))
    np.testing.assert_array_equal(third, [0, 2])


def test_floats_overflow_silently():
    graph = Graph()
    x = graph.add_input("x", f32(1, 3))
    root = graph.add(ops.Unary(ops.Function.SQRT), x).output
    y = graph.add(ops.Dense(), root, graph.constant(np.full((2, 3), 3e38, np.float32))).output
    graph.set_outputs([y, graph.add(ops.Div(), x, graph.constant(np.zeros(3, np.float32))).output])
    sums, ratios = run(graph, [np.array([[4, 4, -1]], np.float32)])
    assert np.isnan(sums).all()
    assert ratios.tolist() == [[np.inf, np.inf, -np.inf]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"y": normal(1, 3, 8, 8)}, "takes inputs x, got y"),
        ([], "takes 1 inputs, got 0"),
        ([normal(1, 3, 8, 9)], r"has shape \[1, 3, 8, 8\], got \[1, 3, 8, 9\]"),
        ([normal(3, 8, 8)], r"has shape \[1, 3, 8, 8\], got \[3, 8, 8\]"),
        ([np.zeros((1, 3, 8, 8))], "is f32, got float64"),
        ([normal(0, 3, 8, 8)], "got \\[0, 3, 8, 8\\]"),
    ],
)
def test_inputs_that_do_not_fit(inputs, message):
    with pytest.raises(UsageError, match=message):
        run(classifier(), inputs)


def test_inputs_of_different_batches():
    graph = Graph()
    a, b = graph.add_input("a", f32(1, 3)), graph.add_input("b", f32(1, 3))
    graph.set_outputs([graph.add(ops.Add(), a, b).output])
    with pytest.raises(UsageError, match="batches of different sizes"):
        run(graph, [normal(2, 3), normal(3, 3)])
