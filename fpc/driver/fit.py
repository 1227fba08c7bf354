"""Samples become a cost model."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from fpc.costmodel.families import family
from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.model import Condition, CostModel, Precision, Provenance
from fpc.costmodel.networks import Networks
from fpc.diagnostics.errors import CostModelError
from fpc.measure.sample import Sample
from fpc.measure.samples import SampleDatabase


@dataclass(frozen=True)
class Chosen:
    """Which samples of a database are fitted; None chooses all."""

    precision: str = "int8"
    runtime: str | None = None
    threads: int | None = None


def fit_samples(database: Path, target: str, features: str, chosen: Chosen) -> CostModel:
    """A cost model of `target` fitted to the samples of one condition in `database`.

    A network measured several times counts once, by the median of its medians. `CostModelError`
    when no sample or samples of several conditions are chosen, or too few networks; `MeasureError`
    for a file that is no sample database.
    """
    with SampleDatabase(database) as opened:
        samples = _of_one_condition(opened.samples(), chosen, database)
    by_network: dict[str, list[Sample]] = {}
    for sample in samples:
        by_network.setdefault(sample.timing.model_sha256, []).append(sample)
    networks = Networks.of(
        (
            [kernel.work for kernel in kernels_of(repeated[0].rebuilt_graph())],
            statistics.median(sample.timing.median for sample in repeated),
        )
        for repeated in by_network.values()
    )
    first = samples[0].timing
    return CostModel.fitted(
        target,
        Condition(
            device=first.condition.device,
            runtime=first.condition.runtime,
            threads=first.condition.threads,
            precision=_precision(first.precision),
        ),
        family(features),
        networks,
        Provenance(
            source=database.name,
            evidence=first.evidence,
            rows=0,
            networks="networks of the user's",
            date=max(sample.timing.date for sample in samples)[:10],
            mape_percent=0.0,
        ),
    )


def _of_one_condition(
    samples: Iterable[Sample], chosen: Chosen, database: Path
) -> Sequence[Sample]:
    fitting = [
        sample
        for sample in samples
        if sample.timing.unit == "ms"
        and sample.timing.condition.workers == 1
        and sample.timing.precision == chosen.precision
        and (chosen.threads is None or sample.timing.condition.threads == chosen.threads)
        and (
            chosen.runtime is None
            or chosen.runtime.lower() in sample.timing.condition.runtime.lower()
        )
    ]
    conditions = sorted({f"{one.timing.condition}, {one.timing.evidence}" for one in fitting})
    match conditions:
        case [_]:
            return fitting
        case []:
            raise CostModelError(
                "no-samples",
                f"{database} has no latency in {chosen.precision} under the condition asked for",
                help="measure some with `fpc measure MODEL... --db FILE`, or ask for another "
                "condition with --runtime, --threads, --float",
            )
        case _:
            raise CostModelError(
                "several-conditions",
                f"{database} holds latencies of {len(conditions)} conditions, which are never "
                "fitted as one",
                notes=conditions,
                help="choose one with --runtime and --threads",
            )


def _precision(name: str) -> Precision:
    for known in get_args(Precision):
        if name == known:
            return known
    raise CostModelError("precision", f"no cost model has the precision `{name}`")
