"""Fitting an accuracy regression to a table of measured networks.

A ridge regression of the index, -log(ceiling - top-1), on the columns of all stages. The ceiling
and the two penalties are those of the least error in points out of fold. Products without depth
are penalised more than the rest, as far as the folds ask for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fpc.costmodel.metrics import goodness
from fpc.costmodel.model import CONFIDENCE
from fpc.costmodel.regression import folds
from fpc.diagnostics.errors import SearchError
from fpc.search.accuracy import AccuracyModel, Provenance
from fpc.search.choices import StageChoices
from fpc.search.design import (
    Attribute,
    Part,
    columns,
    is_shrunk_more,
    of_settings,
    rounded,
    standardising,
)
from fpc.search.features import attributes
from fpc.search.space import Space, Subnet
from fpc.search.tables import Matrix

PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0)
SHRUNK_MORE = (1.0, 10.0, 100.0)
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

    @property
    def columns(self) -> Matrix:
        """[rows, columns] of all parts."""
        return np.concatenate(self.parts, axis=1)


@dataclass(frozen=True)
class Strength:
    """What cross-validation chooses."""

    ceiling: float
    penalty: float
    shrunk_more: float


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
    weights, covariance, centre = _solve(table, strength)
    model = AccuracyModel(
        space=space.name,
        ceiling=strength.ceiling,
        intercept=rounded(centre),
        doubt=doubt,
        half_width=rounded(_half_width(table.top1, predicted, doubt * leverages, strength.ceiling)),
        largest_leverage=rounded(float(leverages.max())),
        measured=(float(table.top1.min()), float(table.top1.max())),
        resolutions=tuple(sorted({subnet.setting.resolution for subnet, _ in measured})),
        widths=tuple(sorted({subnet.setting.width for subnet, _ in measured})),
        stages=(),
        setting=Part(attributes=(), coefficients=(), covariance=()),
        penalties=(strength.penalty, strength.penalty * strength.shrunk_more),
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
    ceilings = sorted({min(100.0, most + share * (most - least)) for share in HEADROOMS})
    candidates = [
        Strength(rounded(ceiling), penalty, more)
        for ceiling, penalty, more in itertools.product(ceilings, PENALTIES, SHRUNK_MORE)
        if ceiling > most
    ]
    errors = np.zeros(len(candidates))
    x = table.columns
    for train, test in folds(len(x), seed=0):
        mean = x[train].mean(axis=0)
        rows = x[train] - mean
        normal = rows.T @ rows
        for number, candidate in enumerate(candidates):
            index = -np.log(candidate.ceiling - table.top1[train])
            matrix = normal + np.diag(_penalty(table, candidate))
            weights = _inverse(matrix) @ (rows.T @ (index - index.mean()))
            predicted = candidate.ceiling - np.exp(-((x[test] - mean) @ weights + index.mean()))
            errors[number] += ((predicted - table.top1[test]) ** 2).sum()
    return candidates[int(errors.argmin())]


def _out_of_fold(table: Table, strength: Strength) -> tuple[Matrix, Matrix, float]:
    """Predicted indices and leverages of rows not fitted on, and the index's standard error."""
    predicted, leverages = np.empty(len(table.top1)), np.empty(len(table.top1))
    for train, test in folds(len(table.top1), seed=0):
        chosen = Table(
            table.attributes, tuple(part[train] for part in table.parts), table.top1[train]
        )
        weights, covariance, centre = _solve(chosen, strength)
        tested = [part[test] for part in table.parts]
        predicted[test] = np.concatenate(tested, axis=1) @ weights + centre
        leverages[test] = _leverage(tested, covariance)
    index = -np.log(strength.ceiling - table.top1)
    return predicted, leverages, float((predicted - index).std())


def _solve(table: Table, strength: Strength) -> tuple[Matrix, Matrix, float]:
    """Weights [columns], the inverse of the penalised normal matrix, and the intercept."""
    x = table.columns
    index = -np.log(strength.ceiling - table.top1)
    mean = x.mean(axis=0)
    rows = x - mean
    covariance = _inverse(rows.T @ rows + np.diag(_penalty(table, strength)))
    weights = covariance @ (rows.T @ (index - index.mean()))
    return weights, covariance, float(index.mean() - mean @ weights)


def _inverse(matrix: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _penalty(table: Table, strength: Strength) -> Matrix:
    more = np.concatenate([is_shrunk_more(of_part) for of_part in table.attributes])
    return np.where(more, strength.penalty * strength.shrunk_more, strength.penalty)


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
