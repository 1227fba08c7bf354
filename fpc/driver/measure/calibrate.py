"""A target of one's own: networks drawn, measured where it is, and a cost model fitted to them."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fpc.costmodel.library import Wanted
from fpc.costmodel.model import CostModel
from fpc.diagnostics.errors import MeasureError, UsageError
from fpc.diagnostics.progress import Progress, silent
from fpc.driver.artifact import write_file
from fpc.driver.measure.fit import Fitted, condition_of, fit_samples
from fpc.driver.measure.models import MeasureOptions, Prepare, known_as, measure_models
from fpc.ir.graph import Graph
from fpc.measure.protocol import Failure, MeasureConfig, Runner
from fpc.measure.samples.database import SampleDatabase
from fpc.measure.samples.sample import Sample
from fpc.targets import catalog
from fpc.targets.toml_text import print_toml
from fpc.zoo.drawn import drawn

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_FEWEST_NETWORKS = 10
_BEARABLE = 0.25
"""The share of the networks that a device may refuse to run."""
_HOPELESS = 3
"""A runner is given up, for the reason of the first, when so many networks failed and none ran."""


@dataclass(frozen=True)
class CalibrateOptions:
    """What is calibrated and where the results go.

    `like` is the target whose rules and numbers the new one takes over. Samples are kept in
    `database`, which an interrupted calibration finds again; NAME.toml and NAME.json go to
    `folder`.
    """

    name: str
    folder: Path = Path()
    database: Path | None = None
    like: str = "host"
    networks: int = 48
    rounds: int = 4
    features: str = "auto"

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise UsageError(
                "target-name",
                f"a target cannot be called `{self.name}`",
                help="use lower-case letters, digits and hyphens, such as pi5-litert",
            )
        if self.name in catalog.names():
            raise UsageError(
                "target-name",
                f"`{self.name}` is a target that comes with fpc",
                help=f"give the new one another name, such as my-{self.name}",
            )
        if self.networks < _FEWEST_NETWORKS:
            raise UsageError(
                "networks",
                f"{self.networks} networks are too few to learn what kernels cost",
                help=f"measure {_FEWEST_NETWORKS} at the least, better 48",
            )

    @property
    def target_file(self) -> Path:
        """Where the target goes."""
        return self.folder / f"{self.name}.toml"

    @property
    def model_file(self) -> Path:
        """Where its cost model goes."""
        return self.folder / f"{self.name}.json"

    @property
    def samples_file(self) -> Path:
        """Where the samples are kept."""
        return self.folder / f"{self.name}.db" if self.database is None else self.database


@dataclass(frozen=True)
class Calibrated:
    """A calibration's result; `failures` are the networks that the runner could not measure."""

    fitted: Fitted
    failures: tuple[Failure, ...]


def calibration_config(threads: int, timeout_s: float) -> MeasureConfig:
    """Many short looks at each network: a neighbour disturbs some of them, not most."""
    return MeasureConfig(
        threads=threads,
        warm_up_s=0.1,
        relative_interval=0.02,
        least_time_s=0.3,
        time_limit_s=min(3.0, timeout_s / 2.0),
        timeout_s=timeout_s,
    )


def calibrate(
    options: CalibrateOptions,
    prepare: Prepare,
    runner: Runner,
    config: MeasureConfig,
    progress: Progress = silent,
) -> Calibrated:
    """Measure, fit and write the new target.

    Networks are measured in turn, `rounds` times over, and every sample is on the disk at once:
    called again after whatever ended it, a calibration goes on where it stopped. `UsageError` for
    files that are there already, the runner's error when it measures nothing.
    """
    base = tomllib.loads(catalog.source(options.like))
    _require_writable(options)
    graphs = tuple(drawn(options.networks))
    measuring = MeasureOptions(target=options.like)
    digests = {known_as(graph, measuring).model_sha256: graph for graph in graphs}
    wanted = Wanted(threads=config.threads)
    with SampleDatabase(options.samples_file, create=True) as database:
        failures = _measure(options, digests, cache(prepare), runner, config, database, progress)
        samples = _finished(database, digests, wanted)
    fitted = fit_drawn(samples, options.samples_file, options.name, options.features, wanted)
    write_file(options.model_file, fitted.model.to_json().encode())
    write_file(options.target_file, _target_text(base, options, fitted.model).encode())
    return Calibrated(fitted, failures)


def fit_drawn(
    samples: Iterable[Sample], database: Path, target: str, features: str, wanted: Wanted
) -> Fitted:
    """A cost model of `target` from samples of drawn networks; see `fit_samples`."""
    return fit_samples(
        samples,
        database,
        target,
        features,
        wanted,
        "networks drawn by fpc",
        corrects=False,
    )


def _require_writable(options: CalibrateOptions) -> None:
    if not options.folder.is_dir():
        raise UsageError(
            "output", f"there is no folder {options.folder}", help="make it first, or name another"
        )
    for path in (options.target_file, options.model_file):
        if path.exists():
            raise UsageError(
                "output",
                f"{path} exists already",
                help="choose another name, or another folder with -o; `fpc fit` writes a cost "
                "model anew from samples",
            )


def _measure(
    options: CalibrateOptions,
    graphs: Mapping[str, Graph],
    prepare: Prepare,
    runner: Runner,
    config: MeasureConfig,
    database: SampleDatabase,
    progress: Progress,
) -> tuple[Failure, ...]:
    """Bring every network to as many samples as there are rounds; what failed is not tried twice.

    `graphs` by their digests.
    """
    finished = _finished(database, graphs, Wanted(threads=config.threads))
    taken = Counter(sample.timing.model_sha256 for sample in finished)
    total = options.rounds * len(graphs)
    done = sum(min(count, options.rounds) for count in taken.values())
    failed: dict[str, Failure] = {}
    for turn in range(options.rounds):
        missing = [
            graph
            for digest, graph in graphs.items()
            if taken[digest] <= turn and graph.name not in failed
        ]
        for answer in measure_models(missing, prepare, runner, config, database=database):
            if isinstance(answer, Failure):
                failed[answer.name] = answer
                if done == 0 and len(failed) == _HOPELESS:
                    raise next(iter(failed.values())).error
            else:
                done += 1
                progress("measure", done, total)
    if len(failed) > _BEARABLE * len(graphs):
        raise MeasureError(
            "calibration",
            f"{len(failed)} of {len(graphs)} networks could not be measured, and the others do "
            "not stand for them",
            notes=[f"{failure.name}: {failure.error.message}" for failure in failed.values()],
            help=f"mend what the notes say and run the same command again: {database.path} keeps "
            "the samples",
        )
    return tuple(failed.values())


def _finished(
    database: SampleDatabase, graphs: Mapping[str, Graph], wanted: Wanted
) -> tuple[Sample, ...]:
    """The latencies of `graphs` that were taken as `wanted`."""

    def counts(sample: Sample) -> bool:
        condition = condition_of(sample)
        is_wanted = condition is not None and wanted.admits(condition)
        return is_wanted and sample.timing.model_sha256 in graphs

    return tuple(filter(counts, database.samples())) if len(database) else ()


def _target_text(base: Mapping[str, Any], options: CalibrateOptions, model: CostModel) -> str:
    condition, origin = model.condition, model.provenance
    own = {
        "name": options.name,
        "title": f"{condition.device}, {condition.runtime}",
        "evidence": origin.evidence,
        "cost_model": options.model_file.name,
        "sources": [
            *base["sources"],
            f"latencies of {origin.rows} {origin.networks} on {origin.date}",
        ],
        "hardware": {**base["hardware"], "processor": condition.device},
    }
    return print_toml({**base, **own})
