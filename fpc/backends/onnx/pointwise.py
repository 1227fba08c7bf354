"""ONNX forms of activations and arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import TypeAlias

from fpc.backends.onnx.lowering import Lowering, LoweringRule, rule
from fpc.ir.op import Op
from fpc.ir.ops import (
    Add,
    BatchNorm,
    Clip,
    Div,
    Function,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Maximum,
    Minimum,
    Mul,
    PRelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Softmax,
    Sub,
    Tanh,
    Unary,
)

_Arithmetic: TypeAlias = Add | Sub | Mul | Div

_GELU_SINCE = 20
_HARD_SWISH_SINCE = 14
_FUNCTIONS = MappingProxyType(
    {
        Function.EXP: "Exp",
        Function.LOG: "Log",
        Function.SQRT: "Sqrt",
        Function.ABS: "Abs",
        Function.NEG: "Neg",
        Function.ERF: "Erf",
        Function.FLOOR: "Floor",
    }
)


def relu6(lowering: Lowering[Relu6]) -> str:
    """Clip to [0, 6]."""
    return lowering.clipped(lowering.operand(0), 0.0, 6.0, lowering.node.input(0))


def clip(lowering: Lowering[Clip]) -> str:
    """Clip."""
    op = lowering.op
    return lowering.clipped(lowering.operand(0), op.minimum, op.maximum, lowering.node.input(0))


def leaky_relu(lowering: Lowering[LeakyRelu]) -> str:
    """LeakyRelu."""
    return lowering.add("LeakyRelu", lowering.operand(0), alpha=lowering.op.alpha)


def hard_sigmoid(lowering: Lowering[HardSigmoid]) -> str:
    """HardSigmoid."""
    op = lowering.op
    return lowering.add("HardSigmoid", lowering.operand(0), alpha=op.alpha, beta=op.beta)


def silu(lowering: Lowering[Silu]) -> str:
    """x * Sigmoid(x): the form that every runtime fuses."""
    x = lowering.operand(0)
    return lowering.add("Mul", x, lowering.add("Sigmoid", x))


def hard_swish(lowering: Lowering[HardSwish]) -> str:
    """HardSwish, or x * HardSigmoid(x) before opset 14."""
    x = lowering.operand(0)
    if lowering.opset >= _HARD_SWISH_SINCE:
        return lowering.add("HardSwish", x)
    gate = lowering.add("HardSigmoid", x, alpha=1.0 / 6.0, beta=0.5)
    return lowering.add("Mul", x, gate)


def gelu(lowering: Lowering[Gelu]) -> str:
    """Gelu, or its definition before opset 20 (Hendrycks and Gimpel, 2016)."""
    x = lowering.operand(0)
    if lowering.opset >= _GELU_SINCE:
        mode = "tanh" if lowering.op.approximate else "none"
        return lowering.add("Gelu", x, approximate=mode)
    if lowering.op.approximate:
        cube = lowering.add("Mul", lowering.add("Mul", x, x), x)
        bent = lowering.add("Mul", cube, lowering.real_scalar(0.044715, "cubic"))
        scale = lowering.real_scalar(math.sqrt(2.0 / math.pi), "scale")
        squashed = lowering.add("Tanh", lowering.add("Mul", lowering.add("Add", x, bent), scale))
    else:
        root = lowering.real_scalar(math.sqrt(2.0), "root")
        squashed = lowering.add("Erf", lowering.add("Div", x, root))
    raised = lowering.add("Add", squashed, lowering.real_scalar(1.0, "one"))
    return lowering.add("Mul", lowering.add("Mul", x, raised), lowering.real_scalar(0.5, "half"))


def unary(lowering: Lowering[Unary]) -> str:
    """The elementary function of the same name."""
    return lowering.add(_FUNCTIONS[lowering.op.function], lowering.operand(0))


def softmax(lowering: Lowering[Softmax]) -> str:
    """Softmax along one axis."""
    return lowering.add("Softmax", lowering.operand(0), axis=lowering.op.axis)


def batch_norm(lowering: Lowering[BatchNorm]) -> str:
    """BatchNormalization, whose channels are axis 1."""
    op, rank = lowering.op, lowering.node.input(0).type.rank
    parameters = [lowering.operand(index) for index in range(1, 5)]
    if op.axis == 1:
        return lowering.add(
            "BatchNormalization", lowering.operand(0), *parameters, epsilon=op.epsilon
        )
    swapped = list(range(rank))
    swapped.insert(1, swapped.pop(op.axis))
    back = [swapped.index(axis) for axis in range(rank)]
    x = lowering.add("Transpose", lowering.operand(0), perm=swapped)
    normal = lowering.add("BatchNormalization", x, *parameters, epsilon=op.epsilon)
    return lowering.add("Transpose", normal, perm=back)


def _arithmetic(op_type: str) -> Callable[[Lowering[_Arithmetic]], str]:
    def lower(lowering: Lowering[_Arithmetic]) -> str:
        result = lowering.add(op_type, *lowering.operands())
        return lowering.activated(result, lowering.op.activation)

    return lower


def _same(op_type: str) -> Callable[[Lowering[Op]], str]:
    def lower(lowering: Lowering[Op]) -> str:
        return lowering.add(op_type, *lowering.operands())

    return lower


RULES: MappingProxyType[type[Op], LoweringRule] = MappingProxyType(
    dict(
        (
            rule(Relu, _same("Relu")),
            rule(Relu6, relu6),
            rule(Clip, clip),
            rule(LeakyRelu, leaky_relu),
            rule(PRelu, _same("PRelu")),
            rule(Sigmoid, _same("Sigmoid")),
            rule(HardSigmoid, hard_sigmoid),
            rule(Silu, silu),
            rule(HardSwish, hard_swish),
            rule(Tanh, _same("Tanh")),
            rule(Gelu, gelu),
            rule(Unary, unary),
            rule(Softmax, softmax),
            rule(BatchNorm, batch_norm),
            rule(Add, _arithmetic("Add")),
            rule(Sub, _arithmetic("Sub")),
            rule(Mul, _arithmetic("Mul")),
            rule(Div, _arithmetic("Div")),
            rule(Maximum, _same("Max")),
            rule(Minimum, _same("Min")),
        )
    )
)
