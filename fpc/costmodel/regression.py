"""Fitting prices to measured latencies.

Latency is a sum of kernels and a kernel's cost is linear in its features, so the fit is linear with
prices that cannot be negative (NNLS; Lawson and Hanson 1974). It minimises *relative* errors, and
is pulled towards the family's roofline by a ridge penalty: measurements decide what they can, the
roofline what they cannot (a set of networks of one resolution cannot tell what grows with it from
what does not). How hard to pull is chosen by cross-validation on the training rows, by the rule of
one standard error (Hastie, Tibshirani and Friedman 2009, section 7.10): the strongest pull whose
error is not distinguishable from the best.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpc.costmodel.features import Matrix
from fpc.diagnostics.errors import CostModelError

PULLS = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
FOLDS = 5
_LEAST_ROWS = 5


@dataclass(frozen=True)
class Fit:
    """Prices, and what is needed to say how far they can be trusted.

    `information` is the inverse of the penalised normal matrix of the relative rows, in units of
    the prices: x' information x is the leverage of a network with relative features x.
    """

    prices: Matrix
    pull: float
    information: Matrix
    relative_errors: Matrix
    """Out-of-fold, one a training row: predicted / measured - 1."""
    leverages: Matrix
    """Out-of-fold, one a training row."""


def fit(features: Matrix, latency_ms: Matrix, roofline: Matrix) -> Fit:
    """Prices for rows of `features` [rows, features] with measured `latency_ms` [rows].

    `CostModelError` for too few rows and for rows that are not positive and finite.
    """
    _check(features, latency_ms)
    errors = {pull: _out_of_fold(features, latency_ms, roofline, pull)[0] for pull in PULLS}
    pull = _one_standard_error(errors)
    prices, information = solve(features, latency_ms, roofline, pull)
    relative, leverages = _out_of_fold(features, latency_ms, roofline, pull)
    return Fit(prices, pull, information, relative, leverages)


def solve(
    features: Matrix, latency_ms: Matrix, roofline: Matrix, pull: float
) -> tuple[Matrix, Matrix]:
    """Prices that minimise squared relative errors plus `pull` times the distance to the roofline.

    The roofline is scaled to the rows first; the distance is in units of each feature's root mean
    square contribution. The second result is the `information` of `Fit`.
    """
    from scipy.optimize import nnls  # pyright: ignore[reportUnknownVariableType]

    rows = features / latency_ms[:, None]
    at_roofline = rows @ roofline
    level = at_roofline.sum() / (at_roofline @ at_roofline)
    size = np.sqrt((rows**2).mean(axis=0))
    # A feature that no row has keeps its roofline price.
    scale = np.where(size > 0.0, size, 1.0)
    weight = np.sqrt(pull * len(rows))
    a = np.concatenate([rows / scale, weight * np.eye(len(scale))])
    b = np.concatenate([np.ones(len(rows)), weight * scale * level * roofline])
    scaled: Matrix = np.asarray(nnls(a, b, maxiter=100 * len(scale))[0], np.float64)
    information = np.linalg.inv(a.T @ a) / np.outer(scale, scale)
    return scaled / scale, information


def leverage(rows: Matrix, information: Matrix) -> Matrix:
    """How far relative feature rows [n, features] lie from those that prices were fitted on."""
    return np.einsum("ij,jk,ik->i", rows, information, rows)


def folds(count: int, seed: int, parts: int = FOLDS) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Training and test indices of a seeded cross-validation."""
    order = np.random.default_rng(seed).permutation(count)
    for part in range(parts):
        test = order[part::parts]
        yield np.setdiff1d(order, test), test


def _out_of_fold(
    features: Matrix, latency_ms: Matrix, roofline: Matrix, pull: float
) -> tuple[Matrix, Matrix]:
    errors, leverages = np.empty(len(latency_ms)), np.empty(len(latency_ms))
    for train, test in folds(len(latency_ms), seed=0):
        prices, information = solve(features[train], latency_ms[train], roofline, pull)
        predicted = features[test] @ prices
        errors[test] = predicted / latency_ms[test] - 1.0
        leverages[test] = leverage(features[test] / predicted[:, None], information)
    return errors, leverages


def _one_standard_error(errors: dict[float, Matrix]) -> float:
    means = {pull: float(np.abs(error).mean()) for pull, error in errors.items()}
    best = min(means, key=lambda pull: means[pull])
    of_best = np.abs(errors[best])
    bound = means[best] + float(of_best.std()) / np.sqrt(len(of_best))
    return max(pull for pull, mean in means.items() if mean <= bound)


def _check(features: Matrix, latency_ms: Matrix) -> None:
    if len(latency_ms) < _LEAST_ROWS:
        raise CostModelError(
            "too-few-rows",
            f"{len(latency_ms)} measurements are too few to fit a cost model",
            help=f"measure at least {_LEAST_ROWS} networks, better 40: "
            "they should differ in width, depth and resolution",
        )
    if not (np.isfinite(latency_ms).all() and latency_ms.min() > 0.0):
        raise CostModelError(
            "latency-range",
            "a measured latency is not positive and finite",
            help="remove the row, or measure it again",
        )
    if not np.isfinite(features).all():
        raise CostModelError("feature-range", "a network's features are not finite")
