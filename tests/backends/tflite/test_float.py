"""Float lowerings: LiteRT, with XNNPACK and without, computes what the IR means."""

from dataclasses import dataclass

import numpy as np
import pytest

from fpc.backends.tflite.emitter import emit, lower
from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.op import Activation, Layout, Op
from fpc.ir.ops import Coordinates, Function, Interpolation, NearestRounding, PadMode
from fpc.measure.litert.model import Kernels, LiteRtModel
from tests.backends.tflite.graphs import Shape, float_graph, random_inputs, weights

NHWC = Layout.NHWC
RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Case:
    op: Op
    operands: tuple[Shape | np.ndarray | None, ...]
    codes: str
    positive: bool = False
    tolerance: float = 2e-5

    @property
    def graph(self) -> Graph:
        return float_graph(self.op, *self.operands)


def conv(codes: str, shape: Shape, filters: Shape, *, bias: bool = True, **attributes) -> Case:
    b = weights(RNG, filters[0]) if bias else None
    op = ops.Conv2d(**attributes, layout=NHWC)
    return Case(op, (shape, weights(RNG, *filters), b), codes)


def deconv(codes: str, shape: Shape, filters: Shape, *, bias: bool = True, **attributes) -> Case:
    b = weights(RNG, filters[0]) if bias else None
    op = ops.ConvTranspose2d(**attributes, layout=NHWC)
    return Case(op, (shape, weights(RNG, *filters), b), codes)


def nearest(codes: str, size: tuple[int, int], kind: Coordinates, how: NearestRounding) -> Case:
    op = ops.Resize(size, Interpolation.NEAREST, kind, how, NHWC)
    return Case(op, ((1, 5, 7, 3),), codes)


def bilinear(size: tuple[int, int], kind: Coordinates) -> Case:
    op = ops.Resize(size, Interpolation.BILINEAR, kind, layout=NHWC)
    return Case(op, ((1, 5, 7, 3),), "RESIZE_BILINEAR")


MAP: Shape = (1, 9, 11, 6)
PER_CHANNEL = RNG.uniform(0.1, 2.0, (1, 1, 6)).astype(np.float32)
STATISTICS = tuple(RNG.uniform(0.5, 1.5, (4, 6)).astype(np.float32))

SUBSAMPLED = "RESHAPE STRIDED_SLICE RESHAPE STRIDED_SLICE RESHAPE"
COPIED = "CONCATENATION RESHAPE CONCATENATION RESHAPE"
THINNED = f"STRIDED_SLICE {SUBSAMPLED}"

CASES = {
    "conv computed weights": Case(ops.Conv2d(layout=NHWC), (MAP, (4, 3, 3, 6), (4,)), "CONV_2D"),
    "conv same": conv("CONV_2D", MAP, (8, 3, 3, 6), pads=(1, 1, 1, 1)),
    "conv valid": conv("CONV_2D", MAP, (8, 3, 3, 6), bias=False),
    "conv pointwise": conv("CONV_2D", MAP, (8, 1, 1, 6), activation=Activation.RELU6),
    "conv 5x3": conv("CONV_2D", MAP, (8, 5, 3, 6), pads=(2, 1, 2, 1), activation=Activation.RELU),
    "conv strided same": conv("CONV_2D", MAP, (8, 3, 3, 6), strides=(2, 2), pads=(1, 1, 1, 1)),
    "conv pytorch padding": conv(
        "PAD CONV_2D", (1, 8, 8, 6), (8, 3, 3, 6), strides=(2, 2), pads=(1, 1, 1, 1)
    ),
    "conv unread padding": conv(
        "CONV_2D", (1, 8, 8, 6), (8, 3, 3, 6), strides=(2, 2), pads=(0, 0, 1, 1)
    ),
    "conv asymmetric": conv("PAD CONV_2D", MAP, (8, 3, 3, 6), pads=(2, 0, 1, 3)),
    "conv wide padding": conv("PAD CONV_2D", MAP, (8, 3, 3, 6), pads=(3, 3, 3, 3)),
    "conv dilated": conv("CONV_2D", MAP, (8, 3, 3, 6), dilations=(2, 2), pads=(2, 2, 2, 2)),
    "conv grouped": conv("CONV_2D", MAP, (8, 3, 3, 3), groups=2, pads=(1, 1, 1, 1)),
    "depthwise": conv("DEPTHWISE_CONV_2D", MAP, (6, 3, 3, 1), groups=6, pads=(1, 1, 1, 1)),
    "depthwise multiplier": conv(
        "DEPTHWISE_CONV_2D", MAP, (18, 3, 3, 1), groups=6, pads=(1, 1, 1, 1)
    ),
    "depthwise dilated": conv("DEPTHWISE_CONV_2D", MAP, (6, 3, 3, 1), groups=6, dilations=(2, 3)),
    "depthwise 7x7 strided": conv(
        "PAD DEPTHWISE_CONV_2D",
        (1, 12, 12, 6),
        (6, 7, 7, 1),
        groups=6,
        strides=(2, 2),
        pads=(3, 3, 3, 3),
    ),
    "one channel": conv("CONV_2D", (1, 9, 9, 1), (4, 3, 3, 1), activation=Activation.RELU_N1_TO_1),
    "deconv valid": deconv("TRANSPOSE_CONV", MAP, (4, 2, 2, 6), strides=(2, 2)),
    "deconv same": deconv(
        "TRANSPOSE_CONV", MAP, (4, 4, 4, 6), strides=(2, 2), pads=(1, 1, 1, 1), bias=False
    ),
    "deconv cropped": deconv(
        "TRANSPOSE_CONV STRIDED_SLICE",
        MAP,
        (4, 3, 3, 6),
        strides=(2, 2),
        pads=(1, 1, 1, 1),
        output_pads=(1, 1),
        activation=Activation.RELU,
    ),
    "deconv uneven": deconv(
        "TRANSPOSE_CONV STRIDED_SLICE", MAP, (4, 5, 3, 6), strides=(3, 2), pads=(0, 2, 1, 0)
    ),
    "deconv extended": deconv(
        "TRANSPOSE_CONV", MAP, (4, 2, 2, 6), strides=(3, 3), output_pads=(2, 1)
    ),
    "deconv dilated": deconv("TRANSPOSE_CONV", MAP, (4, 3, 3, 6), dilations=(2, 1)),
    "deconv grouped": deconv(
        "RESHAPE PAD RESHAPE PAD RESHAPE PAD CONV_2D",
        MAP,
        (4, 2, 2, 3),
        strides=(2, 2),
        groups=2,
    ),
    "deconv depthwise": deconv(
        "RESHAPE PAD RESHAPE PAD RESHAPE PAD DEPTHWISE_CONV_2D",
        MAP,
        (6, 4, 4, 1),
        strides=(2, 2),
        pads=(1, 1, 1, 1),
        groups=6,
    ),
    "deconv depthwise cut short": deconv(
        "RESHAPE PAD RESHAPE PAD RESHAPE STRIDED_SLICE DEPTHWISE_CONV_2D",
        MAP,
        (12, 1, 1, 1),
        strides=(3, 3),
        groups=6,
    ),
    "dense": Case(
        ops.Dense(Activation.RELU), ((3, 6), weights(RNG, 5, 6), weights(RNG, 5)), "FULLY_CONNECTED"
    ),
    "dense rank 3": Case(
        ops.Dense(), ((2, 3, 6), weights(RNG, 5, 6), weights(RNG, 5)), "FULLY_CONNECTED"
    ),
    "dense rank 1": Case(ops.Dense(), ((6,), weights(RNG, 5, 6)), "FULLY_CONNECTED"),
    "matmul": Case(ops.MatMul(), ((2, 3, 4), (2, 4, 5)), "BATCH_MATMUL"),
    "matmul broadcast": Case(ops.MatMul(), ((2, 3, 3, 4), weights(RNG, 4, 5)), "BATCH_MATMUL"),
    "batch norm": Case(ops.BatchNorm(axis=3), (MAP, *STATISTICS), "MUL ADD"),
    "lrn": Case(
        ops.LocalResponseNorm(5, 0.3, 0.75, 1.5, NHWC), (MAP,), "LOCAL_RESPONSE_NORMALIZATION"
    ),
    "max pool": Case(ops.MaxPool((2, 2), (2, 2), layout=NHWC), (MAP,), "MAX_POOL_2D"),
    "max pool same": Case(
        ops.MaxPool((3, 3), (1, 1), (1, 1, 1, 1), layout=NHWC), (MAP,), "MAX_POOL_2D"
    ),
    "max pool padded": Case(
        ops.MaxPool((3, 3), (2, 2), (1, 1, 1, 1), layout=NHWC),
        ((1, 8, 8, 6),),
        "PADV2 MAX_POOL_2D",
    ),
    "max pool of single pixels": Case(
        ops.MaxPool((1, 1), (2, 2), layout=NHWC), ((1, 8, 8, 6),), SUBSAMPLED
    ),
    "avg pool of single pixels": Case(
        ops.AvgPool((1, 1), (2, 2), layout=NHWC), ((1, 8, 8, 6),), SUBSAMPLED
    ),
    "avg pool": Case(ops.AvgPool((3, 2), (2, 2), layout=NHWC), (MAP,), "AVERAGE_POOL_2D"),
    "avg pool same": Case(
        ops.AvgPool((3, 3), (1, 1), (1, 1, 1, 1), layout=NHWC), (MAP,), "AVERAGE_POOL_2D"
    ),
    "avg pool counting padding": Case(
        ops.AvgPool((3, 3), (1, 1), (1, 1, 1, 1), True, NHWC), (MAP,), "PAD AVERAGE_POOL_2D"
    ),
    "avg pool uneven": Case(
        ops.AvgPool((3, 3), (2, 2), (1, 1, 1, 1), layout=NHWC),
        ((1, 8, 8, 6),),
        "PAD AVERAGE_POOL_2D MUL",
    ),
    "global avg pool": Case(ops.GlobalAvgPool(NHWC), (MAP,), "MEAN"),
    "reduce mean": Case(ops.ReduceMean((1, 3), keep_dims=False), (MAP,), "MEAN"),
    "relu": Case(ops.Relu(), (MAP,), "RELU"),
    "relu6": Case(ops.Relu6(), (MAP,), "RELU6"),
    "clip 0 6": Case(ops.Clip(0.0, 6.0), (MAP,), "RELU6"),
    "clip -1 1": Case(ops.Clip(-1.0, 1.0), (MAP,), "RELU_N1_TO_1"),
    "clip": Case(ops.Clip(-0.5, 1.5), (MAP,), "MAXIMUM MINIMUM"),
    "clip above": Case(ops.Clip(maximum=1.5), (MAP,), "MINIMUM"),
    "clip nothing": Case(ops.Clip(), (MAP,), "RESHAPE"),
    "leaky relu": Case(ops.LeakyRelu(0.1), (MAP,), "LEAKY_RELU"),
    "prelu": Case(ops.PRelu(), (MAP, PER_CHANNEL), "PRELU"),
    "prelu computed": Case(ops.PRelu(), (MAP, (1, 1, 6)), "RESHAPE PRELU"),
    "sigmoid": Case(ops.Sigmoid(), (MAP,), "LOGISTIC"),
    "hard sigmoid": Case(ops.HardSigmoid(), (MAP,), "ADD MUL"),
    "hard sigmoid 0.2": Case(ops.HardSigmoid(0.2, 0.4), (MAP,), "MUL ADD MUL"),
    "silu": Case(ops.Silu(), (MAP,), "LOGISTIC MUL"),
    "hard swish": Case(ops.HardSwish(), (MAP,), "HARD_SWISH"),
    "tanh": Case(ops.Tanh(), (MAP,), "TANH"),
    "gelu": Case(ops.Gelu(), (MAP,), "GELU"),
    "gelu tanh": Case(ops.Gelu(approximate=True), (MAP,), "GELU"),
    "softmax": Case(ops.Softmax(1), ((3, 10),), "SOFTMAX"),
    "softmax rows": Case(ops.Softmax(1), (MAP,), "RESHAPE TRANSPOSE SOFTMAX TRANSPOSE RESHAPE"),
    "softmax rank 4": Case(ops.Softmax(3), (MAP,), "SOFTMAX"),
    "softmax rank 5": Case(
        ops.Softmax(4), ((1, 2, 3, 4, 5),), "RESHAPE TRANSPOSE SOFTMAX TRANSPOSE RESHAPE"
    ),
    "add": Case(ops.Add(Activation.RELU), (MAP, MAP), "ADD"),
    "add channels": Case(ops.Add(), (MAP, (1, 1, 1, 6)), "ADD"),
    "add constant": Case(ops.Add(Activation.RELU6), (MAP, PER_CHANNEL[0, 0]), "ADD"),
    "sub rank 6": Case(ops.Sub(), ((1, 2, 3, 2, 3, 4), (3, 1, 3, 1)), "SUB"),
    "add rank 5": Case(ops.Add(), ((1, 2, 3, 4, 5), (5,)), "ADD"),
    "sub": Case(ops.Sub(), (MAP, (1, 9, 11, 1)), "SUB"),
    "mul": Case(ops.Mul(), (MAP, (1, 1, 1, 6)), "MUL"),
    "div": Case(ops.Div(), (MAP, PER_CHANNEL), "DIV"),
    "maximum": Case(ops.Maximum(), (MAP, MAP), "MAXIMUM"),
    "minimum": Case(ops.Minimum(), (MAP, (6,)), "MINIMUM"),
    "concat": Case(ops.Concat(3), (MAP, (1, 9, 11, 2)), "CONCATENATION"),
    "split": Case(ops.Split(3, (1, 2, 3)), (MAP,), "STRIDED_SLICE STRIDED_SLICE STRIDED_SLICE"),
    "slice": Case(ops.Slice((0, 1, 2, 0), (1, 9, 10, 6), (1, 2, 3, 1)), (MAP,), THINNED),
    "slice one axis": Case(
        ops.Slice((0, 0), (4, 6), (1, 2)), ((4, 6),), "RESHAPE STRIDED_SLICE RESHAPE"
    ),
    "slice odd extent": Case(
        ops.Slice((0, 0), (4, 5), (1, 2)), ((4, 5),), "PAD RESHAPE STRIDED_SLICE RESHAPE"
    ),
    "pad": Case(ops.Pad((0, 1, 2, 0), (0, 0, 3, 1)), (MAP,), "PAD"),
    "pad value": Case(ops.Pad((0, 1, 2, 0), (0, 0, 3, 1), 0.5), (MAP,), "PADV2"),
    "pad reflect": Case(
        ops.Pad((0, 1, 2, 0), (0, 0, 3, 0), mode=PadMode.REFLECT), (MAP,), "MIRROR_PAD"
    ),
    "pad edge": Case(
        ops.Pad((0, 1, 2, 0), (0, 0, 3, 0), mode=PadMode.EDGE),
        (MAP,),
        "MIRROR_PAD MIRROR_PAD MIRROR_PAD",
    ),
    "reshape to a scalar": Case(ops.Reshape(()), ((1, 1),), "RESHAPE"),
    "reshape of a scalar": Case(ops.Reshape((1, 1)), ((),), "RESHAPE"),
    "mean to a scalar": Case(ops.ReduceMean((0, 1), keep_dims=False), ((3, 4),), "MEAN"),
    "reshape": Case(ops.Reshape((11, 54)), (MAP,), "RESHAPE"),
    "transpose": Case(ops.Transpose((0, 3, 1, 2)), (MAP,), "TRANSPOSE"),
    "transpose rank 6": Case(ops.Transpose((0, 2, 1, 5, 3, 4)), ((1, 2, 3, 2, 3, 4),), "TRANSPOSE"),
    "bilinear half pixel": bilinear((10, 14), Coordinates.HALF_PIXEL),
    "bilinear down": bilinear((3, 4), Coordinates.HALF_PIXEL),
    "bilinear corners": bilinear((9, 13), Coordinates.ALIGN_CORNERS),
    "bilinear asymmetric": bilinear((10, 21), Coordinates.ASYMMETRIC),
    "nearest doubled": nearest(COPIED, (10, 14), Coordinates.ASYMMETRIC, NearestRounding.FLOOR),
    "nearest tripled": nearest(
        "RESHAPE CONCATENATION RESHAPE", (15, 7), Coordinates.HALF_PIXEL, NearestRounding.HALF_UP
    ),
    "nearest many times": nearest(
        "RESIZE_NEAREST_NEIGHBOR", (30, 7), Coordinates.ASYMMETRIC, NearestRounding.FLOOR
    ),
    "nearest asymmetric": nearest(
        "RESIZE_NEAREST_NEIGHBOR", (9, 13), Coordinates.ASYMMETRIC, NearestRounding.FLOOR
    ),
    "nearest half pixel": nearest(
        "RESIZE_NEAREST_NEIGHBOR", (7, 15), Coordinates.HALF_PIXEL, NearestRounding.HALF_UP
    ),
    "nearest corners": nearest(
        "RESIZE_NEAREST_NEIGHBOR", (9, 10), Coordinates.ALIGN_CORNERS, NearestRounding.HALF_UP
    ),
    "nearest by another mode": nearest(
        "RESIZE_NEAREST_NEIGHBOR", (8, 15), Coordinates.HALF_PIXEL, NearestRounding.HALF_DOWN
    ),
    "nearest gathered": nearest(
        "GATHER GATHER", (8, 9), Coordinates.ASYMMETRIC, NearestRounding.CEIL
    ),
    "depth to space": Case(ops.DepthToSpace(2, layout=NHWC), ((1, 3, 4, 12),), "DEPTH_TO_SPACE"),
    "depth to space crd": Case(
        ops.DepthToSpace(2, ops.DepthOrder.CRD, NHWC),
        ((1, 3, 4, 12),),
        "RESHAPE TRANSPOSE RESHAPE DEPTH_TO_SPACE",
    ),
    **{
        f"{function.value}": Case(
            ops.Unary(function), (MAP,), function.name, function in (Function.LOG, Function.SQRT)
        )
        for function in Function
        if function is not Function.ERF
    },
}


# The reference kernel's window lacks its last channel (reference_ops.h): only the other is right.
WRONG_REFERENCE_KERNEL = {"lrn"}


@pytest.mark.parametrize("kernels", ["default", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_litert_computes_what_the_ir_means(name: str, kernels: Kernels) -> None:
    if kernels == "reference" and name in WRONG_REFERENCE_KERNEL:
        kernels = "no-delegate"
    case = CASES[name]
    graph = case.graph
    inputs = random_inputs(graph)
    if case.positive:
        inputs = [np.abs(array) + np.float32(0.1) for array in inputs]
    model = LiteRtModel(emit(graph), kernels=kernels)
    for ours, theirs in zip(run(graph, inputs), model(inputs), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=case.tolerance, atol=case.tolerance)


@pytest.mark.parametrize("name", CASES)
def test_the_operators_a_node_becomes(name: str) -> None:
    case = CASES[name]
    codes = [operator.code for operator in lower(case.graph).main.operators]
    assert " ".join(codes) == case.codes
