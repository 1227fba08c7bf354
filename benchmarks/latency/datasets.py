"""Published latencies and the networks they were measured on, as rows for a cost model.

Files are read from `$FPC_DATA/data/latency` (default `../shared`).
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from fpc.costmodel.kernels import Work, kernels_of
from fpc.costmodel.networks import Networks
from fpc.ir.graph import Graph
from fpc.zoo.foxpandanet import fox_nas, fpnet_dsp, fpnet_fpga, fpnet_pixel4
from fpc.zoo.mnasnet import Stage, accel_nasbench
from fpc.zoo.mobilenet_v1 import mobilenet_v1
from fpc.zoo.mobilenet_v2 import mobilenet_v2

Row: TypeAlias = tuple[str, Graph, float]
"""A network's name, the network, and its latency in milliseconds."""


def networks(rows: Iterable[Row]) -> tuple[tuple[str, ...], Networks]:
    """Names, and what a cost model is fitted on."""
    names: list[str] = []

    def kernels() -> Iterator[tuple[list[Work], float]]:
        for name, graph, latency_ms in rows:
            names.append(name)
            yield [kernel.work for kernel in kernels_of(graph)], latency_ms

    found = Networks.of(kernels())
    return tuple(names), found


def fox_nas_rpi4() -> Iterator[Row]:
    """249 subnets on a Raspberry Pi 4, 256 pixels, TFLite 2.1, one thread."""
    for row in read("rpi4_foxnas_256px.csv"):
        stages = json.loads(row["stages_expand_kernel"])
        graph = fox_nas([[tuple(block) for block in stage] for stage in stages], 256)
        yield row["stages_expand_kernel"], graph, float(row["latency_ms"])


def published_foxpandanet() -> Iterator[Row]:
    """FoxPandaNet's own networks in the condition of `fox_nas_rpi4`."""
    yield "fpnet_pixel4", fpnet_pixel4(), 60.1
    yield "fpnet_dsp", fpnet_dsp(), 94.9
    yield "fpnet_fpga", fpnet_fpga(), 48.0


def mlperf(system: str, *, quantised: bool) -> Iterator[Row]:
    """MobileNets of the MLPerf Inference edge results, SingleStream, median latency."""
    versions = {"v1": mobilenet_v1, "v2": mobilenet_v2}
    for row in read("edge_cpu_mlperf_singlestream.csv"):
        match row["model"].split("-", 4):
            case ["mobilenet", "v1" | "v2" as version, width, resolution, kind]:
                if row["system"] == system and (kind == "quantized") is quantised:
                    graph = versions[version](resolution=int(resolution), width=float(width))
                    yield row["model"], graph, float(row["p50_ms"])


def accel_nasbench_fpga(device: str) -> Iterator[Row]:
    """Accel-NASBench's networks on the DPU of a `zcu102` (batch 1) or `vck190` (batch 6)."""
    for row in read("fpga_accel_nasbench_224px.csv"):
        if row[f"{device}_latency_ms"]:
            stages = [
                Stage(
                    int(row[f"block{stage}_e"]),
                    int(row[f"block{stage}_k"]),
                    int(row[f"block{stage}_l"]),
                    excites=row[f"block{stage}_se"] == "True",
                )
                for stage in range(7)
            ]
            name = "-".join(map(str, stages))
            yield name, accel_nasbench(stages), float(row[f"{device}_latency_ms"])


def read(name: str) -> list[dict[str, str]]:
    """The rows of a published table."""
    folder = Path(os.environ.get("FPC_DATA", Path(__file__).parents[2].parent / "shared"))
    with (folder / "data" / "latency" / name).open(newline="") as file:
        return list(csv.DictReader(file))
