"""recover-activations: activations that exporters spelt out become operators again.

Every form is read as algebra, so that the order of factors, and whether a number was multiplied,
divided or folded by another tool, does not matter:

- hard_sigmoid: clip(a x + b, 0, h) / h
- hard_swish: x * clip(x + 3, 0, 6) / 6 (Howard et al. 2019, section 5.2)
- silu: x * sigmoid(x)
- gelu: x * (1 + erf(x / sqrt(2))) / 2, or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) for erf
  (Hendrycks and Gimpel 2016)
- sigmoid: 1 / (1 + exp(-x))
- leaky_relu: max(x, a x); leaky_relu and prelu: relu(x) + a min(x, 0), with min(x, 0) also written
  as -relu(-x) or (x - |x|) / 2

Where a constant factor went elsewhere, the operator is followed by a product with what is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fpc.ir.constant import Array
from fpc.ir.graph import Node, Value
from fpc.ir.op import Activation, Op, fused_activation
from fpc.ir.ops import (
    Add,
    Clip,
    Div,
    Function,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Maximum,
    Mul,
    PRelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Sub,
    Tanh,
    Unary,
)
from fpc.passes.clamps import Clamp
from fpc.passes.expressions import (
    Product,
    affine_root,
    nodes_between,
    partial_products,
    polynomial_of,
    product_of,
)
from fpc.passes.sharing import is_plain_float
from fpc.rewrite.passes import Declined, Pass
from fpc.rewrite.pattern import Pattern, anything, const, match, op
from fpc.rewrite.rewriter import Rewriter

_TOLERANCE = 1e-5
_X = (0.0, 1.0)
_MINUS_X = (0.0, -1.0)
_TANH_POLYNOMIAL = (0.0, math.sqrt(2 / math.pi), 0.0, math.sqrt(2 / math.pi) * 0.044715)

_INNER = anything()


def _plus_one(curve: Pattern) -> Pattern:
    return op(Add, curve, const(1.0), activation=Activation.NONE)


_LOGISTIC = op(Div, const(1.0), _plus_one(op(Unary, _INNER, function=Function.EXP)))
_GELU_GATES = (
    (_plus_one(op(Unary, _INNER, function=Function.ERF)), (0.0, math.sqrt(0.5)), Gelu()),
    (_plus_one(op(Tanh, _INNER)), _TANH_POLYNOMIAL, Gelu(approximate=True)),
)
"""What x is multiplied by, the polynomial of x within it, and the activation that this gives."""
_MAGNITUDE = op(Unary, _INNER, function=Function.ABS)
_NEGATIVE_PARTS = (
    (op(Clip, _INNER, minimum=None, maximum=0.0), _X, 1.0),
    (op(Relu, _INNER), _MINUS_X, -1.0),
    (op(Sub, _INNER, _MAGNITUDE, activation=Activation.NONE), _X, 2.0),
)
"""Forms of f * min(x, 0), the polynomial of x within them, and f."""


@dataclass(frozen=True, eq=False)
class _Recovered:
    """`factor` * `op`(x, slope)."""

    op: Op
    x: Value
    factor: float = 1.0
    slope: Array | None = None


@dataclass(frozen=True)
class RecoverActivations(Pass):
    """Replaces spelt-out hard_sigmoid, hard_swish, silu, gelu, sigmoid, leaky_relu and prelu."""

    name: ClassVar[str] = "recover-activations"

    def apply(self, rewriter: Rewriter) -> tuple[Declined, ...]:
        """From the outputs to the inputs: the largest expression is recognised first.

        A second sweep sees the products whose gate the first has recovered.
        """
        before = -1
        while rewriter.edits != before:
            before = rewriter.edits
            for node in reversed(rewriter.graph.nodes):
                if not node.is_erased and is_plain_float(node):
                    found = _recover(node)
                    if found is not None:
                        _replace(node, found, rewriter)
        return ()


def _replace(node: Node[Op], found: _Recovered, rewriter: Rewriter) -> None:
    absorbing = nodes_between(node, found.x)
    inputs = [found.x]
    if found.slope is not None:
        inputs.append(rewriter.constant(found.slope, f"{node.output.name}.slope"))
    if found.factor == 1.0:
        rewriter.replace(node, found.op, *inputs, absorbing=absorbing)
        return
    location = node.location.merge(*(inner.location for inner in absorbing))
    name = found.op.mnemonic
    made = rewriter.insert(found.op, *inputs, before=node, name=name, location=location)
    factor = rewriter.constant(np.array(found.factor, found.x.type.dtype.numpy), f"{name}.factor")
    rewriter.replace(node, Mul(), made.output, factor, absorbing=absorbing)


def _recover(node: Node[Op]) -> _Recovered | None:
    if fused_activation(node.op) is not Activation.NONE:
        return None
    match node.op:
        case Mul() | Div():
            return _sigmoid(node) or _gated(node) or _hard_sigmoid(node)
        case Clip() | Relu6():
            return _hard_sigmoid(node)
        case Maximum():
            return _leaky_maximum(node)
        case Add() | Sub():
            return _two_slopes(node)
        case _:
            return None


def _gated(node: Node[Op]) -> _Recovered | None:
    """coefficient * x * gate(x)."""
    for x in partial_products(node.output):
        product = product_of(node.output, whole=x)
        coefficient = product.scalar
        gates = [factor for factor in product.factors if factor is not x]
        if coefficient is None or len(product.factors) != 2 or len(gates) != 1:
            continue
        found = _hard_swish(x, gates[0], coefficient) or _smooth_gate(x, gates[0], coefficient)
        if found is not None and x.type == node.output.type:
            return found
    return None


def _hard_swish(x: Value, gate: Value, coefficient: float) -> _Recovered | None:
    window = _window(gate, x)
    if window is None:
        return None
    slope, offset, height = window
    if not (_close(6 * slope, height) and _close(2 * offset, height)):
        return None
    return _Recovered(HardSwish(), x, _snap(coefficient * height))


def _window(gate: Value, x: Value) -> tuple[float, float, float] | None:
    """a, b and h when `gate` is clip(a x + b, 0, h)."""
    node = gate.producer
    if node is None:
        return None
    if isinstance(node.op, HardSigmoid):
        return (node.op.alpha, node.op.beta, 1.0) if node.input(0) is x else None
    clamp = Clamp.of_op(node.op)
    if clamp is None or clamp.low != 0.0 or clamp.high is None or clamp.high <= 0.0:
        return None
    line = polynomial_of(node.input(0), x)
    return (line[1], line[0], clamp.high) if line is not None and len(line) == 2 else None


def _smooth_gate(x: Value, gate: Value, coefficient: float) -> _Recovered | None:
    node = gate.producer
    if node is None:
        return None
    if isinstance(node.op, Sigmoid) and node.input(0) is x:
        return _Recovered(Silu(), x, _snap(coefficient))
    for shape, polynomial, gelu in _GELU_GATES:
        found = match(shape, gate)
        if found is not None:
            actual = polynomial_of(found[_INNER], x)
            fits = (
                actual is not None
                and len(actual) == len(polynomial)
                and all(map(_close, actual, polynomial))
            )
            return _Recovered(gelu, x, _snap(2 * coefficient)) if fits else None
    return None


def _hard_sigmoid(node: Node[Op]) -> _Recovered | None:
    """coefficient * clip(a x + b, 0, 1 / coefficient), b not 0."""
    product = product_of(node.output)
    coefficient = product.scalar
    if coefficient is None or len(product.factors) != 1:
        return None
    producer = product.factors[0].producer
    if producer is None or isinstance(producer.op, HardSigmoid):
        return None
    x = affine_root(producer.input(0)) if Clamp.of_op(producer.op) is not None else None
    window = None if x is None else _window(product.factors[0], x)
    if x is None or window is None or x.type != node.output.type:
        return None
    slope, offset, height = window
    if not _close(coefficient * height, 1.0) or offset == 0.0:
        return None
    return _Recovered(HardSigmoid(_snap(slope / height, 1 / 6), offset / height), x)


def _sigmoid(node: Node[Op]) -> _Recovered | None:
    found = match(_LOGISTIC, node.output)
    if found is None:
        return None
    x = affine_root(found[_INNER])
    is_negated = polynomial_of(found[_INNER], x) == _MINUS_X
    return _Recovered(Sigmoid(), x) if is_negated else None


def _leaky_maximum(node: Node[Op]) -> _Recovered | None:
    a, b = node.operands
    for x, scaled in ((a, b), (b, a)):
        line = polynomial_of(scaled, x)
        if x is not scaled and line is not None and len(line) == 2 and line[0] == 0.0:
            slope = line[1]
            return _Recovered(LeakyRelu(slope), x) if 0.0 < slope < 1.0 else None
    return None


def _two_slopes(node: Node[Op]) -> _Recovered | None:
    """relu(x) + a * min(x, 0)."""
    a, b = node.operands
    for positive, other in ((a, b), (b, a)):
        relu = positive.producer
        if relu is None or not isinstance(relu.op, Relu):
            continue
        if isinstance(node.op, Sub) and positive is b:
            continue
        x = relu.input(0)
        product = product_of(other)
        times = _negative_part(product, x)
        if times is None:
            continue
        slope = product.coefficient * (times if isinstance(node.op, Add) else -times)
        shape = np.broadcast_shapes(slope.shape, x.type.shape)
        if shape != x.type.shape or node.output.type != x.type:
            continue
        if np.all(slope == slope.flat[0]):
            return _Recovered(LeakyRelu(float(slope.flat[0])), x)
        return _Recovered(PRelu(), x, slope=slope.astype(x.type.dtype.numpy))
    return None


def _negative_part(product: Product, x: Value) -> float | None:
    """f when the one factor of `product` is f * min(x, 0), None when it is something else."""
    if len(product.factors) != 1:
        return None
    for shape, polynomial, factor in _NEGATIVE_PARTS:
        found = match(shape, product.factors[0])
        if found is not None:
            return factor if polynomial_of(found[_INNER], x) == polynomial else None
    return None


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _snap(number: float, to: float = 1.0) -> float:
    """`to` where `number` differs from it by no more than what float32 and rounded constants do."""
    return to if _close(number, to) else number
