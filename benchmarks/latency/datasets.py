"""Published latencies and the networks they were measured on, as rows for a cost model.

Files are read from `$FPC_DATA/data/latency` (default `../shared`).
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fpc.costmodel.features import FeatureFamily, Matrix
from fpc.costmodel.kernels import kernels_of
from fpc.ir.graph import Graph
from fpc.zoo.foxpandanet import fox_nas, fpnet_dsp, fpnet_fpga, fpnet_pixel4
from fpc.zoo.mobilenet_v1 import mobilenet_v1
from fpc.zoo.mobilenet_v2 import mobilenet_v2


@dataclass(frozen=True)
class Dataset:
    """Networks [rows, features] with measured milliseconds [rows]."""

    features: Matrix
    latency_ms: Matrix
    names: tuple[str, ...]

    def __getitem__(self, mask: Matrix) -> Dataset:
        chosen = np.arange(len(self.names))[mask]
        return Dataset(
            self.features[chosen],
            self.latency_ms[chosen],
            tuple(self.names[index] for index in chosen),
        )


def dataset(rows: Iterable[tuple[str, Graph, float]], features: FeatureFamily) -> Dataset:
    """Rows of (name, graph, ms)."""
    names, vectors, latencies = [], [], []
    for name, graph, latency_ms in rows:
        names.append(name)
        vectors.append(features.of_network(kernel.work for kernel in kernels_of(graph)))
        latencies.append(latency_ms)
    return Dataset(np.array(vectors), np.array(latencies), tuple(names))


def fox_nas_rpi4() -> Iterator[tuple[str, Graph, float]]:
    """249 subnets on a Raspberry Pi 4, 256 pixels, TFLite 2.1, one thread."""
    for row in _read("rpi4_foxnas_256px.csv"):
        stages = json.loads(row["stages_expand_kernel"])
        graph = fox_nas([[tuple(block) for block in stage] for stage in stages], 256)
        yield row["stages_expand_kernel"], graph, float(row["latency_ms"])


def published_foxpandanet() -> Iterator[tuple[str, Graph, float]]:
    """FoxPandaNet's own networks in the condition of `fox_nas_rpi4`."""
    yield "fpnet_pixel4", fpnet_pixel4(), 60.1
    yield "fpnet_dsp", fpnet_dsp(), 94.9
    yield "fpnet_fpga", fpnet_fpga(), 48.0


def mlperf(system: str, *, quantised: bool) -> Iterator[tuple[str, Graph, float]]:
    """MobileNets of the MLPerf Inference edge results, SingleStream, median latency."""
    networks = {"v1": mobilenet_v1, "v2": mobilenet_v2}
    for row in _read("edge_cpu_mlperf_singlestream.csv"):
        match row["model"].split("-", 4):
            case ["mobilenet", "v1" | "v2" as version, width, resolution, kind]:
                if row["system"] == system and (kind == "quantized") is quantised:
                    graph = networks[version](resolution=int(resolution), width=float(width))
                    yield row["model"], graph, float(row["p50_ms"])


def _read(name: str) -> list[dict[str, str]]:
    folder = Path(os.environ.get("FPC_DATA", Path(__file__).parents[2].parent / "shared"))
    with (folder / "data" / "latency" / name).open(newline="") as file:
        return list(csv.DictReader(file))
