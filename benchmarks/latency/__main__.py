"""Predicted against published latencies: `python -m benchmarks.latency`.

Folds and seeds are fixed; everything a fit chooses, it chooses on its training rows.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.latency.datasets import (
    accel_nasbench_fpga,
    fox_nas_rpi4,
    mlperf,
    networks,
    published_foxpandanet,
)
from benchmarks.latency.latbench import latbench
from fpc.costmodel.cpu_features import CPU
from fpc.costmodel.dpu_features import DPU
from fpc.costmodel.features import Matrix
from fpc.costmodel.hvx_features import HVX
from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.library import select, shipped
from fpc.costmodel.metrics import goodness
from fpc.costmodel.model import Condition, CostModel, Provenance
from fpc.costmodel.networks import Networks
from fpc.costmodel.regression import folds
from fpc.zoo.nas_bench_201 import Edge, live_edges

_FORMS = {
    "cpu": (CPU, False),
    "dpu": (DPU, False),
    "hvx, response": (HVX, True),
    "cpu, response": (CPU, True),
}
"""Features, and whether the latency is a response to what kernels cost."""
_SEED = 1
_REPEATS = 5


def main() -> None:
    """Print the table."""
    print("rows are replayed measurements; errors are of predictions on rows not fitted on\n")
    print(f"{'':42s} {'rows':>5s} {'fitted':>6s} {'MAPE %':>7s} {'in 5 %':>7s} {'rank':>6s} "
          f"{'covered by 90 %':>16s}")  # fmt: skip
    _, fox = networks(fox_nas_rpi4())
    cross_validated("Pi 4, TFLite 2.1, FOX-NAS", fox, "cpu")
    few("Pi 4, TFLite 2.1, FOX-NAS", fox, "cpu", 50)
    model = select(shipped("rpi4-arm"), "rpi4-arm", precision="int8", runtime="TFLite 2.1")
    for name, graph, latency_ms in published_foxpandanet():
        found = model.predict(kernels_of(graph)).latency_ms
        print(f"  {name}: {found:.1f} ms predicted, {latency_ms} published "
              f"({100 * (found / latency_ms - 1):+.1f} %)")  # fmt: skip
    for runtime, system in (
        ("TFLite 2.7.1", "rpi4-tflite-v2.7.1-ruy"),
        ("TFLite 2.5", "rpi4coral-fan.on-tflite-v2.5.0-ruy"),
    ):
        names, rows = networks(mlperf(system, quantised=True))
        cross_validated(f"Pi 4, {runtime}, MobileNets int8", rows, "cpu")
        is_v1 = np.array(["-v1-" in name for name in names])
        for label, train in (("V1 -> V2", is_v1), ("V2 -> V1", ~is_v1)):
            show(f"Pi 4, {runtime}, {label}", rows, [split(rows, "cpu", train, ~train)])
    for device in ("zcu102", "vck190"):
        _, rows = networks(accel_nasbench_fpga(device))
        cross_validated(device, rows, "dpu")
        if device == "zcu102":
            few(device, rows, "dpu", 200)
            excites = np.array([work.kind.value == "multiply" for work in rows.works])
            few("zcu102 without SE", chosen(rows, ~(rows.counts[:, excites] > 0).any(axis=1)),
                "dpu", 50)  # fmt: skip
    cells, hexagon = latbench("hexagon690")
    cross_validated("Hexagon 690, LatBench", hexagon, "hvx, response")
    few("Hexagon 690, LatBench", hexagon, "hvx, response", 300)
    repeatability(cells, hexagon)
    cells, kryo = latbench("kryo485")
    cross_validated("Kryo 485, LatBench", kryo, "cpu, response")
    few("Kryo 485, LatBench", kryo, "cpu, response", 300)
    repeatability(cells, kryo)
    speed(fox)


Split = tuple[int, Matrix, Matrix, Matrix]
"""Rows fitted on, predictions, measurements, and half the interval."""


def split(rows: Networks, form: str, train: Matrix, test: Matrix) -> Split:
    """Fit on some rows, predict others."""
    family, responds = _FORMS[form]
    training, unseen = chosen(rows, train), chosen(rows, test)
    origin = Provenance(
        source="", evidence="replayed", rows=0, networks="", date="", mape_percent=0.0
    )
    condition = Condition(device="", runtime="")
    model = CostModel.fitted("", condition, family, training, origin, responds=responds)
    kernel_ms = model.kernel_ms(rows.works)
    predicted = model.network_ms(unseen.counts, rows.works)
    unfamiliar = unseen.counts @ (kernel_ms * model.unfamiliar(rows.works)) / predicted
    half = model.relative_half_width(unseen.measured(family).features, predicted, unfamiliar)
    return len(training.latency_ms), predicted, unseen.latency_ms, half * predicted


def chosen(rows: Networks, mask: Matrix) -> Networks:
    """Some of the networks, by index or mask."""
    return Networks(rows.works, rows.counts[mask], rows.latency_ms[mask])


def cross_validated(label: str, rows: Networks, form: str) -> None:
    """Five folds, repeated with other seeds where rows are few."""
    count = len(rows.latency_ms)
    repeats = _REPEATS if count < 1000 else 1
    parts = [
        split(rows, form, train, test)
        for seed in range(_SEED, _SEED + repeats)
        for train, test in folds(count, seed)
    ]
    show(f"{label}, 5-fold", rows, parts)


def few(label: str, rows: Networks, form: str, fitted: int) -> None:
    """A few rows to fit on, drawn five times."""

    def draws() -> Iterator[Split]:
        for seed in range(_SEED, _SEED + _REPEATS):
            order = np.random.default_rng(seed).permutation(len(rows.latency_ms))
            yield split(rows, form, order[:fitted], order[fitted:])

    show(label, rows, list(draws()))


def repeatability(cells: Sequence[str], rows: Networks) -> None:
    """How far cells that are one network, since they differ in dead edges, lie from each other."""
    found: dict[tuple[Edge, ...], list[float]] = {}
    for cell, latency_ms in zip(cells, rows.latency_ms, strict=True):
        found.setdefault(live_edges(cell), []).append(latency_ms)
    errors = [
        abs(statistics.median(alike[:place] + alike[place + 1 :]) / alike[place] - 1.0)
        for alike in found.values()
        if len(alike) > 1
        for place in range(len(alike))
    ]
    print(f"  {len(errors)} of these are measured more than once: the median of the others misses "
          f"one by {100.0 * statistics.fmean(errors):.2f} %")  # fmt: skip


def show(label: str, rows: Networks, parts: list[Split]) -> None:
    """One line."""
    predicted, measured, half = (
        np.concatenate([part[index] for part in parts]) for index in (1, 2, 3)
    )
    found = goodness(predicted, measured)
    covered = 100.0 * (np.abs(predicted - measured) <= half).mean()
    print(
        f"{label:42s} {len(rows.latency_ms):5d} {parts[0][0]:6d} {found.mape_percent:7.2f} "
        f"{found.within_5_percent:7.1f} {found.spearman:6.3f} {covered:14.1f} %",
        flush=True,
    )


def speed(rows: Networks) -> None:
    """Networks predicted a second where a network is a choice among known kernels."""
    model = select(shipped("rpi4-arm"), "rpi4-arm", precision="int8", runtime="TFLite 2.1")
    drawn = np.random.default_rng(0).integers(0, len(rows.works), (100_000, 120))
    started = time.perf_counter()
    latency = model.kernel_ms(rows.works)[drawn].sum(axis=1)
    elapsed = time.perf_counter() - started
    print(f"\n{len(latency) / elapsed:,.0f} networks of 120 kernels a second, one core")


if __name__ == "__main__":
    main()
