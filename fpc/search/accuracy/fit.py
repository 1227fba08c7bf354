"""Fitting an accuracy regression to a table of measured networks.

A ridge regression of the index, -log(ceiling - top-1), on the columns of all stages. Its prior says
three things: coefficients are small, those of products without depth smaller, and those of the
same column in different stages alike. How much of each, and the ceiling, is what gives the least
error in points out of fold.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fpc.costmodel.metrics import goodness
from fpc.costmodel.model import CONFIDENCE
from fpc.costmodel.regression import folds
from fpc.diagnostics.errors import SearchError
from fpc.search.accuracy.design import (
    Attribute,
    Part,
    column_names,
    columns,
    is_shrunk_more,
    of_settings,
    rounded,
    standardising,
)
from fpc.search.accuracy.features import attributes
from fpc.search.accuracy.model import AccuracyModel, Prior, Provenance
from fpc.search.costs.tables import Matrix
from fpc.search.space.choices import StageChoices
from fpc.search.space.description import Space, Subnet

PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0)
SHRUNK_MORE = (1.0, 10.0, 100.0)
"""How much more products without depth are penalised."""
SHARING = (0.0, 1.0, 3.0)
"""The variance that stages share in a coefficient, by that which is a stage's own."""
HEADROOMS = (0.05, 0.1, 0.15, 0.25, 0.4, 0.7, 1.0, 2.0, 4.0)
"""Ceilings tried, above the largest top-1 in units of the range measured."""
_LEAST_ROWS = 20
_QUANTILE = 1.645
"""Of the normal distribution: an interval of 90 %."""


@dataclass(frozen=True, eq=False)
class Table:
    """Measured networks: the columns of their parts, [rows, columns] in all, and their top-1."""

    attributes: tuple[tuple[Attribute, ...], ...]
    """Of each stage, and last of the setting."""
    parts: tuple[Matrix, ...]
    top1: Matrix

    @cached_property
    def columns(self) -> Matrix:
        """[rows, columns] of all parts."""
        return np.concatenate(self.parts, axis=1)


@dataclass(frozen=True)
class Strength:
    """What cross-validation chooses."""

    ceiling: float
    prior: Prior


def fit_accuracy(
    space: Space,
    choices: Sequence[StageChoices],
    rows: Iterable[tuple[Subnet, float]],
    provenance: Provenance,
) -> AccuracyModel:
    """The regression of measured (network, top-1 in percent).

    Figures of `provenance` are replaced by what the fit finds. `SearchError` for networks of
    another space, for too few rows, and for accuracies that are no percentages.
    """
    measured = list(rows)
    table = _table(choices, measured)
    strength = _cross_validated(table)
    predicted, leverages, index_error = _out_of_fold(table, strength)
    doubt = rounded(_QUANTILE * index_error / 2.0)
    index = -np.log(strength.ceiling - table.top1)
    weights, covariance, centre = _Normal.of(table.columns, index).solved(
        _penalty(table, strength.prior)
    )
    model = AccuracyModel(
        space=space.name,
        ceiling=strength.ceiling,
        intercept=rounded(float(centre)),
        doubt=doubt,
        half_width=rounded(_half_width(table.top1, predicted, doubt * leverages, strength.ceiling)),
        largest_leverage=rounded(float(leverages.max())),
        measured=(float(table.top1.min()), float(table.top1.max())),
        resolutions=tuple(sorted({subnet.setting.resolution for subnet, _ in measured})),
        widths=tuple(sorted({subnet.setting.width for subnet, _ in measured})),
        stages=(),
        setting=Part(attributes=(), coefficients=(), covariance=()),
        prior=strength.prior,
        provenance=provenance.model_copy(
            update=_goodness(strength.ceiling - np.exp(-predicted), table.top1)
        ),
    )
    *stages, setting = _parts(table, weights, covariance)
    return model.model_copy(update={"stages": tuple(stages), "setting": setting})


def _table(choices: Sequence[StageChoices], rows: Sequence[tuple[Subnet, float]]) -> Table:
    top1 = np.array([percent for _, percent in rows])
    _check(top1)
    picks = np.array([
        [stage.index(choice) for stage, choice in zip(choices, subnet.stages, strict=True)]
        for subnet, _ in rows
    ])  # fmt: skip
    values = [
        {name: column[picks[:, place]] for name, column in attributes(stage).items()}
        for place, stage in enumerate(choices)
    ]
    values.append(of_settings([subnet.setting for subnet, _ in rows]))
    found = tuple(standardising(value) for value in values)
    parts = tuple(columns(of_part, value) for of_part, value in zip(found, values, strict=True))
    return Table(found, parts, top1)


def _cross_validated(table: Table) -> Strength:
    least, most = float(table.top1.min()), float(table.top1.max())
    ceilings = sorted({rounded(min(100.0, most + share * (most - least))) for share in HEADROOMS})
    index = -np.log(np.array(ceilings) - table.top1[:, None])
    priors = [Prior(*each) for each in itertools.product(PENALTIES, SHRUNK_MORE, SHARING)]
    penalties = [_penalty(table, prior) for prior in priors]
    errors = np.zeros((len(priors), len(ceilings)))
    for train, test in folds(len(table.top1), seed=0):
        seen = _Normal.of(table.columns[train], index[train])
        for number, penalty in enumerate(penalties):
            weights, _, centre = seen.solved(penalty)
            predicted = ceilings - np.exp(-(table.columns[test] @ weights + centre))
            errors[number] += ((predicted - table.top1[test, None]) ** 2).sum(axis=0)
    prior, ceiling = np.unravel_index(int(errors.argmin()), errors.shape)
    return Strength(ceilings[int(ceiling)], priors[int(prior)])


def _out_of_fold(table: Table, strength: Strength) -> tuple[Matrix, Matrix, float]:
    """Predicted indices and leverages of rows not fitted on, and the index's standard error.

    The folds are others than those that chose the strength, which would flatter it.
    """
    predicted, leverages = np.empty(len(table.top1)), np.empty(len(table.top1))
    index = -np.log(strength.ceiling - table.top1)
    penalty = _penalty(table, strength.prior)
    for train, test in folds(len(table.top1), seed=1):
        weights, covariance, centre = _Normal.of(table.columns[train], index[train]).solved(penalty)
        predicted[test] = table.columns[test] @ weights + centre
        leverages[test] = _leverage([part[test] for part in table.parts], covariance)
    return predicted, leverages, float((predicted - index).std())


@dataclass(frozen=True, eq=False)
class _Normal:
    """The normal equations of some rows, centred; of one index, or of several side by side."""

    matrix: Matrix
    products: Matrix
    """Of columns with the index, [columns] or [columns, indices]."""
    mean: Matrix
    level: Matrix

    @classmethod
    def of(cls, columns: Matrix, index: Matrix) -> _Normal:
        """The equations of `columns` [rows, columns] and `index` [rows] or [rows, indices]."""
        mean, level = columns.mean(axis=0), np.asarray(index.mean(axis=0))
        rows = columns - mean
        return cls(rows.T @ rows, rows.T @ (index - level), mean, level)

    def solved(self, penalty: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """Weights, the inverse of the penalised normal matrix, and the intercept."""
        covariance = _inverse(self.matrix + penalty)
        weights = covariance @ self.products
        return weights, covariance, np.asarray(self.level - self.mean @ weights, np.float64)


def _penalty(table: Table, prior: Prior) -> Matrix:
    """The inverse of the coefficients' covariance before anything is measured."""
    more = np.concatenate([is_shrunk_more(of_part) for of_part in table.attributes])
    precision = np.where(more, prior.penalty * prior.shrunk_more, prior.penalty)
    names = np.array([name for of_part in table.attributes for name in column_names(of_part)])
    alike = (names[:, None] == names).astype(np.float64)
    correlation = (np.eye(len(names)) + prior.sharing * alike) / (1.0 + prior.sharing)
    return _inverse(correlation) * np.sqrt(np.outer(precision, precision))


def _inverse(matrix: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _leverage(parts: Sequence[Matrix], covariance: Matrix) -> Matrix:
    """[rows]: the sum over parts; an exact search cannot use how parts covary."""
    total, start = np.zeros(len(parts[0])), 0
    for part in parts:
        end = start + part.shape[1]
        total += ((part @ covariance[start:end, start:end]) * part).sum(axis=1)
        start = end
    return total


def _parts(table: Table, weights: Matrix, covariance: Matrix) -> list[Part]:
    found: list[Part] = []
    start = 0
    for of_part, part in zip(table.attributes, table.parts, strict=True):
        end = start + part.shape[1]
        found.append(
            Part(
                attributes=of_part,
                coefficients=tuple(map(rounded, weights[start:end].tolist())),
                covariance=tuple(
                    tuple(map(rounded, row)) for row in covariance[start:end, start:end].tolist()
                ),
            )
        )
        start = end
    return found


def _half_width(top1: Matrix, index: Matrix, doubt: Matrix, ceiling: float) -> float:
    """How far intervals must be widened so that 90 % of rows lie inside, at least 0."""
    low, high = ceiling - np.exp(-(index - doubt)), ceiling - np.exp(-(index + doubt))
    outside = np.sort(np.maximum(low - top1, top1 - high))
    rank = min(len(outside), int(np.ceil((len(outside) + 1) * CONFIDENCE)))
    return max(0.0, float(outside[rank - 1]))


def _goodness(predicted: Matrix, top1: Matrix) -> dict[str, float | int]:
    found = goodness(predicted, top1)
    return {
        "rows": len(top1),
        "rmse_points": round(float(np.sqrt(((predicted - top1) ** 2).mean())), 4),
        "mape_percent": round(found.mape_percent, 4),
        "spearman": round(found.spearman, 4),
    }


def _check(top1: Matrix) -> None:
    if len(top1) < _LEAST_ROWS:
        raise SearchError(
            "too-few-rows",
            f"accuracy is fitted to {_LEAST_ROWS} measured networks or more, not to {len(top1)}",
            help="give 100, drawn at random from the space",
        )
    if not (np.isfinite(top1).all() and top1.min() > 0.0 and top1.max() < 100.0):
        raise SearchError(
            "accuracy-range",
            "a top-1 is not between 0 and 100 percent",
            help="give percent, such as 72.8, not a fraction",
        )
    if np.ptp(top1) == 0.0:
        raise SearchError("no-difference", "all measured networks have the same top-1")
