"""Does a machine's own cost model hold for other networks? `python -m benchmarks.calibrate FOLDER`.

Calibrates a target for this machine as `fpc calibrate-target` does, then measures networks of the
zoo that took no part in it, in turn, several times over, and compares. Measured samples stay in
FOLDER: run again, the benchmark measures only what is missing. Keep the machine quiet meanwhile.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.metrics import goodness
from fpc.costmodel.model import CostModel, Prediction, read_model
from fpc.driver.calibrate import CalibrateOptions, calibrate, calibration_config
from fpc.driver.measure import MeasureOptions, measure_models, prepare_request
from fpc.measure.litert_runner import LiteRtRunner
from fpc.measure.protocol import Failure, MeasureConfig
from fpc.measure.sample import Sample
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
    show(model, measured(config))


def calibrated(options: CalibrateOptions, config: MeasureConfig) -> None:
    """The target of this machine, written."""
    prepare = partial(prepare_request, options=MeasureOptions(quick=True), config=config)
    calibrate(options, prepare, LiteRtRunner(), config)


def measured(config: MeasureConfig) -> dict[str, list[Sample]]:
    """Fresh samples of every network, taken in turn."""
    graphs = [build(name, seed=0) for name in NETWORKS]
    prepare = partial(prepare_request, options=MeasureOptions(quick=True), config=config)
    samples: dict[str, list[Sample]] = {}
    for answer in measure_models(graphs, prepare, LiteRtRunner(), config, rounds=_ROUNDS):
        if isinstance(answer, Failure):
            raise answer.error
        samples.setdefault(answer.timing.name, []).append(answer)
    return samples


def show(model: CostModel, samples: dict[str, list[Sample]]) -> None:
    """The table, and what it comes to."""
    print(f"{'':34s} {'measured':>9s} {'rounds':>15s} {'predicted':>9s} {'error':>8s} "
          f"{'90 % interval':>15s}")  # fmt: skip
    latencies: list[float] = []
    predictions: list[Prediction] = []
    for name, rounds in samples.items():
        found = model.predict(kernels_of(rounds[0].rebuilt_graph()))
        latency_ms = statistics.median(sample.timing.median for sample in rounds)
        latencies.append(latency_ms)
        predictions.append(found)
        row(name, rounds, latency_ms, found)
    predicted = np.array([found.latency_ms for found in predictions])
    quality = goodness(predicted, np.array(latencies))
    covered = [
        low <= latency_ms <= high
        for latency_ms, (low, high) in zip(
            latencies, (found.interval_ms for found in predictions), strict=True
        )
    ]
    print(f"\n{quality.rows} networks: MAPE {quality.mape_percent:.1f} %, rank correlation "
          f"{quality.spearman:.3f}, {sum(covered)} within the 90 % interval, "
          f"{sum(found.extrapolates for found in predictions)} extrapolated")  # fmt: skip


def row(name: str, rounds: Sequence[Sample], latency_ms: float, found: Prediction) -> None:
    """One line."""
    medians = [sample.timing.median for sample in rounds]
    low, high = found.interval_ms
    print(f"{name:34s} {latency_ms:9.3f} {min(medians):7.3f}-{max(medians):7.3f} "
          f"{found.latency_ms:9.3f} {100 * (found.latency_ms / latency_ms - 1):+7.1f}% "
          f"{low:7.3f}-{high:7.3f}"
          f"{'' if low <= latency_ms <= high else '  outside'}")  # fmt: skip


if __name__ == "__main__":
    main()
