"""Arithmetic spelt out in a graph, read back as algebra: products, and polynomials of one value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpc.ir.graph import Node, Value
from fpc.ir.op import Activation, Op, fused_activation
from fpc.ir.ops import Add, Div, Function, Mul, Sub, Unary
from fpc.passes.sharing import has_data
from fpc.rewrite.pattern import scalar_of

_DEPTH = 7
_DEGREE = 3


@dataclass(frozen=True, eq=False)
class Product:
    """coefficient * factors[0] * factors[1] * ...; the coefficient broadcasts to the result."""

    coefficient: NDArray[np.float64]
    factors: tuple[Value, ...]

    @property
    def scalar(self) -> float | None:
        """The coefficient where it is one number."""
        first = float(self.coefficient.flat[0])
        return first if np.all(self.coefficient == first) else None

    def times(self, other: Product) -> Product:
        """The product of both."""
        return Product(self.coefficient * other.coefficient, (*self.factors, *other.factors))


def product_of(value: Value, whole: Value | None = None, depth: int = _DEPTH) -> Product:
    """`value` as a product of constants and of values that are no products, or `whole`."""
    if has_data(value) and value.type.size > 0:
        return Product(value.data.astype(np.float64), ())
    node = value.producer
    if node is None or value is whole or depth == 0:
        return Product(np.ones(()), (value,))
    factors = _factors(node)
    if not factors:
        return Product(np.ones(()), (value,))
    product = product_of(factors[0], whole, depth - 1)
    match node.op:
        case Mul():
            return product.times(product_of(factors[1], whole, depth - 1))
        case Div():
            by = float(node.input(1).data.flat[0])
            return Product(product.coefficient / by, product.factors)
        case _:
            return Product(-product.coefficient, product.factors)


def partial_products(value: Value, depth: int = _DEPTH) -> tuple[Value, ...]:
    """What is multiplied to give `value`, products of products included, the largest first."""
    found: dict[Value, None] = {}
    factors = _factors(value.producer) if value.producer is not None and depth else ()
    for factor in factors:
        found[factor] = None
        found.update((inner, None) for inner in partial_products(factor, depth - 1))
    return tuple(found)


def _factors(node: Node[Op]) -> tuple[Value, ...]:
    if fused_activation(node.op) is not Activation.NONE:
        return ()
    match node.op:
        case Mul():
            return node.operands
        case Div() if scalar_of(node.input(1)):
            return node.operands[:1]
        case Unary(Function.NEG):
            return node.operands
        case _:
            return ()


Polynomial = tuple[float, ...]
"""Coefficients by ascending power."""


def polynomial_of(value: Value, x: Value, depth: int = _DEPTH) -> Polynomial | None:
    """`value` as a polynomial of `x` of degree up to 3, None if it is none.

    Sums, differences and products of `x` and numbers are followed, and divisions by a number.
    """
    if value is x:
        return (0.0, 1.0)
    if value.is_constant:
        number = scalar_of(value)
        return None if number is None else (number,)
    node = value.producer
    if node is None or depth == 0 or fused_activation(node.op) is not Activation.NONE:
        return None
    operands = [polynomial_of(operand, x, depth - 1) for operand in _arithmetic_operands(node)]
    present = [polynomial for polynomial in operands if polynomial is not None]
    if not present or len(present) != len(operands):
        return None
    return _combine(node.op, present)


def _arithmetic_operands(node: Node[Op]) -> tuple[Value, ...]:
    match node.op:
        case Add() | Sub() | Mul() | Div() | Unary(Function.NEG):
            return node.operands
        case _:
            return ()


def _combine(op: Op, operands: list[Polynomial]) -> Polynomial | None:
    first = operands[0]
    if isinstance(op, Unary):
        return _scaled(first, -1.0)
    second = operands[1]
    match op:
        case Add():
            return _sum(first, second)
        case Sub():
            return _sum(first, _scaled(second, -1.0))
        case Div():
            return _scaled(first, 1.0 / second[0]) if len(second) == 1 and second[0] else None
        case _:
            product = np.convolve(np.array(first), np.array(second))
            return tuple(map(float, product)) if len(product) <= _DEGREE + 1 else None


def _sum(a: Polynomial, b: Polynomial) -> Polynomial:
    length = max(len(a), len(b))
    padded = [p + (0.0,) * (length - len(p)) for p in (a, b)]
    return tuple(x + y for x, y in zip(*padded, strict=True))


def _scaled(a: Polynomial, factor: float) -> Polynomial:
    return tuple(factor * coefficient for coefficient in a)


def affine_root(value: Value, depth: int = _DEPTH) -> Value:
    """The value of which `value` is an affine function with numbers for coefficients."""
    node = value.producer
    if node is None or depth == 0 or fused_activation(node.op) is not Activation.NONE:
        return value
    unknown = [v for v in _arithmetic_operands(node) if scalar_of(v) is None]
    if len(unknown) != 1 or (isinstance(node.op, Div) and unknown[0] is not node.input(0)):
        return value
    return affine_root(unknown[0], depth - 1)


def nodes_between(root: Node[Op], x: Value) -> tuple[Node[Op], ...]:
    """The producers that `root` reads, directly or not, up to `x`."""
    found: dict[Node[Op], None] = {}
    pending = list(root.operands)
    while pending:
        value = pending.pop(0)
        producer = value.producer
        if value is x or producer is None or producer in found:
            continue
        found[producer] = None
        pending.extend(producer.operands)
    return tuple(found)
