"""Fitting prices to measured latencies.

Latency is a sum of kernels and a kernel's cost is linear in its features, so the fit is linear with
prices that cannot be negative (NNLS; Lawson and Hanson 1974). It minimises *relative* errors, and
is pulled towards the family's roofline by a ridge penalty: measurements decide what they can, the
roofline what they cannot (a set of networks of one resolution cannot tell what grows with it from
what does not). What the features do not explain of kernels that many rows share becomes a
*correction* of each such kernel, shrunk towards none.

How hard to pull and to shrink is chosen by cross-validation on the training rows, by the rule of
one standard error (Hastie, Tibshirani and Friedman 2009, section 7.10): the strongest whose error
is not distinguishable from the best.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from fpc.costmodel.features import Matrix
from fpc.costmodel.response import Response
from fpc.diagnostics.errors import CostModelError

Split: TypeAlias = tuple[NDArray[Any], NDArray[Any]]
"""Indices of training and of test rows."""

StrengthT = TypeVar("StrengthT", int, float)

PULLS = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
SHRINKAGES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, math.inf)
FOLDS = 5
_LEAST_ROWS = 5


@dataclass(frozen=True)
class Measured:
    """Networks as counts of their distinct kernels, with measured latencies.

    `counts` [networks, kernels], `amounts` [kernels, features], `latency_ms` [networks].
    """

    counts: Matrix
    amounts: Matrix
    latency_ms: Matrix

    @property
    def features(self) -> Matrix:
        """[networks, features]."""
        return self.counts @ self.amounts

    def __getitem__(self, rows: NDArray[Any]) -> Measured:
        """Some of the networks, by index or mask."""
        return Measured(self.counts[rows], self.amounts, self.latency_ms[rows])

    def __len__(self) -> int:
        return len(self.latency_ms)


@dataclass(frozen=True)
class Fit:
    """Prices, corrections, and what is needed to say how far they can be trusted.

    `information` is the inverse of the penalised normal matrix of the relative rows, in units of
    the prices: x' information x is the leverage of a network with relative features x.
    """

    prices: Matrix
    corrections_ms: Matrix
    """[kernels]: what each costs beyond its features' prices; never less than minus those."""
    pull: float
    shrinkage: float
    information: Matrix
    relative_errors: Matrix
    """Out-of-fold, one a training row: predicted / measured - 1."""
    feature_errors: Matrix
    """The same by features alone, without corrections."""
    leverages: Matrix
    """Out-of-fold, one a training row."""
    response: Response | None = None
    """Where the latency is another function of what the kernels cost than their sum."""

    def latency_ms(self, networks: Measured) -> Matrix:
        """What the fit predicts for `networks` made of the same kernels."""
        return networks.counts @ (networks.amounts @ self.prices + self.corrections_ms)


def fit(measured: Measured, roofline: Matrix, *, corrects: bool = True) -> Fit:
    """Prices for measured networks and, where the fit `corrects`, corrections of their kernels.

    Networks that share few kernels have nothing to correct.
    `CostModelError` for too few rows and for rows that are not positive and finite.
    """
    check(measured)
    splits = tuple(folds(len(measured), seed=0))
    pull = one_standard_error(
        {pull: _out_of_fold(measured, roofline, pull, math.inf, splits)[0] for pull in PULLS}
    )
    shrinkage = one_standard_error(
        {
            shrinkage: _out_of_fold(measured, roofline, pull, shrinkage, splits)[0]
            for shrinkage in (SHRINKAGES if corrects else SHRINKAGES[-1:])
        }
    )
    prices, information = solve(measured.features, measured.latency_ms, roofline, pull)
    errors, leverages = _out_of_fold(measured, roofline, pull, shrinkage, splits)
    corrections = correct(measured, prices, shrinkage)
    by_features, _ = _out_of_fold(measured, roofline, pull, math.inf, splits)
    return Fit(prices, corrections, pull, shrinkage, information, errors, by_features, leverages)


def solve(
    features: Matrix, latency_ms: Matrix, roofline: Matrix, pull: float
) -> tuple[Matrix, Matrix]:
    """Prices that minimise squared relative errors plus `pull` times the distance to the roofline.

    The roofline is scaled to the rows first; the distance is in units of each feature's root mean
    square contribution. The second result is the `information` of `Fit`.
    """
    rows = features / latency_ms[:, None]
    a, b, scale = penalised(rows, np.ones(len(rows)), roofline, pull)
    information = np.linalg.inv(a.T @ a) / np.outer(scale, scale)
    return _nnls(a, b) / scale, information


def penalised(
    rows: Matrix, targets: Matrix, roofline: Matrix, pull: float
) -> tuple[Matrix, Matrix, Matrix]:
    """The least squares problem of `solve`: relative rows and targets, those of the penalty below.

    Columns are divided by the third result, and so are the prices that solve it multiplied.
    """
    at_roofline = rows @ roofline
    level = (at_roofline @ targets) / (at_roofline @ at_roofline)
    size = np.sqrt((rows**2).mean(axis=0))
    # A feature that no row has keeps its roofline price.
    scale = np.where(size > 0.0, size, 1.0)
    weight = np.sqrt(pull * len(rows))
    a = np.concatenate([rows / scale, weight * np.eye(len(scale))])
    b = np.concatenate([targets, weight * scale * level * roofline])
    return a, b, scale


def leverage(rows: Matrix, information: Matrix) -> Matrix:
    """How far relative feature rows [n, features] lie from those that prices were fitted on."""
    return np.einsum("ij,jk,ik->i", rows, information, rows)


def folds(count: int, seed: int, parts: int = FOLDS) -> Iterator[Split]:
    """Training and test indices of a seeded cross-validation."""
    order = np.random.default_rng(seed).permutation(count)
    for part in range(parts):
        test = order[part::parts]
        yield np.setdiff1d(order, test), test


def correct(measured: Measured, prices: Matrix, shrinkage: float) -> Matrix:
    """Corrections [kernels] in ms: what kernels cost by their counts, less what by their features.

    A ridge regression of relative errors in which no kernel's total may be negative. A correction
    is penalised in units of what the kernel's features cost, and a tenth of what kernels cost in
    the mean, since features may have found nothing in it.
    """
    by_features = measured.amounts @ prices
    if math.isinf(shrinkage):
        return np.zeros(len(by_features))
    counted = measured.counts.any(axis=0) & measured.amounts.any(axis=1)
    unit = by_features[counted] + 0.1 * by_features[counted].mean()
    rows = measured.counts[:, counted] * unit / measured.latency_ms[:, None]
    penalty = shrinkage * len(measured)
    normal = rows.T @ rows + penalty * np.eye(len(unit))
    right = rows.sum(axis=0) + penalty * by_features[counted] / unit
    totals = nonnegative(normal, right) * unit
    corrections = np.zeros(len(by_features))
    corrections[counted] = totals - by_features[counted]
    return corrections


def nonnegative(normal: Matrix, right: Matrix) -> Matrix:
    """The x >= 0 that solves normal equations best, as NNLS of the rows they come from would."""
    lower = np.asarray(np.linalg.cholesky(normal), np.float64)
    return _nnls(lower.T, np.asarray(np.linalg.solve(lower, right), np.float64))


def _nnls(a: Matrix, b: Matrix) -> Matrix:
    """The x >= 0 that minimises |a x - b|."""
    from scipy.optimize import nnls  # pyright: ignore[reportUnknownVariableType]

    return np.asarray(nnls(a, b, maxiter=100 * a.shape[1])[0], np.float64)


def _out_of_fold(
    measured: Measured,
    roofline: Matrix,
    pull: float,
    shrinkage: float,
    splits: Sequence[Split],
) -> tuple[Matrix, Matrix]:
    features, latency_ms = measured.features, measured.latency_ms
    errors, leverages = np.empty(len(measured)), np.empty(len(measured))
    for train, test in splits:
        prices, information = solve(features[train], latency_ms[train], roofline, pull)
        corrections = correct(measured[train], prices, shrinkage)
        predicted = features[test] @ prices + measured.counts[test] @ corrections
        errors[test] = predicted / latency_ms[test] - 1.0
        leverages[test] = leverage(features[test] / predicted[:, None], information)
    return errors, leverages


def one_standard_error(errors: Mapping[StrengthT, Matrix]) -> StrengthT:
    """The greatest strength whose mean absolute error is within one standard error of the best."""
    means = {strength: float(np.abs(error).mean()) for strength, error in errors.items()}
    best = min(means, key=lambda strength: means[strength])
    of_best = np.abs(errors[best])
    bound = means[best] + float(of_best.std()) / math.sqrt(len(of_best))
    return max(strength for strength, mean in means.items() if mean <= bound)


def check(measured: Measured) -> None:
    """`CostModelError` for too few rows and for rows that are not positive and finite."""
    latency_ms = measured.latency_ms
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
    if not np.isfinite(measured.amounts).all():
        raise CostModelError("feature-range", "a kernel's features are not finite")
