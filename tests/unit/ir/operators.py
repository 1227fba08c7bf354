"""For every operator: operands it takes with the types they give, and operands it refuses."""

from __future__ import annotations

from dataclasses import dataclass

from fpc.ir.dtype import DType
from fpc.ir.op import Activation, Layout, Op
from fpc.ir.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Cast,
    Clip,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Coordinates,
    Dense,
    DepthOrder,
    DepthToSpace,
    Dequantize,
    Div,
    Function,
    Gelu,
    GlobalAvgPool,
    HardSigmoid,
    HardSwish,
    Interpolation,
    LeakyRelu,
    LocalResponseNorm,
    MatMul,
    Maximum,
    MaxPool,
    Minimum,
    Mul,
    NearestRounding,
    Pad,
    PadMode,
    PRelu,
    Quantize,
    ReduceMean,
    Relu,
    Relu6,
    Requantize,
    Reshape,
    Resize,
    Sigmoid,
    Silu,
    Slice,
    Softmax,
    Split,
    Sub,
    Tanh,
    Transpose,
    Unary,
)
from fpc.ir.types import QuantParams, TensorType, f32

Q = QuantParams.per_tensor(0.5, 3)


def i8(*shape: int) -> TensorType:
    return TensorType(DType.I8, shape, Q)


def raw(dtype: DType, *shape: int) -> TensorType:
    return TensorType(dtype, shape)


@dataclass(frozen=True)
class Example:
    """An operator on operands of these types gives results of these types."""

    op: Op
    operands: tuple[TensorType, ...]
    results: tuple[TensorType, ...]


@dataclass(frozen=True)
class Misfit:
    """An operator refuses operands of these types, saying this."""

    op: Op
    operands: tuple[TensorType, ...]
    message: str


MAP = f32(1, 4, 8, 6)
NHWC = f32(1, 8, 6, 4)


def same(op: Op, *operands: TensorType) -> Example:
    return Example(op, operands, operands[:1])


EXAMPLES = (
    Example(Conv2d(), (MAP, f32(5, 4, 1, 1)), (f32(1, 5, 8, 6),)),
    Example(Conv2d(pads=(1, 1, 1, 1)), (MAP, f32(5, 4, 3, 3), f32(5)), (f32(1, 5, 8, 6),)),
    Example(
        Conv2d((2, 1), (0, 1, 1, 0), (1, 2), groups=4, activation=Activation.RELU6),
        (MAP, f32(8, 1, 3, 2), f32(8)),
        (f32(1, 8, 4, 5),),
    ),
    Example(
        Conv2d(strides=(2, 2), layout=Layout.NHWC), (NHWC, f32(5, 3, 3, 4)), (f32(1, 3, 2, 5),)
    ),
    Example(
        Conv2d(),
        (i8(1, 4, 2, 2), raw(DType.I8, 5, 4, 1, 1), raw(DType.I32, 5)),
        (raw(DType.I8, 1, 5, 2, 2),),
    ),
    Example(
        Conv2d(),
        (raw(DType.I16, 1, 4, 2, 2), raw(DType.I8, 5, 4, 1, 1), raw(DType.I64, 5)),
        (raw(DType.I16, 1, 5, 2, 2),),
    ),
    Example(ConvTranspose2d(), (MAP, f32(5, 4, 2, 2)), (f32(1, 5, 9, 7),)),
    Example(
        ConvTranspose2d((2, 3), (1, 0, 0, 1), (1, 0), (1, 2), groups=2),
        (MAP, f32(6, 2, 3, 2), f32(6)),
        (f32(1, 6, 17, 17),),
    ),
    Example(
        ConvTranspose2d((2, 2), layout=Layout.NHWC), (NHWC, f32(5, 2, 2, 4)), (f32(1, 16, 12, 5),)
    ),
    Example(Dense(), (f32(2, 3, 7), f32(5, 7), f32(5)), (f32(2, 3, 5),)),
    Example(Dense(Activation.RELU), (f32(7), f32(5, 7)), (f32(5),)),
    Example(MatMul(), (f32(3, 4), f32(4, 5)), (f32(3, 5),)),
    Example(MatMul(), (f32(6, 1, 3, 4), f32(2, 4, 5)), (f32(6, 2, 3, 5),)),
    Example(BatchNorm(), (MAP, f32(4), f32(4), f32(4), f32(4)), (MAP,)),
    Example(BatchNorm(1e-3, 3), (NHWC, f32(4), f32(4), f32(4), f32(4)), (NHWC,)),
    same(LocalResponseNorm(3, 2e-4, 0.5, 2.0, Layout.NHWC), NHWC),
    Example(MaxPool((2, 2), (2, 2)), (MAP,), (f32(1, 4, 4, 3),)),
    Example(
        MaxPool((3, 2), (2, 1), (1, 0, 0, 1), (1, 2), Layout.NHWC), (NHWC,), (f32(1, 4, 5, 4),)
    ),
    Example(MaxPool((2, 2)), (i8(1, 4, 8, 6),), (i8(1, 4, 7, 5),)),
    Example(
        AvgPool((3, 3), (2, 2), (1, 1, 1, 1), count_include_pad=True), (MAP,), (f32(1, 4, 4, 3),)
    ),
    Example(AvgPool((8, 6)), (i8(1, 4, 8, 6),), (i8(1, 4, 1, 1),)),
    Example(GlobalAvgPool(), (MAP,), (f32(1, 4, 1, 1),)),
    Example(GlobalAvgPool(Layout.NHWC), (NHWC,), (f32(1, 1, 1, 4),)),
    Example(ReduceMean((1, 3)), (MAP,), (f32(1, 1, 8, 1),)),
    Example(ReduceMean((2, 3), keep_dims=False), (MAP,), (f32(1, 4),)),
    same(Relu(), MAP),
    same(Relu6(), f32()),
    same(Clip(-1.0, None), MAP),
    same(Clip(), MAP),
    same(LeakyRelu(0.2), MAP),
    same(PRelu(), MAP, f32(4, 1, 1)),
    same(Sigmoid(), MAP),
    same(HardSigmoid(0.2, 0.5), MAP),
    same(Silu(), MAP),
    same(HardSwish(), MAP),
    same(Tanh(), MAP),
    same(Gelu(approximate=True), MAP),
    same(Unary(Function.ERF), MAP),
    same(Softmax(3), MAP),
    Example(Add(Activation.RELU_N1_TO_1), (MAP, f32(4, 1, 6)), (MAP,)),
    Example(Sub(), (f32(), MAP), (MAP,)),
    Example(Mul(), (f32(3, 1), f32(1, 5)), (f32(3, 5),)),
    Example(Div(Activation.RELU), (MAP, MAP), (MAP,)),
    Example(Maximum(), (i8(1, 3), i8(2, 1)), (i8(2, 3),)),
    Example(Minimum(), (MAP, f32()), (MAP,)),
    Example(Concat(1), (MAP, f32(1, 2, 8, 6), MAP), (f32(1, 10, 8, 6),)),
    Example(Concat(0), (i8(3),), (i8(3),)),
    Example(Split(1, (1, 3)), (MAP,), (f32(1, 1, 8, 6), f32(1, 3, 8, 6))),
    Example(Slice((0, 1, 0, 5), (1, 4, 8, 6), (1, 2, 3, 1)), (i8(1, 4, 8, 6),), (i8(1, 2, 3, 1),)),
    Example(Slice((2,), (2,), (1,)), (f32(4),), (f32(0),)),
    Example(Pad((0, 1), (2, 0), -1.5, PadMode.EDGE), (f32(3, 3),), (f32(5, 4),)),
    Example(Reshape((4, 48)), (MAP,), (f32(4, 48),)),
    Example(Reshape(()), (i8(1, 1),), (i8(),)),
    Example(Transpose((0, 2, 3, 1)), (MAP,), (f32(1, 8, 6, 4),)),
    Example(
        Resize((16, 3), Interpolation.BILINEAR, Coordinates.ALIGN_CORNERS, NearestRounding.CEIL),
        (MAP,),
        (f32(1, 4, 16, 3),),
    ),
    Example(Resize((2, 2), layout=Layout.NHWC), (NHWC,), (f32(1, 2, 2, 4),)),
    Example(DepthToSpace(2), (MAP,), (f32(1, 1, 16, 12),)),
    Example(DepthToSpace(2, DepthOrder.CRD, Layout.NHWC), (NHWC,), (f32(1, 16, 12, 1),)),
    Example(Cast(DType.I64), (MAP,), (raw(DType.I64, 1, 4, 8, 6),)),
    Example(Quantize(DType.U8), (MAP,), (raw(DType.U8, 1, 4, 8, 6),)),
    Example(Dequantize(), (i8(2),), (f32(2),)),
    Example(Requantize(DType.I16), (i8(2),), (raw(DType.I16, 2),)),
)

MISFITS = (
    Misfit(Conv2d(pads=(0, 0, -1, 0)), (MAP, f32(5, 4, 1, 1)), "pads [0, 0, -1, 0] must not be"),
    Misfit(Conv2d(), (f32(4, 8, 6), f32(5, 4, 1, 1)), "expected a 4-D feature map"),
    Misfit(Conv2d(), (MAP, f32(5, 4, 1)), "expected a 4-D feature map"),
    Misfit(Conv2d(), (MAP, f32(5, 3, 1, 1)), "4 input channels in 1 groups do not fit"),
    Misfit(Conv2d(groups=2), (MAP, f32(5, 2, 1, 1)), "4 input channels in 2 groups do not fit"),
    Misfit(Conv2d(groups=0), (f32(1, 0, 8, 6), f32(5, 2, 1, 1)), "groups"),
    Misfit(Conv2d(), (MAP, raw(DType.I8, 5, 4, 1, 1)), "weights of type i8 with activations of"),
    Misfit(Conv2d(), (i8(1, 4, 2, 2), f32(5, 4, 1, 1)), "weights of type f32"),
    Misfit(Conv2d(), (MAP, f32(5, 4, 1, 1), f32(4)), "bias of shape [4], expected [5]"),
    Misfit(
        Conv2d(),
        (i8(1, 4, 2, 2), raw(DType.I8, 5, 4, 1, 1), f32(5)),
        "bias of type f32, expected i32",
    ),
    Misfit(Conv2d(), (MAP, f32(5, 4, 9, 1)), "a window of 9 does not fit into a padded height"),
    Misfit(Conv2d(dilations=(1, 3)), (MAP, f32(5, 4, 1, 3)), "a window of 7 does not fit"),
    Misfit(Conv2d(strides=(0, 1)), (MAP, f32(5, 4, 1, 1)), "strides and dilations"),
    Misfit(Conv2d(), (MAP, f32(5, 4, 0, 1)), "window"),
    Misfit(ConvTranspose2d(), (MAP, f32(5, 3, 1, 1)), "do not fit filters"),
    Misfit(ConvTranspose2d(groups=0), (f32(1, 0, 8, 6), f32(5, 2, 1, 1)), "groups"),
    Misfit(ConvTranspose2d(), (MAP, raw(DType.I8, 5, 4, 1, 1)), "weights of type i8"),
    Misfit(ConvTranspose2d(), (MAP, f32(5, 4, 1, 1), f32(4)), "bias of shape [4]"),
    Misfit(ConvTranspose2d(pads=(9, 0, 0, 0)), (MAP, f32(5, 4, 1, 1)), "the result would be -1"),
    Misfit(ConvTranspose2d(strides=(0, 1)), (MAP, f32(5, 4, 3, 3)), "strides and dilations"),
    Misfit(Dense(), (f32(7), f32(5, 7, 1)), "dense takes weights [units, features]"),
    Misfit(Dense(), (f32(), f32(5, 7)), "dense takes weights [units, features]"),
    Misfit(Dense(), (f32(6), f32(5, 7)), "6 features do not fit weights [5, 7]"),
    Misfit(Dense(), (f32(7), raw(DType.I8, 5, 7)), "weights of type i8"),
    Misfit(Dense(), (f32(7), f32(5, 7), f32(1)), "bias of shape [1], expected [5]"),
    Misfit(MatMul(), (f32(4), f32(4, 5)), "rank 2 and more"),
    Misfit(MatMul(), (f32(3, 4), raw(DType.I8, 4, 5)), "operands of types f32 and i8"),
    Misfit(MatMul(), (f32(3, 4), f32(3, 5)), "f32[3,4] and f32[3,5] do not fit"),
    Misfit(MatMul(), (f32(2, 3, 4), f32(3, 4, 5)), "do not fit"),
    Misfit(BatchNorm(axis=4), (MAP, *(f32(4),) * 4), "axis 4 outside"),
    Misfit(BatchNorm(), (MAP, f32(4), f32(4), f32(4), f32(1)), "parameters of shape [1]"),
    Misfit(LocalResponseNorm(), (f32(4, 8),), "expected a 4-D feature map"),
    Misfit(LocalResponseNorm(size=0), (MAP,), "size must be at least 1"),
    Misfit(MaxPool((9, 1)), (MAP,), "a window of 9 does not fit into a padded height of 8"),
    Misfit(MaxPool((0, 1)), (MAP,), "window"),
    Misfit(MaxPool((2, 2), (1, 0)), (MAP,), "strides and dilations"),
    Misfit(AvgPool((1, 7)), (MAP,), "a window of 7 does not fit into a padded width of 6"),
    Misfit(AvgPool((2, 2)), (f32(4, 8),), "expected a 4-D feature map"),
    Misfit(GlobalAvgPool(), (f32(4, 8),), "expected a 4-D feature map"),
    Misfit(ReduceMean((4,)), (MAP,), "axes [4] are not sorted axes"),
    Misfit(ReduceMean((2, 1)), (MAP,), "axes [2, 1] are not sorted axes"),
    Misfit(ReduceMean((1, 1)), (MAP,), "axes [1, 1] are not sorted axes"),
    Misfit(PRelu(), (MAP, f32(4)), "shapes [1, 4, 8, 6] and [4] do not fit"),
    Misfit(PRelu(), (f32(4), f32(1, 4)), "a slope of shape [1, 4] does not broadcast"),
    Misfit(Softmax(-1), (MAP,), "axis -1 outside"),
    Misfit(Add(), (f32(3), f32(4)), "shapes [3] and [4] do not fit"),
    Misfit(Add(), (f32(3), i8(3)), "operands of types f32 and i8"),
    Misfit(Sub(), (f32(2, 3), f32(3, 3)), "shapes [2, 3] and [3, 3] do not fit"),
    Misfit(Mul(), (f32(3), raw(DType.I64, 3)), "operands of types f32 and i64"),
    Misfit(Div(), (f32(0), f32(2)), "shapes [0] and [2] do not fit"),
    Misfit(Maximum(), (f32(3), i8(3)), "operands of types f32 and i8"),
    Misfit(Minimum(), (f32(3), f32(2)), "shapes [3] and [2] do not fit"),
    Misfit(Concat(4), (MAP,), "axis 4 outside"),
    Misfit(Concat(1), (MAP, f32(1, 4, 8, 7)), "cannot join"),
    Misfit(Concat(1), (MAP, f32(1, 4, 8)), "cannot join"),
    Misfit(Concat(0), (f32(3), i8(3)), "cannot join"),
    Misfit(Split(4, (1,)), (MAP,), "axis 4 outside"),
    Misfit(Split(1, (1, 2)), (MAP,), "sizes [1, 2] do not add up to 4"),
    Misfit(Split(1, (5, -1)), (MAP,), "sizes"),
    Misfit(Slice((0,), (1,), (1,)), (MAP,), "slice bounds need one entry an axis"),
    Misfit(Slice((0,), (5,), (1,)), (f32(4),), "slice 0:5:1 is not inside an extent of 4"),
    Misfit(Slice((3,), (2,), (1,)), (f32(4),), "slice 3:2:1"),
    Misfit(Slice((0,), (2,), (0,)), (f32(4),), "slice 0:2:0"),
    Misfit(Pad((0,), (0,)), (MAP,), "pads need one entry an axis"),
    Misfit(Pad((-1,), (0,)), (f32(4),), "pads must not be negative"),
    Misfit(Pad((4,), (0,), mode=PadMode.REFLECT), (f32(4),), "reflect"),
    Misfit(Pad((1,), (0,), mode=PadMode.EDGE), (f32(0),), "edge"),
    Misfit(Reshape((4, 47)), (MAP,), "has 192 elements, shape [4, 47] has 188"),
    Misfit(Reshape((-4, -48)), (MAP,), "negative"),
    Misfit(Transpose((0, 1, 2)), (MAP,), "[0, 1, 2] is not a permutation"),
    Misfit(Transpose((0, 1, 2, 2)), (MAP,), "is not a permutation"),
    Misfit(Resize((0, 4)), (MAP,), "size [0, 4] must be positive"),
    Misfit(Resize((4, 4)), (f32(4, 8),), "expected a 4-D feature map"),
    Misfit(DepthToSpace(3), (MAP,), "4 channels cannot be cut into 3 x 3 blocks"),
    Misfit(DepthToSpace(0), (MAP,), "block"),
    Misfit(Quantize(), (i8(2),), "quantize takes floats, not i8"),
    Misfit(Quantize(DType.F16), (MAP,), "quantize gives integers, not f16"),
    Misfit(Dequantize(), (raw(DType.I8, 2),), "dequantize takes quantised integers"),
    Misfit(Requantize(), (raw(DType.I8, 2),), "requantize takes quantised integers"),
    Misfit(Requantize(DType.BOOL), (i8(2),), "requantize gives integers, not bool"),
)
