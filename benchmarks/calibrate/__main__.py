"""Does a machine's own cost model hold for other networks? `python -m benchmarks.calibrate FOLDER`.

Calibrates a target for this machine as `fpc calibrate-target` does, then measures networks of the
zoo that took no part in it, in turn, several times over, and compares. Samples stay in FOLDER: run
again, the benchmark calibrates no second time. Keep the machine quiet meanwhile.

A network's latency is the median over rounds here and in the fit, so that what neighbours do to a
machine most of the time is in both.
"""

from __future__ import annotations

import statistics
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.metrics import goodness
from fpc.costmodel.model import CostModel, read_model
from fpc.driver.measure.calibrate import CalibrateOptions, calibrate, calibration_config
from fpc.driver.measure.models import MeasureOptions, measure_models, prepare_request
from fpc.measure.litert.runner import LiteRtRunner
from fpc.measure.protocol import Failure, MeasureConfig
from fpc.measure.samples.database import SampleDatabase
from fpc.measure.samples.sample import Sample
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
    print(f"{'':34s} {'predicted':>9s} {'90 % interval':>15s} {'median round':>12s} {'error':>9s}")
    latency_ms = np.array(
        [
            statistics.median(sample.timing.median for sample in rounds)
            for rounds in samples.values()
        ]
    )
    predictions = [
        model.predict(kernels_of(rounds[0].rebuilt_graph())) for rounds in samples.values()
    ]
    inside = [
        found.interval_ms[0] <= measured_ms <= found.interval_ms[1]
        for found, measured_ms in zip(predictions, latency_ms, strict=True)
    ]
    for name, found, measured_ms, is_inside in zip(
        samples, predictions, latency_ms, inside, strict=True
    ):
        low, high = found.interval_ms
        percent = 100.0 * (found.latency_ms / measured_ms - 1.0)
        print(f"{name:34s} {found.latency_ms:9.3f} {low:7.3f}-{high:7.3f} {measured_ms:12.3f} "
              f"{percent:+7.1f} %{' ' if is_inside else '*'}")  # fmt: skip
    found = goodness(np.array([one.latency_ms for one in predictions]), latency_ms)
    print(f"\n{sum(one.extrapolates for one in predictions)} of {len(predictions)} extrapolated; "
          f"MAPE {found.mape_percent:.1f} %, {100.0 * np.mean(inside):.0f} % covered by the 90 % "
          f"interval, rank correlation {found.spearman:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
