import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir.constant import Constant
from fpc.ir.dtype import DType
from fpc.ir.op import Activation, Layout
from fpc.ir.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Dense,
    DepthOrder,
    DepthToSpace,
    GlobalAvgPool,
    Interpolation,
    LocalResponseNorm,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    PRelu,
    ReduceMean,
    Relu,
    Reshape,
    Resize,
    Sigmoid,
    Slice,
    Softmax,
    Split,
    Transpose,
)
from fpc.ir.types import QuantParams, TensorType, f32
from fpc.passes.axis_remapping import order_for_slicing
from fpc.rewrite.invariants import layout_of
from tests.unit.passes.case import Network, assert_close, sample, transform

PASS = "set-layout"
MAP = (1, 4, 6, 5)


def conv(net, x=None, filters=8, name="conv", **attributes):
    x = net.x if x is None else x
    weights = net.weights(filters, x.type.shape[1], 1, 1)
    return net.add(Conv2d(**attributes), x, weights, name=name)


def to_nhwc(graph, text=PASS):
    outcome = transform(graph, text)
    layouts = {layout_of(node.op) for node in outcome.after}
    assert layouts <= {None, Layout.NHWC}
    return outcome


def test_golden(golden):
    """A block with a squeeze-and-excitation gate, and a classifier that flattens its map."""
    net = Network(*MAP)
    y = conv(net, pads=(1, 1, 1, 1), activation=Activation.RELU)
    gate = net.add(Reshape((1, 8)), net.add(GlobalAvgPool(), y))
    gate = net.add(Sigmoid(), net.add(Dense(), gate, net.weights(8, 8)))
    y = net.add(Mul(), y, net.add(Reshape((1, 8, 1, 1)), gate), name="scaled")
    flat = net.add(Reshape((1, 8 * 8 * 7)), y, name="flat")
    logits = net.add(Dense(), flat, net.weights(3, 8 * 8 * 7), name="logits")
    assert to_nhwc(net.returns(logits, y)).text == golden


SPATIAL = [
    lambda n, x: n.add(Conv2d(pads=(1, 0, 1, 2), groups=2), x, n.weights(6, 4, 3, 3), n.weights(6)),
    lambda n, x: n.add(ConvTranspose2d(strides=(2, 1), groups=2), x, n.weights(6, 4, 3, 3)),
    lambda n, x: n.add(MaxPool((2, 3), pads=(1, 0, 0, 1)), x),
    lambda n, x: n.add(AvgPool((3, 2), pads=(1, 0, 1, 1)), x),
    lambda n, x: n.add(GlobalAvgPool(), x),
    lambda n, x: n.add(Resize((9, 7), Interpolation.BILINEAR), x),
    lambda n, x: n.add(DepthToSpace(2), x),
    lambda n, x: n.add(DepthToSpace(2, DepthOrder.CRD), x),
    lambda n, x: n.add(LocalResponseNorm(3), x),
]
WITH_AXES = [
    lambda n, x: n.add(Softmax(1), x),
    lambda n, x: n.add(Concat(1), x, x, n.weights(1, 2, 6, 5)),
    lambda n, x: n.add(Concat(2), x, x),
    lambda n, x: n.add(Split(1, (3, 5)), x)[1],
    lambda n, x: n.add(Slice((0, 1, 2, 0), (1, 8, 6, 5), (1, 3, 1, 2)), x),
    lambda n, x: n.add(Pad((0, 1, 0, 2), (0, 0, 3, 0), 0.5), x),
    lambda n, x: n.add(ReduceMean((1,)), x),
    lambda n, x: n.add(ReduceMean((1, 3), keep_dims=False), x),
    lambda n, x: n.add(BatchNorm(), x, n.weights(8), n.weights(8), n.weights(8), n.positive(8)),
]
BROADCAST = [
    lambda n, x: n.add(Add(), x, n.weights(8, 1, 1)),
    lambda n, x: n.add(Add(), n.weights(1, 8, 6, 1), x),
    lambda n, x: n.add(Add(), x, n.weights(5)),
    lambda n, x: n.add(Add(), x, n.constant(2.0)),
    lambda n, x: n.add(PRelu(), x, n.weights(8, 1, 1)),
    lambda n, x: n.add(Mul(), x, n.add(Relu(), n.input("row", 6, 5))),
    lambda n, x: n.add(Mul(), x, n.add(Relu(), n.input("channels", 8, 1, 1))),
    lambda n, x: n.add(Mul(), x, n.input("number", 1)),
    lambda n, x: n.add(Add(), x, n.add(Relu(), n.input("map", 1, 8, 6, 5))),
]
MOVED = [
    lambda n, x: n.add(Reshape((1, 8, 30)), x),
    lambda n, x: n.add(Transpose((0, 2, 1)), n.add(Reshape((1, 8, 30)), x)),
    lambda n, x: n.add(Reshape((1, 30, 8)), n.add(Transpose((0, 2, 3, 1)), x)),
    lambda n, x: n.add(MatMul(), n.add(Transpose((0, 1, 3, 2)), x), x),
    lambda n, x: n.add(Reshape((240,)), x),
    lambda n, x: n.add(Dense(), x, n.weights(3, 5)),
    lambda n, x: n.add(Dense(), n.add(Transpose((0, 2, 3, 1)), x), n.weights(3, 8)),
    lambda n, x: n.add(Softmax(3), n.add(Transpose((0, 2, 3, 1)), x)),
]


@pytest.mark.parametrize("make", SPATIAL + WITH_AXES + BROADCAST + MOVED)
@pytest.mark.parametrize("then_convolve", [False, True])
def test_operators(make, then_convolve):
    net = Network(*MAP)
    y = make(net, conv(net))
    if then_convolve and y.type.rank == 4:
        y = conv(net, y)
    to_nhwc(net.returns(y))


def test_channel_shuffle_costs_one_transpose():
    net = Network(*MAP)
    y = net.add(Reshape((1, 2, 4, 6, 5)), conv(net))
    y = net.add(Reshape((1, 8, 6, 5)), net.add(Transpose((0, 2, 1, 3, 4)), y))
    outcome = to_nhwc(net.returns(net.add(GlobalAvgPool(), y)))
    assert outcome.ops.count("transpose") == 2, "one of the input, one of the shuffle"


def test_every_other_channel_is_cut_out_of_a_transposed_map():
    """ShuffleNetV2 as exported: in NHWC its pieces would be copied byte by byte."""
    net = Network(1, 4, 12, 12)
    y = net.add(Reshape((4, 2, 144)), conv(net))
    y = net.add(Reshape((2, 1, 4, 12, 12)), net.add(Transpose((1, 0, 2)), y))
    halves = [net.add(Slice((i, 0, 0, 0, 0), (i + 1, 1, 4, 12, 12), (1,) * 5), y) for i in (0, 1)]
    maps = [net.add(GlobalAvgPool(), net.add(Reshape((1, 4, 12, 12)), half)) for half in halves]
    outcome = to_nhwc(net.returns(*maps))
    (_, moved) = outcome.after.nodes_of(Transpose)
    assert moved.op.permutation == (4, 0, 1, 2, 3)
    assert [user.op.mnemonic for user in moved.output.users] == ["slice", "slice"]


CUTS = [
    (Slice((0, 0, 0), (1, 400, 2), (1, 1, 1)), (1, 400, 4), (2, 0, 1)),
    (Split(2, (2, 2)), (1, 400, 4), (2, 0, 1)),
    (Slice((0, 0, 0), (1, 400, 4), (1, 1, 1)), (1, 400, 4), (0, 1, 2)),
    (Slice((0, 0, 0), (1, 200, 4), (1, 1, 1)), (1, 400, 4), (0, 1, 2)),
    (Slice((0, 0, 0), (1, 40, 2), (1, 1, 1)), (1, 40, 4), (0, 1, 2)),
    (Slice((0, 0, 0), (1, 400, 8), (1, 1, 2)), (1, 400, 8), (2, 0, 1)),
    (Slice((0, 0, 0), (1, 400, 4), (1, 1, 1)), (1, 400, 8), (0, 1, 2)),
]


@pytest.mark.parametrize(("op", "shape", "order"), CUTS)
def test_order_for_slicing(op, shape, order):
    assert order_for_slicing(op, shape, (0, 1, 2)) == order


def test_a_detection_head_costs_nothing():
    net = Network(*MAP)
    y = net.add(Transpose((0, 2, 3, 1)), conv(net))
    y = net.add(Softmax(2), net.add(Reshape((1, 60, 4)), y))
    assert to_nhwc(net.returns(y)).ops == ["transpose", "conv2d", "reshape", "softmax"]


def test_flattening_goes_into_dense_weights():
    net = Network(*MAP)
    flat = net.add(Relu(), net.add(Reshape((1, 240)), conv(net)))
    shared = net.weights(3, 240)
    a = net.add(Dense(), flat, shared, net.weights(3), name="a")
    b = net.add(Dense(), flat, net.weights(2, 240), name="b")
    c = net.add(Dense(), net.input("other", 1, 240), shared, name="c")
    outcome = to_nhwc(net.returns(a, b, c))
    expected = ["transpose", "conv2d", "reshape", "relu", "dense", "dense", "dense"]
    assert outcome.ops == expected


def test_flattening_that_others_read_is_transposed():
    for other in ("output", "softmax", "weights"):
        net = Network(*MAP)
        flat = net.add(Reshape((1, 240)), conv(net))
        weights = net.input("w", 3, 240) if other == "weights" else net.weights(3, 240)
        returned = [net.add(Dense(), flat, weights)]
        if other == "output":
            returned.append(flat)
        if other == "softmax":
            returned.append(net.add(Softmax(1), flat))
        assert to_nhwc(net.returns(*returned)).ops.count("transpose") == 2


def test_dense_on_a_shuffled_map_of_one_pixel():
    net = Network(*MAP)
    y = net.add(Reshape((1, 8)), net.add(GlobalAvgPool(), conv(net)))
    outcome = to_nhwc(net.returns(net.add(Dense(), y, net.weights(3, 8))))
    assert outcome.ops == ["transpose", "conv2d", "global_avg_pool", "reshape", "dense"]


def test_interface_in_nhwc():
    net = Network(*MAP)
    y = conv(net)
    head = net.add(Transpose((0, 2, 3, 1)), conv(net, y, name="head"), name="head_nhwc")
    graph = net.returns(y, head)
    outcome = transform(graph, f"{PASS}{{io=nhwc}}", same_function=False, same_types=False)
    assert outcome.ops == ["conv2d", "conv2d"]
    assert outcome.after.inputs[0].type == f32(1, 6, 5, 4)
    (x,) = sample(graph)
    maps, heads = run(graph, [x])
    got = run(outcome.after, [np.ascontiguousarray(x.transpose(0, 2, 3, 1))])
    assert_close(got[0], maps.transpose(0, 2, 3, 1))
    assert_close(got[1], heads)


def test_an_input_that_the_model_transposes_itself():
    net = Network(1, 6, 5, 4)
    y = conv(net, net.add(Transpose((0, 3, 1, 2)), net.x))
    y = net.add(Transpose((0, 2, 3, 1)), y)
    graph = net.returns(y)
    assert to_nhwc(graph).ops == ["conv2d"]
    assert to_nhwc(graph, f"{PASS}{{io=nhwc}}").ops == ["conv2d"]


def test_every_output_keeps_a_value_of_its_own():
    net = Network(*MAP)
    y = conv(net)
    twin = net.add(Transpose((0, 2, 3, 1)), y, name="twin")
    graph = net.returns(y, twin, net.add(Transpose((0, 1, 2, 3)), net.x, name="passed"))
    outcome = transform(graph, f"{PASS}{{io=nhwc}}", same_function=False, same_types=False)
    assert len(set(outcome.after.outputs)) == 3
    assert outcome.ops.count("reshape") == 2


def test_back_to_nchw():
    net = Network(*MAP)
    y = net.add(MaxPool((2, 2)), conv(net))
    graph = to_nhwc(net.returns(net.add(Softmax(1), y))).after
    outcome = transform(graph, f"{PASS}{{layout=nchw}}")
    assert outcome.ops == ["conv2d", "max_pool", "softmax"]
    assert outcome.after.nodes[0].input(1).type.shape == (8, 4, 1, 1)


def test_nothing_to_do():
    net = Network(*MAP)
    assert not transform(net.returns(net.add(Relu(), net.x)), PASS).modified
    net = Network(*MAP)
    nhwc = net.add(MaxPool((2, 2), layout=Layout.NHWC), net.x)
    assert not transform(net.returns(nhwc), PASS).modified


def test_a_mixed_graph():
    net = Network(1, 6, 5, 4)
    y = net.add(MaxPool((2, 2), layout=Layout.NHWC), net.x)
    y = conv(net, net.add(Transpose((0, 3, 1, 2)), y))
    assert to_nhwc(net.returns(y)).ops == ["max_pool", "conv2d", "transpose"]


def test_quantised_graphs_keep_their_bits():
    net = Network(1, 3)
    params = QuantParams.per_tensor(0.05, 4)
    x = net.graph.add_input("q", TensorType(DType.I8, MAP, params))
    w = net.noise.integers(-127, 128, (8, 4, 3, 3)).astype(np.int8)
    scales = tuple(np.linspace(0.01, 0.02, 8))
    weights = net.graph.constant(w, "w", QuantParams.per_axis(scales, 0))
    y = net.add(Conv2d(pads=(1, 1, 1, 1)), x, weights, quant=QuantParams.per_tensor(0.5, -3))
    y = net.add(Concat(1), y, y)
    flat = net.add(Reshape((1, 480)), y)
    dense = net.noise.integers(-127, 128, (3, 480)).astype(np.int8)
    matrix = net.graph.constant(dense, "m", QuantParams.per_axis((0.01, 0.02, 0.03), 0))
    outcome = to_nhwc(
        net.returns(net.add(Dense(), flat, matrix, quant=QuantParams.per_tensor(4.0, 1)))
    )
    assert outcome.ops == ["transpose", "conv2d", "concat", "reshape", "dense"]
    stored = next(iter(outcome.after.nodes_of(Conv2d))).input(1)
    assert stored.type.shape == (8, 3, 3, 4)
    assert stored.type.quantisation.axis == 0


def test_graphs_of_shapes_only():
    net = Network(*MAP)
    weights = net.graph.constant_of(Constant.abstract(), f32(8, 4, 3, 3), "w")
    matrix = net.graph.constant_of(Constant.abstract(), f32(3, 96), "m")
    y = net.add(Conv2d(), net.x, weights)
    y = net.add(Dense(), net.add(Reshape((1, 96)), y), matrix)
    outcome = transform(net.returns(y), PASS, same_function=False)
    assert next(iter(outcome.after.nodes_of(Conv2d))).input(1).type == f32(8, 3, 3, 4)
