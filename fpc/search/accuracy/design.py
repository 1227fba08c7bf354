"""The columns of an accuracy regression: attributes, standardised, and their products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from fpc.search.accuracy.features import DEPTH, pairs
from fpc.search.costs.tables import Matrix
from fpc.search.space.description import Setting


class Attribute(BaseModel):
    """One attribute over the rows of a table: what standardises it, and what was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    mean: float
    deviation: float
    least: float
    most: float


class Part(BaseModel):
    """The regression of one stage, or of what holds for the whole network.

    The columns are the standardised attributes and then their products, in the order of `pairs`;
    `covariance` [columns, columns] is the part's block of the inverse of the penalised normal
    matrix: x' covariance x is the leverage of a choice x.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attributes: tuple[Attribute, ...]
    coefficients: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    def columns(self, values: Mapping[str, Matrix]) -> Matrix:
        """[choices, columns] of choices given by their attributes."""
        return columns(self.attributes, values)

    def score(self, columns: Matrix) -> Matrix:
        """[choices]: the part's share of a network's index."""
        return columns @ np.array(self.coefficients)

    def leverage(self, columns: Matrix) -> Matrix:
        """[choices]: how far each lies from what was measured."""
        count = columns.shape[1]
        covariance = np.array(self.covariance).reshape(count, count)
        return np.asarray(((columns @ covariance) * columns).sum(axis=1), np.float64)


def standardising(values: Mapping[str, Matrix]) -> tuple[Attribute, ...]:
    """Attributes of the rows of a table; those that never vary are left out."""
    return tuple(
        Attribute(
            name=name,
            mean=rounded(float(column.mean())),
            deviation=rounded(float(column.std())),
            least=rounded(float(column.min())),
            most=rounded(float(column.max())),
        )
        for name, column in values.items()
        if np.ptp(column) > 1e-9
    )


def columns(attributes: Sequence[Attribute], values: Mapping[str, Matrix]) -> Matrix:
    """[rows, columns]: standardised attributes, then their products."""
    single = {
        attribute.name: (values[attribute.name] - attribute.mean) / attribute.deviation
        for attribute in attributes
    }
    products = [single[one] * single[other] for one, other in pairs(tuple(single))]
    rows = len(next(iter(values.values()), ()))
    return np.array([*single.values(), *products]).reshape(-1, rows).T


def column_names(attributes: Sequence[Attribute]) -> list[str]:
    """What each column is."""
    names = tuple(attribute.name for attribute in attributes)
    return [*names, *(" x ".join(pair) for pair in pairs(names))]


def is_shrunk_more(attributes: Sequence[Attribute]) -> list[bool]:
    """For each column whether it is a product without depth: those matter least."""
    names = tuple(attribute.name for attribute in attributes)
    return [False] * len(names) + [DEPTH not in pair for pair in pairs(names)]


def of_settings(settings: Sequence[Setting]) -> dict[str, Matrix]:
    """The attributes of whole networks, each [settings]."""
    resolution, width = np.array(settings, np.float64).T
    return {"resolution": np.log2(resolution), "width": np.log2(width)}


def rounded(value: float) -> float:
    """Seven significant digits: files stay readable and the same on every machine."""
    return float(f"{value:.7g}")
