"""Published accuracies of networks of the spaces that come with fpc, and of resolutions.

Files are read from `$FPC_DATA/data/latency` (default `../shared`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.latency.datasets import read
from fpc.search import catalog
from fpc.search.space.description import Block, Setting, StageChoice, Subnet


def fox_nas() -> Iterator[tuple[Subnet, float, float]]:
    """Subnet, quantised ImageNet top-1 in percent, and Raspberry Pi 4 latency in milliseconds."""
    stages = catalog.load("fox-nas").stages
    for row in read("rpi4_foxnas_256px.csv"):
        choices = tuple(
            StageChoice(stage.channels[0], tuple(Block(e, k, stage.excites[0]) for e, k in blocks))
            for stage, blocks in zip(stages, json.loads(row["stages_expand_kernel"]), strict=True)
        )
        yield Subnet(Setting(256), choices), float(row["top1_percent"]), float(row["latency_ms"])


def accel_nasbench() -> Iterator[tuple[Subnet, float, float]]:
    """Subnet, proxy top-1 in percent, and ZCU102 latency in milliseconds (NaN where none)."""
    stages = catalog.load("mnasnet").stages
    for row in read("fpga_accel_nasbench_224px.csv"):
        choices = tuple(
            StageChoice(
                stage.channels[0],
                (
                    Block(
                        int(row[f"block{number}_e"]),
                        int(row[f"block{number}_k"]),
                        row[f"block{number}_se"] == "True",
                    ),
                )
                * int(row[f"block{number}_l"]),
            )
            for number, stage in enumerate(stages)
        )
        latency = float(row["zcu102_latency_ms"] or "nan")
        yield Subnet(Setting(224), choices), float(row["val_top1_percent"]), latency


def mobilenets_by_resolution() -> dict[str, dict[int, float]]:
    """ImageNet top-1 in percent of int8 MobileNets by version and width, then by resolution."""
    found: dict[str, dict[int, float]] = {}
    for row in read("edge_cpu_mlperf_singlestream.csv"):
        match row["model"].split("-", 4):
            case ["mobilenet", "v1" | "v2" as version, width, resolution, "quantized"]:
                if row["system"] == "rpi4-tflite-v2.7.1-ruy":
                    of_network = found.setdefault(f"{version} {width}", {})
                    of_network[int(resolution)] = float(row["acc"])
    return {name: tops for name, tops in found.items() if 224 in tops and len(tops) > 1}
