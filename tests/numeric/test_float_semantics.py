"""Float rules against onnxruntime, op by op, in both layouts."""

from __future__ import annotations

import itertools

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from fpc.interp.executor import run
from fpc.interp.floating.table import FLOAT_RULES
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.op import Activation, Layout
from fpc.ir.types import f32

RELATIVE_TOLERANCE = 1e-5


def onnx_run(op_type, arrays, opset=17, **attributes):
    """The first output of one ONNX node; None stands for an absent optional input."""
    names = ["" if a is None else f"x{i}" for i, a in enumerate(arrays)]
    node = helper.make_node(op_type, names, ["y"], **attributes)
    inputs = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in zip(names, arrays, strict=True)
        if a is not None
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_model(
        helper.make_graph([node], "g", inputs, [output]),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=10,
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feeds = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    return session.run(None, feeds)[0]


def ours(op, arrays, constant_from=1):
    """The result of one op; operands from `constant_from` on are constants."""
    graph = Graph()
    values = []
    for i, a in enumerate(arrays):
        if a is None:
            values.append(None)
        elif i < constant_from:
            values.append(graph.add_input(f"x{i}", f32(*a.shape)))
        else:
            values.append(graph.constant(a))
    graph.set_outputs([graph.add(op, *values).output])
    return run(graph, [a for a in arrays[:constant_from] if a is not None])[0]


def assert_close(actual, expected):
    assert actual.dtype == expected.dtype == np.float32
    assert actual.shape == expected.shape
    bound = RELATIVE_TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=RELATIVE_TOLERANCE, atol=bound)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def in_layout(layout, x):
    """An NCHW array (or OIHW filter) in `layout`."""
    return x if layout is Layout.NCHW else np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def back(layout, y):
    return y if layout is Layout.NCHW else y.transpose(0, 3, 1, 2)


BOTH = pytest.mark.parametrize("layout", list(Layout))

CONVOLUTIONS = [
    # channels, out, kernel, strides, pads, dilations, groups
    (3, 8, (3, 3), (2, 2), (0, 1, 1, 0), (1, 1), 1),
    (5, 7, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    (5, 7, (1, 1), (2, 3), (1, 0, 0, 2), (1, 1), 1),
    (6, 6, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 6),
    (6, 12, (5, 3), (2, 1), (2, 1, 2, 1), (1, 2), 6),
    (8, 12, (3, 2), (1, 2), (1, 0, 1, 1), (2, 1), 4),
    (1, 4, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
]


@BOTH
@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("batch", [1, 3])
def test_conv2d(layout, case, batch):
    channels, out, kernel, strides, pads, dilations, groups = case
    x, b = normal(1, batch, channels, 11, 13), normal(3, out)
    w = normal(2, out, channels // groups, *kernel)
    expected = onnx_run(
        "Conv", [x, w, b], strides=strides, pads=pads, dilations=dilations, group=groups
    )
    op = ops.Conv2d(strides, pads, dilations, groups, Activation.NONE, layout)
    assert_close(back(layout, ours(op, [in_layout(layout, x), in_layout(layout, w), b])), expected)


@BOTH
def test_conv2d_cuts_large_batches(layout):
    """Patches beyond the buffer limit are computed image by image."""
    x, w = normal(1, 9, 24, 80, 80), normal(2, 4, 24, 3, 3)
    expected = onnx_run("Conv", [x, w])
    op = ops.Conv2d(layout=layout)
    assert_close(back(layout, ours(op, [in_layout(layout, x), in_layout(layout, w)])), expected)


@BOTH
@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [(Activation.RELU, 0, np.inf), (Activation.RELU6, 0, 6), (Activation.RELU_N1_TO_1, -1, 1)],
)
def test_fused_activation(layout, activation, low, high):
    x, w = 4 * normal(1, 2, 3, 6, 6), normal(2, 4, 3, 3, 3)
    expected = np.clip(onnx_run("Conv", [x, w]), low, high)
    op = ops.Conv2d(activation=activation, layout=layout)
    assert_close(back(layout, ours(op, [in_layout(layout, x), in_layout(layout, w)])), expected)


@BOTH
@pytest.mark.parametrize(
    ("channels", "out", "kernel", "strides", "pads", "output_pads", "dilations", "groups"),
    [
        (3, 5, (3, 3), (2, 2), (1, 1, 1, 1), (1, 1), (1, 1), 1),
        (4, 4, (2, 2), (2, 2), (0, 0, 0, 0), (0, 0), (1, 1), 1),
        (4, 6, (4, 3), (3, 1), (1, 0, 2, 1), (2, 0), (1, 2), 2),
        (6, 6, (3, 3), (2, 1), (0, 1, 1, 0), (0, 0), (2, 1), 6),
    ],
)
def test_conv_transpose2d(
    layout, channels, out, kernel, strides, pads, output_pads, dilations, groups
):
    x, b = normal(1, 2, channels, 5, 7), normal(3, out)
    w_iohw = normal(2, channels, out // groups, *kernel)
    expected = onnx_run(
        "ConvTranspose",
        [x, w_iohw, b],
        strides=strides,
        pads=pads,
        output_padding=output_pads,
        dilations=dilations,
        group=groups,
    )
    grouped = w_iohw.reshape(groups, channels // groups, out // groups, *kernel)
    w = grouped.transpose(0, 2, 1, 3, 4).reshape(out, channels // groups, *kernel)
    op = ops.ConvTranspose2d(strides, pads, output_pads, dilations, groups, Activation.NONE, layout)
    assert_close(back(layout, ours(op, [in_layout(layout, x), in_layout(layout, w), b])), expected)


def test_dense():
    x, w, b = normal(1, 4, 9), normal(2, 5, 9), normal(3, 5)
    assert_close(ours(ops.Dense(), [x, w, b]), onnx_run("Gemm", [x, w, b], transB=1))


@pytest.mark.parametrize(
    ("a", "b"), [((4, 5), (5, 6)), ((2, 3, 4, 5), (2, 3, 5, 6)), ((3, 4, 5), (5, 6))]
)
def test_matmul(a, b):
    x, y = normal(1, *a), normal(2, *b)
    assert_close(ours(ops.MatMul(), [x, y], 2), onnx_run("MatMul", [x, y]))


@pytest.mark.parametrize("axis", [1, 3])
def test_batch_norm(axis):
    x = normal(1, 2, 5, 4, 3)
    scale, bias, mean = normal(2, 5), normal(3, 5), normal(4, 5)
    variance = np.abs(normal(5, 5)) + np.float32(0.1)
    expected = onnx_run("BatchNormalization", [x, scale, bias, mean, variance], epsilon=1e-3)
    moved = x if axis == 1 else np.moveaxis(x, 1, 3)
    actual = ours(ops.BatchNorm(1e-3, axis), [moved, scale, bias, mean, variance])
    assert_close(actual if axis == 1 else np.moveaxis(actual, 3, 1), expected)


@BOTH
@pytest.mark.parametrize("size", [1, 3, 5])
def test_local_response_norm(layout, size):
    x = normal(1, 2, 7, 3, 4) * 3
    expected = onnx_run("LRN", [x], size=size, alpha=0.3, beta=0.75, bias=1.5)
    op = ops.LocalResponseNorm(size, 0.3, 0.75, 1.5, layout)
    assert_close(back(layout, ours(op, [in_layout(layout, x)])), expected)


POOLS = [
    ((3, 3), (2, 2), (1, 1, 1, 1)),
    ((2, 3), (1, 2), (0, 1, 1, 0)),
    ((5, 5), (5, 5), (0, 0, 0, 0)),
]


@BOTH
@pytest.mark.parametrize(("kernel", "strides", "pads"), POOLS)
def test_max_pool(layout, kernel, strides, pads):
    x = normal(1, 2, 3, 11, 12) - 5
    expected = onnx_run("MaxPool", [x], kernel_shape=kernel, strides=strides, pads=pads)
    op = ops.MaxPool(kernel, strides, pads, (1, 1), layout)
    assert_close(back(layout, ours(op, [in_layout(layout, x)])), expected)


@BOTH
@pytest.mark.parametrize(("kernel", "strides", "pads"), POOLS)
@pytest.mark.parametrize("count_include_pad", [False, True])
def test_avg_pool(layout, kernel, strides, pads, count_include_pad):
    x = normal(1, 2, 3, 11, 12)
    expected = onnx_run(
        "AveragePool",
        [x],
        kernel_shape=kernel,
        strides=strides,
        pads=pads,
        count_include_pad=int(count_include_pad),
    )
    op = ops.AvgPool(kernel, strides, pads, count_include_pad, layout)
    assert_close(back(layout, ours(op, [in_layout(layout, x)])), expected)


@BOTH
def test_global_avg_pool(layout):
    x = normal(1, 2, 3, 11, 12)
    op = ops.GlobalAvgPool(layout)
    actual = ours(op, [in_layout(layout, x)])
    assert_close(back(layout, actual), onnx_run("GlobalAveragePool", [x]))


@pytest.mark.parametrize("keep_dims", [False, True])
def test_reduce_mean(keep_dims):
    x = normal(1, 2, 3, 4, 5)
    expected = onnx_run("ReduceMean", [x], opset=13, axes=[1, 3], keepdims=int(keep_dims))
    assert_close(ours(ops.ReduceMean((1, 3), keep_dims), [x]), expected)


UNARY = [
    (ops.Relu(), "Relu", {}, 17),
    (ops.LeakyRelu(0.2), "LeakyRelu", {"alpha": 0.2}, 17),
    (ops.Sigmoid(), "Sigmoid", {}, 17),
    (ops.HardSigmoid(0.2, 0.4), "HardSigmoid", {"alpha": 0.2, "beta": 0.4}, 17),
    (ops.HardSwish(), "HardSwish", {}, 17),
    (ops.Tanh(), "Tanh", {}, 17),
    (ops.Gelu(), "Gelu", {}, 20),
    (ops.Gelu(approximate=True), "Gelu", {"approximate": "tanh"}, 20),
    (ops.Softmax(2), "Softmax", {"axis": 2}, 17),
    (ops.Unary(ops.Function.EXP), "Exp", {}, 17),
    (ops.Unary(ops.Function.ABS), "Abs", {}, 17),
    (ops.Unary(ops.Function.NEG), "Neg", {}, 17),
    (ops.Unary(ops.Function.ERF), "Erf", {}, 17),
    (ops.Unary(ops.Function.FLOOR), "Floor", {}, 17),
]


@pytest.mark.parametrize(
    ("op", "op_type", "attributes", "opset"), UNARY, ids=[str(u[0]) for u in UNARY]
)
def test_unary(op, op_type, attributes, opset):
    x = normal(1, 2, 3, 40, 50) * 4
    assert_close(ours(op, [x]), onnx_run(op_type, [x], opset=opset, **attributes))


@pytest.mark.parametrize(
    ("function", "op_type"), [(ops.Function.LOG, "Log"), (ops.Function.SQRT, "Sqrt")]
)
def test_unary_of_positive(function, op_type):
    x = np.abs(normal(1, 40, 50)) + np.float32(1e-3)
    assert_close(ours(ops.Unary(function), [x]), onnx_run(op_type, [x]))


def test_sigmoid_keeps_its_digits():
    """onnxruntime gives up below -18; the oracle is float64 arithmetic."""
    x = np.linspace(-80, 80, 999, dtype=np.float32)
    expected = 1 / (1 + np.exp(-x.astype(np.float64)))
    np.testing.assert_allclose(ours(ops.Sigmoid(), [x]), expected, rtol=1e-5)
    far = np.array([-1e30, 1e30], np.float32)
    np.testing.assert_array_equal(ours(ops.Sigmoid(), [far]), [0, 1])


def test_clamps():
    x = normal(1, 50, 60) * 5
    np.testing.assert_array_equal(ours(ops.Relu6(), [x]), np.clip(x, 0, 6))
    low, high = np.array(-2, np.float32), np.array(3, np.float32)
    assert_close(ours(ops.Clip(-2.0, 3.0), [x]), onnx_run("Clip", [x, low, high]))
    assert_close(ours(ops.Clip(None, 3.0), [x]), onnx_run("Clip", [x, None, high]))
    assert_close(ours(ops.Clip(-2.0), [x]), onnx_run("Clip", [x, low]))


def test_silu_is_x_times_sigmoid():
    x = normal(1, 50, 60) * 5
    assert_close(ours(ops.Silu(), [x]), x * onnx_run("Sigmoid", [x]))


def test_prelu():
    x, slope = normal(1, 2, 3, 4, 5), normal(2, 3, 1, 1)
    assert_close(ours(ops.PRelu(), [x, slope]), onnx_run("PRelu", [x, slope]))


@pytest.mark.parametrize(
    ("op_class", "op_type"),
    [
        (ops.Add, "Add"),
        (ops.Sub, "Sub"),
        (ops.Mul, "Mul"),
        (ops.Div, "Div"),
        (ops.Maximum, "Max"),
        (ops.Minimum, "Min"),
    ],
)
def test_binary_broadcasts(op_class, op_type):
    a, b = normal(1, 2, 3, 1, 5), normal(2, 3, 4, 1)
    assert_close(ours(op_class(), [a, b], 2), onnx_run(op_type, [a, b]))


def test_movement():
    a, b = normal(1, 2, 3, 4, 5), normal(2, 2, 1, 4, 5)
    assert_close(ours(ops.Concat(1), [a, b], 2), onnx_run("Concat", [a, b], axis=1))
    assert_close(
        ours(ops.Transpose((0, 2, 3, 1)), [a]), onnx_run("Transpose", [a], perm=[0, 2, 3, 1])
    )
    assert_close(ours(ops.Reshape((2, 60)), [a]), a.reshape(2, 60))
    taken = ours(ops.Slice((0, 1, 0, 2), (2, 3, 4, 5), (1, 1, 2, 1)), [a])
    assert_close(taken, a[:, 1:3, ::2, 2:])
    padded = ours(ops.Pad((0, 1, 0, 2), (0, 0, 3, 1), 1.5), [a])
    pads = np.array([0, 1, 0, 2, 0, 0, 3, 1], np.int64)
    assert_close(padded, onnx_run("Pad", [a, pads, np.array(1.5, np.float32)]))
    for mode in (ops.PadMode.REFLECT, ops.PadMode.EDGE):
        pads = np.array([0, 0, 1, 2, 0, 0, 2, 1], np.int64)
        op = ops.Pad((0, 0, 1, 2), (0, 0, 2, 1), mode=mode)
        assert_close(ours(op, [a]), onnx_run("Pad", [a, pads], mode=mode.value))


def test_split():
    x = normal(1, 2, 7, 3)
    graph = Graph()
    node = graph.add(ops.Split(1, (3, 4)), graph.add_input("x", f32(2, 7, 3)))
    graph.set_outputs(node.outputs)
    first, second = run(graph, [x])
    np.testing.assert_array_equal(first, x[:, :3])
    np.testing.assert_array_equal(second, x[:, 3:])


@BOTH
@pytest.mark.parametrize("order", list(ops.DepthOrder))
def test_depth_to_space(layout, order):
    x = normal(1, 2, 12, 3, 4)
    expected = onnx_run("DepthToSpace", [x], blocksize=2, mode=order.name)
    op = ops.DepthToSpace(2, order, layout)
    assert_close(back(layout, ours(op, [in_layout(layout, x)])), expected)


ROUNDINGS = {
    ops.NearestRounding.FLOOR: "floor",
    ops.NearestRounding.CEIL: "ceil",
    ops.NearestRounding.HALF_DOWN: "round_prefer_floor",
    ops.NearestRounding.HALF_UP: "round_prefer_ceil",
}


@BOTH
@pytest.mark.parametrize("coordinates", list(ops.Coordinates))
@pytest.mark.parametrize("size", [(14, 9), (3, 5), (7, 20), (1, 1)])
def test_resize_bilinear(layout, coordinates, size):
    x = normal(1, 2, 3, 7, 5)
    sizes = np.array([2, 3, *size], np.int64)
    expected = onnx_run(
        "Resize",
        [x, None, None, sizes],
        mode="linear",
        coordinate_transformation_mode=coordinates.value,
    )
    op = ops.Resize(size, ops.Interpolation.BILINEAR, coordinates, layout=layout)
    assert_close(back(layout, ours(op, [in_layout(layout, x)])), expected)


@BOTH
@pytest.mark.parametrize(
    ("coordinates", "rounding"), list(itertools.product(ops.Coordinates, ROUNDINGS))
)
@pytest.mark.parametrize("size", [(14, 10), (3, 5), (7, 20)])
def test_resize_nearest(layout, coordinates, rounding, size):
    x = normal(1, 2, 3, 7, 5)
    sizes = np.array([2, 3, *size], np.int64)
    expected = onnx_run(
        "Resize",
        [x, None, None, sizes],
        mode="nearest",
        coordinate_transformation_mode=coordinates.value,
        nearest_mode=ROUNDINGS[rounding],
    )
    op = ops.Resize(size, ops.Interpolation.NEAREST, coordinates, rounding, layout)
    assert_close(back(layout, ours(op, [in_layout(layout, x)])), expected)


def test_every_op_has_a_float_rule():
    assert set(FLOAT_RULES) == set(ops.ALL_OPS)
