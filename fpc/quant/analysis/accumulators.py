"""How great sums of products become, and the parts in which 32 bits hold them.

For integers x of [low, high] around zero, no sum of x_k w_k over any of the terms is greater than
high P - low N, or less than low P - high N, where P is the sum of the positive weights and N that
of the magnitudes of the others: plain arithmetic. After a ReLU `low` is 0, and the greatest of
P and N counts instead of their sum, which is worth a bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Value
from fpc.ir.signs import is_non_negative

_VECTOR = 16


class Span(NamedTuple):
    """The least and the greatest integer of a symmetric quantisation, zero between them."""

    low: int
    high: int


def span_of(value: Value, dtype: DType) -> Span:
    """What the integers of `value` can be, in a symmetric quantisation of `dtype`.

    `value` may be one of a float graph that is still to be quantised.
    """
    return Span(0 if is_non_negative(value) else dtype.minimum, dtype.maximum)


class Extremes(NamedTuple):
    """The least and the greatest sum of each unit."""

    least: NDArray[np.float64]
    greatest: NDArray[np.float64]


def extreme_sums(weights: Array, span: Span) -> Extremes:
    """Between what sums of products with weights [units, terms] lie."""
    positive = np.maximum(weights, 0).sum(axis=1, dtype=np.float64)
    negative = -np.minimum(weights, 0).sum(axis=1, dtype=np.float64)
    return Extremes(
        span.low * positive - span.high * negative, span.high * positive - span.low * negative
    )


def greatest_sums(weights: Array, span: Span) -> NDArray[np.float64]:
    """The greatest magnitude of any sum of products with weights [units, terms], by unit."""
    least, greatest = extreme_sums(weights, span)
    return np.maximum(greatest, -least)


def greatest_sums_of_parts(weights: Array, span: Span, width: int) -> NDArray[np.float64]:
    """The same where sums of weights [units, channels, taps] are taken in parts.

    A part takes all taps of `width` neighbouring channels.
    """
    starts = range(0, weights.shape[1], width)
    pieces = (weights[:, start : start + width] for start in starts)
    return np.max(
        [greatest_sums(piece.reshape(len(weights), -1), span) for piece in pieces], axis=0
    )


def part_width(channels: int, taps: int, products: int) -> int:
    """The channels of equal parts that sum at most so many products each, where two channels do.

    Parts of pairs of channels, those rounded up to whole vectors, suit every instruction set.
    """
    pairs = -(-channels // _VECTOR) * _VECTOR // 2
    widths = (2 * pairs // parts for parts in range(1, pairs + 1) if pairs % parts == 0)
    return next((width for width in widths if width * taps <= products), 2)
