"""Does a machine's own cost model hold for other networks? `python -m benchmarks.calibrate FOLDER`.

Calibrates a target for this machine as `fpc calibrate-target` does, then measures networks of the
zoo that took no part in it, in turn, several times over, and compares. Samples stay in FOLDER: run
again, the benchmark calibrates no second time. Keep the machine quiet meanwhile.

A neighbour slows a network down and never speeds it up. The model is fitted to the fastest of each
drawn network's rounds, so predictions are compared with the fastest of the others' rounds too, and
with their median, which holds what the neighbours did.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from fpc.costmodel.features import Matrix
from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.metrics import goodness
from fpc.costmodel.model import CostModel, Prediction, read_model
from fpc.driver.calibrate import CalibrateOptions, calibrate, calibration_config
from fpc.driver.measure import MeasureOptions, measure_models, prepare_request
from fpc.measure.litert_runner import LiteRtRunner
from fpc.measure.protocol import Failure, MeasureConfig
from fpc.measure.sample import Sample
from fpc.measure.samples import SampleDatabase
from fpc.zoo.catalog import build

NETWORKS = (
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "mobilenet_v3_large_minimalistic",
    "mobilenet_v3_small_minimalistic",
    "efficientnet_lite0",
    "mnasnet_a1",
    "fbnet_a",
    "fbnet_c",
    "fasternet_t0",
    "squeezenet_1_1",
    "resnet18",
    "fpnet_dsp",
    "fpnet_fpga",
)
_ROUNDS = 5


def _medians(rounds: Sequence[Sample]) -> list[float]:
    return [sample.timing.median for sample in rounds]


STATISTICS: Mapping[str, Callable[[Sequence[Sample]], float]] = MappingProxyType(
    {
        "fastest round": lambda rounds: min(_medians(rounds)),
        "median round": lambda rounds: statistics.median(_medians(rounds)),
    }
)


def main() -> None:
    """Calibrate, measure, print."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    options = CalibrateOptions("this-machine", folder)
    config = calibration_config(threads=1, timeout_s=120.0)
    if not options.target_file.exists():
        started = time.perf_counter()
        calibrated(options, config)
        print(f"calibrated in {(time.perf_counter() - started) / 60:.1f} minutes")
    model = read_model(options.model_file)
    origin = model.provenance
    print(f"{model.condition}\n{origin.rows} drawn networks, features {model.features}, "
          f"{origin.mape_percent:.1f} % mean absolute error out of fold\n")  # fmt: skip
    with SampleDatabase(folder / "networks.db", create=True) as database:
        samples = measured(config, database)
    show(model, samples)


def calibrated(options: CalibrateOptions, config: MeasureConfig) -> None:
    """The target of this machine, written."""
    prepare = partial(prepare_request, options=MeasureOptions(quick=True), config=config)
    calibrate(options, prepare, LiteRtRunner(), config)


def measured(config: MeasureConfig, database: SampleDatabase) -> dict[str, list[Sample]]:
    """Fresh samples of every network, taken in turn."""
    graphs = [build(name, seed=0) for name in NETWORKS]
    prepare = partial(prepare_request, options=MeasureOptions(quick=True), config=config)
    samples: dict[str, list[Sample]] = {}
    for answer in measure_models(
        graphs, prepare, LiteRtRunner(), config, rounds=_ROUNDS, database=database
    ):
        if isinstance(answer, Failure):
            raise answer.error
        samples.setdefault(answer.timing.name, []).append(answer)
    return samples


def show(model: CostModel, samples: dict[str, list[Sample]]) -> None:
    """The table, and what it comes to."""
    print(f"{'':34s} {'predicted':>9s} {'90 % interval':>15s} {'fastest round':>22s} "
          f"{'median round':>22s}")  # fmt: skip
    predictions: list[Prediction] = []
    for name, rounds in samples.items():
        found = model.predict(kernels_of(rounds[0].rebuilt_graph()))
        predictions.append(found)
        low, high = found.interval_ms
        errors = " ".join(error(statistic(rounds), found) for statistic in STATISTICS.values())
        print(f"{name:34s} {found.latency_ms:9.3f} {low:7.3f}-{high:7.3f} {errors}")
    print(
        f"\n{sum(found.extrapolates for found in predictions)} of {len(predictions)} extrapolated"
    )
    for name, statistic in STATISTICS.items():
        total(name, np.array([statistic(rounds) for rounds in samples.values()]), predictions)


def error(latency_ms: float, found: Prediction) -> str:
    """A measured latency with the prediction's error; a star outside the interval."""
    low, high = found.interval_ms
    percent = 100.0 * (found.latency_ms / latency_ms - 1.0)
    return f"{latency_ms:11.3f} {percent:+7.1f} %{' ' if low <= latency_ms <= high else '*'}"


def total(name: str, latency_ms: Matrix, predictions: Sequence[Prediction]) -> None:
    """One line: how good the predictions are of latencies taken in one way."""
    found = goodness(np.array([one.latency_ms for one in predictions]), latency_ms)
    bounds = np.array([one.interval_ms for one in predictions]).T
    covered = 100.0 * ((bounds[0] <= latency_ms) & (latency_ms <= bounds[1])).mean()
    print(f"{name}: MAPE {found.mape_percent:.1f} %, {covered:.0f} % covered by the 90 % "
          f"interval, rank correlation {found.spearman:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
