"""Quantised graphs of one op, in 8 and in 16 bits, with the TFLite operators they become."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fpc.ir import ops
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Activation, Layout, Op
from fpc.ir.ops import Coordinates, DepthOrder, Interpolation, NearestRounding, PadMode
from fpc.ir.types import QuantParams, TensorType
from tests.backends.tflite.graphs import Shape, quantised_graph

NHWC = Layout.NHWC
MAP: Shape = (1, 9, 11, 8)
EVEN: Shape = (1, 8, 8, 8)


@dataclass(frozen=True)
class Precision:
    """8-bit activations with any zero point, or 16-bit ones around zero."""

    dtype: DType

    @property
    def is_16_bit(self) -> bool:
        return self.dtype is DType.I16

    def quant(self, scale: float, zero_point: int) -> QuantParams:
        if self.is_16_bit:
            return QuantParams.per_tensor(scale / 256, 0)
        return QuantParams.per_tensor(scale, zero_point)

    def type(self, shape: Shape, scale: float = 0.03, zero_point: int = -5) -> TensorType:
        return TensorType(self.dtype, shape, self.quant(scale, zero_point))

    def fixed(self, scale: float, zero_point: int) -> QuantParams:
        """The result of a function with a bounded range."""
        if self.is_16_bit:
            return QuantParams.per_tensor(1 / 32768, 0)
        return QuantParams.per_tensor(scale, zero_point)


@dataclass(frozen=True)
class Case:
    graph: Graph
    codes: str


def cases(dtype: DType) -> Mapping[str, Case]:
    """Every quantised form that LiteRT runs in the precision of `dtype`, by name."""
    p = Precision(dtype)
    x, same = p.type(MAP), p.quant(0.03, -5)
    even = p.type(EVEN)
    found: dict[str, Case] = {}

    def add(name: str, codes: str, op: Op, *operands: object, result: QuantParams) -> None:
        found[name] = Case(quantised_graph(op, operands, result), codes)

    def move(name: str, codes: str, op: Op, operand: TensorType = x) -> None:
        add(name, codes, op, operand, result=operand.quantisation)

    wide = p.quant(0.06, 3)
    for name, codes, operand, filters, attributes in _CONVOLUTIONS:
        w, b = _weights(p, filters, operand)
        add(name, codes, ops.Conv2d(**attributes, layout=NHWC), p.type(operand), w, b, result=wide)
    for name, codes, operand, filters, attributes in _DECONVOLUTIONS:
        w, b = _weights(p, filters, operand)
        op = ops.ConvTranspose2d(**attributes, layout=NHWC)
        add(name, codes, op, p.type(operand), w, b, result=wide)
    w, b = _weights(p, (5, 8), MAP)
    flat, one_scale = p.type((3, 8)), _per_tensor_weights((5, 8))
    add("dense", "FULLY_CONNECTED", ops.Dense(), flat, w, b, result=wide)
    add("dense per tensor", "FULLY_CONNECTED", ops.Dense(), flat, one_scale, None, result=wide)
    add("dense rank 3", "FULLY_CONNECTED", ops.Dense(), p.type((2, 3, 8)), w, b, result=wide)
    relu = ops.Dense(Activation.RELU)
    add("dense relu", "FULLY_CONNECTED", relu, flat, w, None, result=p.quant(0.06, -128))
    left, right = p.type((2, 3, 4)), p.type((2, 4, 5), 0.02, 7)
    add("matmul", "BATCH_MATMUL", ops.MatMul(), left, right, result=wide)

    move("max pool", "MAX_POOL_2D", ops.MaxPool((2, 2), (2, 2), layout=NHWC))
    padded = {"kernel": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1), "layout": NHWC}
    move("max pool same", "MAX_POOL_2D", ops.MaxPool(**padded))
    move("max pool padded", "PADV2 MAX_POOL_2D", ops.MaxPool(**padded), even)
    if not p.is_16_bit:
        after_relu = p.type(EVEN, 0.03, -128)
        move("max pool after relu", "PAD MAX_POOL_2D", ops.MaxPool(**padded), after_relu)
    move("avg pool", "AVERAGE_POOL_2D", ops.AvgPool((3, 2), (2, 2), layout=NHWC))
    move("avg pool same", "AVERAGE_POOL_2D", ops.AvgPool((3, 3), pads=(1, 1, 1, 1), layout=NHWC))
    counting = ops.AvgPool(**padded, count_include_pad=True)
    move("avg pool counting padding", "PAD AVERAGE_POOL_2D", counting, even)
    add("global avg pool", "MEAN", ops.GlobalAvgPool(NHWC), x, result=p.quant(0.01, 4))
    add("reduce mean", "MEAN", ops.ReduceMean((3,)), x, result=p.quant(0.02, 4))

    add("relu", "RELU", ops.Relu(), x, result=p.quant(0.02, -128))
    add("relu6", "RELU6", ops.Relu6(), x, result=p.quant(6 / 255, -128))
    add("clip", "MAXIMUM MINIMUM", ops.Clip(-0.5, 1.5), x, result=same)
    add("clip rescaled", "MAXIMUM QUANTIZE", ops.Clip(-0.5), x, result=p.quant(0.02, 9))
    add("leaky relu", "LEAKY_RELU", ops.LeakyRelu(0.1), x, result=p.quant(0.03, -60))
    add("sigmoid", "LOGISTIC", ops.Sigmoid(), x, result=p.fixed(1 / 256, -128))
    add("tanh", "TANH", ops.Tanh(), x, result=p.fixed(1 / 128, 0))
    scores = p.type((3, 10), 0.1)
    add("softmax", "SOFTMAX", ops.Softmax(1), scores, result=p.fixed(1 / 256, -128))
    if not p.is_16_bit:
        slope = (_integers((1, 1, 8)), QuantParams.per_tensor(0.002))
        add("prelu", "PRELU", ops.PRelu(), x, slope, result=p.quant(0.03, -60))
        add("hard swish", "HARD_SWISH", ops.HardSwish(), x, result=p.quant(0.02, -110))
        add("gelu", "GELU", ops.Gelu(), x, result=p.quant(0.02, -110))
        add("gelu tanh", "GELU", ops.Gelu(approximate=True), x, result=p.quant(0.02, -110))
        add("clip -1 1", "RELU_N1_TO_1", ops.Clip(-1.0, 1.0), x, result=p.quant(1 / 128, 0))

    other = p.type(MAP, 0.05, 7)
    gate = p.type((1, 1, 1, 8), 1 / 256, -128)
    for code, op_class in (("ADD", ops.Add), ("SUB", ops.Sub), ("MUL", ops.Mul)):
        add(code.lower(), code, op_class(), x, other, result=p.quant(0.07, -3))
        relu_result = p.quant(0.04, -128)
        add(f"{code.lower()} relu", code, op_class(Activation.RELU), x, other, result=relu_result)
    add("mul gate", "MUL", ops.Mul(), x, gate, result=same)
    constant = (_integers((8,), dtype), p.quant(0.02, 3))
    add("add constant", "ADD", ops.Add(), x, constant, result=same)
    add("maximum", "MAXIMUM", ops.Maximum(), x, x, result=same)
    add("minimum", "MINIMUM", ops.Minimum(), x, p.type((1, 1, 1, 8)), result=same)

    add("concat", "CONCATENATION", ops.Concat(3), x, x, result=same)
    move("split", "STRIDED_SLICE STRIDED_SLICE", ops.Split(3, (2, 6)))
    move("slice", "STRIDED_SLICE", ops.Slice((0, 1, 2, 0), (1, 9, 10, 6), (1, 1, 1, 1)))
    thinned = "STRIDED_SLICE RESHAPE STRIDED_SLICE RESHAPE STRIDED_SLICE RESHAPE"
    move("slice strided", thinned, ops.Slice((0, 1, 2, 0), MAP, (1, 2, 3, 1)))
    move("pad", "PAD", ops.Pad((0, 1, 2, 0), (0, 0, 3, 0)))
    move("pad value", "PADV2", ops.Pad((0, 1, 2, 0), (0, 0, 3, 0), 0.5))
    mirrored = ops.Pad((0, 1, 2, 0), (0, 0, 3, 0), mode=PadMode.REFLECT)
    move("pad reflect", "MIRROR_PAD", mirrored)
    move("pad edge", "MIRROR_PAD", ops.Pad((0, 1, 1, 0), (0, 0, 1, 0), mode=PadMode.EDGE))
    move("reshape", "RESHAPE", ops.Reshape((11, 72)))
    move("transpose", "TRANSPOSE", ops.Transpose((0, 3, 1, 2)))
    doubled = (18, 22)
    bilinear = {"interpolation": Interpolation.BILINEAR, "layout": NHWC}
    for kind in Coordinates:
        op = ops.Resize(doubled, coordinates=kind, **bilinear)
        move(f"bilinear {kind.value}", "RESIZE_BILINEAR", op)
    floor = ops.Resize(doubled, coordinates=Coordinates.ASYMMETRIC, layout=NHWC)
    copied = "CONCATENATION RESHAPE CONCATENATION RESHAPE"
    move("nearest doubled", copied, floor)
    odd = ops.Resize((13, 14), coordinates=Coordinates.ASYMMETRIC, layout=NHWC)
    move("nearest", "RESIZE_NEAREST_NEIGHBOR", odd)
    ceil = {"coordinates": Coordinates.ASYMMETRIC, "rounding": NearestRounding.CEIL}
    move("nearest gathered", "GATHER GATHER", ops.Resize((13, 14), **ceil, layout=NHWC))
    crd = ops.DepthToSpace(2, DepthOrder.CRD, NHWC)
    if p.is_16_bit:
        blocks = "RESHAPE TRANSPOSE RESHAPE"
        move("depth to space", blocks, ops.DepthToSpace(2, layout=NHWC))
        move("depth to space crd", f"{blocks} {blocks}", crd)
    else:
        move("depth to space", "DEPTH_TO_SPACE", ops.DepthToSpace(2, layout=NHWC))
        move("depth to space crd", "RESHAPE TRANSPOSE RESHAPE DEPTH_TO_SPACE", crd)

    add("requantize", "QUANTIZE", ops.Requantize(dtype), x, result=p.quant(0.041, 9))
    add("quantize", "QUANTIZE", ops.Quantize(dtype), TensorType(DType.F32, MAP), result=same)
    found["dequantize"] = Case(_dequantize(x), "DEQUANTIZE")
    if not p.is_16_bit:
        byte = QuantParams.per_tensor(0.03, 123)
        add("to uint8", "QUANTIZE", ops.Requantize(DType.U8), x, result=byte)
        add(
            "from uint8", "QUANTIZE", ops.Requantize(), TensorType(DType.U8, MAP, byte), result=same
        )
        wider = QuantParams.per_tensor(0.03 / 256)
        add("to int16", "QUANTIZE", ops.Requantize(DType.I16), x, result=wider)
        narrow = TensorType(DType.I16, MAP, wider)
        add("from int16", "QUANTIZE", ops.Requantize(), narrow, result=same)
    return found


_SAME = {"pads": (1, 1, 1, 1)}
_HALF = {"strides": (2, 2), "pads": (1, 1, 1, 1)}
_CONVOLUTIONS = (
    ("conv", "CONV_2D", MAP, (16, 3, 3, 8), _SAME),
    ("conv pointwise", "CONV_2D", MAP, (16, 1, 1, 8), {"activation": Activation.RELU6}),
    ("conv strided", "CONV_2D", MAP, (16, 3, 3, 8), _HALF),
    ("conv padded", "PAD CONV_2D", EVEN, (16, 3, 3, 8), _HALF),
    ("conv dilated", "CONV_2D", MAP, (16, 3, 3, 8), {"dilations": (2, 2)}),
    ("conv grouped", "CONV_2D", MAP, (16, 3, 3, 4), {"groups": 2}),
    ("depthwise", "DEPTHWISE_CONV_2D", MAP, (8, 3, 3, 1), {"groups": 8, **_SAME}),
    ("depthwise 7x7", "DEPTHWISE_CONV_2D", MAP, (8, 7, 7, 1), {"groups": 8, "pads": (3, 3, 3, 3)}),
    ("depthwise padded", "PAD DEPTHWISE_CONV_2D", EVEN, (8, 3, 3, 1), {"groups": 8, **_HALF}),
    ("depthwise multiplier", "DEPTHWISE_CONV_2D", MAP, (16, 3, 3, 1), {"groups": 8}),
    (
        "depthwise dilated",
        "DEPTHWISE_CONV_2D",
        MAP,
        (8, 3, 3, 1),
        {"groups": 8, "dilations": (2, 2)},
    ),
)
_DECONVOLUTIONS = (
    ("deconv", "TRANSPOSE_CONV", MAP, (4, 2, 2, 8), {"strides": (2, 2)}),
    ("deconv same", "TRANSPOSE_CONV", MAP, (4, 4, 4, 8), _HALF),
    (
        "deconv cropped",
        "TRANSPOSE_CONV STRIDED_SLICE",
        MAP,
        (4, 3, 3, 8),
        {**_HALF, "output_pads": (1, 1), "activation": Activation.RELU},
    ),
    (
        "deconv grouped",
        "RESHAPE PAD RESHAPE PAD RESHAPE PAD CONV_2D",
        MAP,
        (4, 2, 2, 4),
        {"strides": (2, 2), "groups": 2},
    ),
)


def _integers(shape: Shape, dtype: DType = DType.I8) -> Array:
    rng = np.random.default_rng(sum(shape))
    return rng.integers(-127, 127, shape, dtype.numpy, endpoint=True)


def _per_tensor_weights(shape: Shape) -> tuple[Array, QuantParams]:
    return _integers(shape), QuantParams.per_tensor(0.003)


def _weights(
    p: Precision, filters: Shape, operand: Shape
) -> tuple[tuple[Array, QuantParams], tuple[Array, QuantParams]]:
    """Filters with a scale each, and biases with the scales that follow."""
    rng = np.random.default_rng(filters[0])
    fan_in = int(np.prod(filters[1:]))
    scales = 0.03 / np.sqrt(fan_in) * np.exp(0.4 * rng.standard_normal(filters[0]))
    quant = QuantParams.per_axis(tuple(scales.tolist()), 0)
    x_scale = p.type(operand).quantisation.scale
    bias_quant = QuantParams.per_axis(tuple(s * x_scale for s in quant.scales), 0)
    dtype = np.int64 if p.is_16_bit else np.int32
    bias = np.rint(rng.uniform(-1, 1, filters[0]) / np.array(bias_quant.scales)).astype(dtype)
    return (_integers(filters), quant), (bias, bias_quant)


def _dequantize(type: TensorType) -> Graph:
    graph = Graph("test")
    node = graph.add(ops.Dequantize(), graph.add_input("x", type), name="y")
    graph.set_outputs(node.outputs)
    return graph
