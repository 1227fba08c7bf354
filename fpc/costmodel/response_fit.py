"""Fitting prices together with a response.

Both in turns (Gauss-Newton): given the response, prices by the penalised regression of plain fits
on rows that are linear around the latest sums; given prices, the response's heights. Errors are
minimised in their absolute values (iteratively reweighted least squares): where the clock follows
the load, some networks have a latency that is nothing to learn from.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpc.costmodel.features import Matrix
from fpc.costmodel.regression import (
    PULLS,
    Fit,
    Measured,
    check,
    folds,
    leverage,
    nonnegative,
    one_standard_error,
    penalised,
    solve,
)
from fpc.costmodel.response import Response
from fpc.diagnostics.errors import CostModelError

_SEGMENTS = (2, 4, 8, 16)
_MIDDLING_PULL = 1e-4
_TURNS = 6
_REWEIGHTINGS = 3
_SMALL = 1e-2
"""Relative errors below this one weigh alike."""
_STIFFNESS = 1e-4
"""Pulls a segment's slope towards 1."""
_LEAST_SLOPE = 0.01
_LEAST_SEGMENT = 0.01
"""As a part of the range of sums."""

_Solve: TypeAlias = Callable[[Matrix, Matrix], Matrix]
"""Prices from relative rows [n, features] and their targets [n]."""


@dataclass(frozen=True)
class _Parts:
    """Networks as features [networks, features] of their paced and of their steady kernels."""

    paced: Matrix
    steady: Matrix
    latency_ms: Matrix

    def __getitem__(self, rows: NDArray[Any]) -> _Parts:
        return _Parts(self.paced[rows], self.steady[rows], self.latency_ms[rows])

    def predicted(self, prices: Matrix, response: Response) -> Matrix:
        return response(self.paced @ prices) + self.steady @ prices


def fit_response(measured: Measured, is_paced: NDArray[np.bool_], roofline: Matrix) -> Fit:
    """Prices and a response for measured networks; `is_paced` [kernels]. Errors as `fit`'s.

    The response's segments, and then how hard to pull towards the roofline, are chosen as for a
    plain fit: the fewest and the hardest that are not worse. There are no corrections.
    """
    check(measured)
    counts, amounts = measured.counts, measured.amounts
    parts = _Parts(
        counts[:, is_paced] @ amounts[is_paced],
        counts[:, ~is_paced] @ amounts[~is_paced],
        measured.latency_ms,
    )
    out_of_fold = partial(_out_of_fold, measured, parts, roofline)
    segments = -one_standard_error(
        {-segments: out_of_fold(_MIDDLING_PULL, segments)[0] for segments in _SEGMENTS}
    )
    pull = one_standard_error({pull: out_of_fold(pull, segments)[0] for pull in PULLS})
    prices, response = _respond(parts, partial(_solve, roofline, pull), segments)
    _, information = solve(measured.features, measured.latency_ms, roofline, pull)
    errors, leverages = out_of_fold(pull, segments)
    return Fit(
        prices,
        np.zeros(len(amounts)),
        pull,
        math.inf,
        information,
        errors,
        errors,
        leverages,
        response,
    )


def _out_of_fold(
    measured: Measured, parts: _Parts, roofline: Matrix, pull: float, segments: int
) -> tuple[Matrix, Matrix]:
    features, latency_ms = measured.features, measured.latency_ms
    errors, leverages = np.empty(len(measured)), np.empty(len(measured))
    for train, test in folds(len(measured), seed=0):
        prices, response = _respond(parts[train], partial(_solve, roofline, pull), segments)
        _, information = solve(features[train], latency_ms[train], roofline, pull)
        predicted = parts[test].predicted(prices, response)
        errors[test] = predicted / latency_ms[test] - 1.0
        leverages[test] = leverage(features[test] / predicted[:, None], information)
    return errors, leverages


def _solve(roofline: Matrix, pull: float, rows: Matrix, targets: Matrix) -> Matrix:
    a, b, scale = penalised(rows, targets, roofline, pull)
    return nonnegative(a.T @ a, a.T @ b) / scale


def _respond(networks: _Parts, solve: _Solve, segments: int) -> tuple[Matrix, Response]:
    """Prices and the response under which they explain the latencies of `networks`."""
    latency = networks.latency_ms
    # A start that already leaves most of the shortest network to the response.
    beyond = 1.0 - 0.8 * latency.min() / latency
    rows = (networks.paced + networks.steady) / latency[:, None]
    prices = _reweighted(rows, beyond, solve)
    for _ in range(_TURNS):
        response, scale = _response(networks, prices, segments)
        prices = scale * prices
        sums = networks.paced @ prices
        slopes = response.slope(sums)
        rows = (networks.paced * slopes[:, None] + networks.steady) / latency[:, None]
        targets = 1.0 - (response(sums) - slopes * sums) / latency
        prices = 0.5 * (prices + _reweighted(rows, targets, solve))
    return prices, _curve(networks, prices, segments)


def _response(networks: _Parts, prices: Matrix, segments: int) -> tuple[Response, float]:
    """The response that fits best, and the factor on prices that makes its upper half rise as 1."""
    curve = _curve(networks, prices, segments)
    half = len(curve.sums_ms) // 2
    x, y = curve.sums_ms, curve.latency_ms
    scale = max(_LEAST_SLOPE, (y[-1] - y[half]) / (x[-1] - x[half]))
    return Response(tuple(scale * sum_ms for sum_ms in x), y), scale


def _curve(networks: _Parts, prices: Matrix, segments: int) -> Response:
    latency, sums = networks.latency_ms, networks.paced @ prices
    knots = _knots(sums, segments)
    ramps = [np.clip(sums - low, 0.0, high - low) for low, high in itertools.pairwise(knots)]
    rows = np.stack([np.ones(len(sums)), *ramps], axis=1) / latency[:, None]
    targets = 1.0 - networks.steady @ prices / latency
    start, *slopes = _reweighted(rows, targets, _towards_one)
    heights = np.diff(knots) * np.array(slopes)
    return Response(tuple(knots), tuple(start + np.concatenate([[0.0], np.cumsum(heights)])))


def _knots(sums: Matrix, segments: int) -> Matrix:
    """Quantiles; of those that lie too close together for a slope to mean anything, the first."""
    first, *others = np.quantile(sums, np.linspace(0.0, 1.0, segments + 1))
    least = _LEAST_SEGMENT * (others[-1] - first)
    if not least > 1e-9 * others[-1]:
        raise CostModelError(
            "response-range",
            "the measured networks do not differ in what they convolve and add",
            help="measure networks of several depths and widths",
        )
    knots = [first]
    for knot in others[:-1]:
        if knot - knots[-1] > least and others[-1] - knot > least:
            knots.append(knot)
    return np.array([*knots, others[-1]])


def _towards_one(rows: Matrix, targets: Matrix) -> Matrix:
    weights = _STIFFNESS * (rows**2).sum(axis=0)
    weights[0] = 0.0
    normal = rows.T @ rows + np.diag(weights)
    return nonnegative(normal, rows.T @ targets + weights)


def _reweighted(rows: Matrix, targets: Matrix, solve: _Solve) -> Matrix:
    """What minimises the absolute errors of `rows` times it to `targets`."""
    weights = np.ones(len(targets))
    for _ in range(_REWEIGHTINGS):
        found = solve(rows * weights[:, None], targets * weights)
        weights = 1.0 / np.sqrt(np.maximum(_SMALL, np.abs(rows @ found - targets)))
        weights /= np.sqrt((weights**2).mean())
    return solve(rows * weights[:, None], targets * weights)
