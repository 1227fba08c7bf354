"""Samples become a cost model."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from fpc.costmodel.families import candidates, family
from fpc.costmodel.features import Matrix
from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.library import Wanted
from fpc.costmodel.model import Condition, CostModel, Precision, Provenance
from fpc.costmodel.networks import Networks
from fpc.costmodel.regression import fit
from fpc.diagnostics.errors import CostModelError
from fpc.measure.samples.database import SampleDatabase
from fpc.measure.samples.sample import Sample


@dataclass(frozen=True)
class Fitted:
    """A cost model and the networks that it was fitted to."""

    model: CostModel
    networks: Networks
    corrects: bool

    def out_of_fold_ms(self) -> Matrix:
        """[networks]: what each is predicted to take by a fit to the folds that it is not in."""
        features = family(self.model.features)
        measured = self.networks.measured(features)
        found = fit(measured, features.prior, corrects=self.corrects)
        return self.networks.latency_ms * (1.0 + found.relative_errors)


def fit_database(database: Path, target: str, features: str, wanted: Wanted) -> Fitted:
    """A cost model of `target` fitted to the samples of one condition in `database`.

    As `fit_samples`; `MeasureError` for a file that is no sample database.
    """
    with SampleDatabase(database) as opened:
        samples = opened.samples()
    return fit_samples(samples, database, target, features, wanted, "networks of the user's")


def fit_samples(
    samples: Iterable[Sample],
    database: Path,
    target: str,
    features: str,
    wanted: Wanted,
    networks: str,
    *,
    corrects: bool = True,
) -> Fitted:
    """A cost model of `target` fitted to those of `samples` that were taken as `wanted`.

    A network measured several times counts once, by the median of its medians. With the features
    `auto` it is the family for CPUs that predicts best out of fold. `networks` says what was
    measured, `database` where the samples are; `corrects` as in `CostModel.fitted`.
    `CostModelError` when no sample or samples of several conditions are wanted, or too few
    networks.
    """
    chosen, condition = _of_one_condition(samples, wanted, database)
    by_network: dict[str, list[Sample]] = {}
    for sample in chosen:
        by_network.setdefault(sample.timing.model_sha256, []).append(sample)
    rows = Networks.of(
        (
            [kernel.work for kernel in kernels_of(repeated[0].rebuilt_graph())],
            statistics.median(sample.timing.median for sample in repeated),
        )
        for repeated in by_network.values()
    )
    provenance = Provenance(
        source=database.name,
        evidence=chosen[0].timing.evidence,
        rows=0,
        networks=networks,
        date=max(sample.timing.date for sample in chosen)[:10],
        mape_percent=0.0,
    )
    models = (
        CostModel.fitted(target, condition, of_family, rows, provenance, corrects=corrects)
        for of_family in candidates(features)
    )
    best = min(models, key=lambda model: model.provenance.mape_percent)
    return Fitted(best, rows, corrects)


def _of_one_condition(
    samples: Iterable[Sample], wanted: Wanted, database: Path
) -> tuple[Sequence[Sample], Condition]:
    found: dict[tuple[Condition, str], list[Sample]] = {}
    for sample in samples:
        condition = condition_of(sample)
        if condition is not None and wanted.admits(condition):
            found.setdefault((condition, sample.timing.evidence), []).append(sample)
    match list(found):
        case [(condition, _) as only]:
            return found[only], condition
        case []:
            raise CostModelError(
                "no-samples",
                f"{database} has no latency in {wanted}",
                help="measure some with `fpc measure MODEL... --db FILE`, or ask for another "
                "condition with --runtime, --threads, --float",
            )
        case several:
            raise CostModelError(
                "several-conditions",
                f"{database} holds latencies of {len(several)} conditions, which are never "
                "fitted as one",
                notes=sorted(f"{condition}, {evidence}" for condition, evidence in several),
                help="choose one with --runtime and --threads",
            )


def condition_of(sample: Sample) -> Condition | None:
    """What a cost model calls the sample's condition; None for what is no latency of one runner."""
    timing = sample.timing
    precision = _precision(timing.precision)
    if precision is None or timing.unit != "ms" or timing.condition.workers > 1:
        return None
    return Condition(
        device=timing.condition.device,
        runtime=timing.condition.runtime,
        threads=timing.condition.threads,
        precision=precision,
    )


def _precision(name: str) -> Precision | None:
    return next((known for known in get_args(Precision) if known == name), None)
