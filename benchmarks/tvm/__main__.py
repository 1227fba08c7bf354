"""How fast networks compiled by TVM run, beside LiteRT on fpc's own int8 file of the same network.

    python -m benchmarks.tvm [--rounds N] [NETWORK ...]

One process runs both in turn with one thread; the round in which each ran fastest counts, since
neighbours of the machine slow rounds down and never speed them up. Ratios below 1 are in favour of
TVM.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from typing import Literal

import numpy as np

import fpc
from fpc.ir.graph import Graph
from fpc.measure.litert import LiteRtModel
from fpc.measure.tvm import TvmModel
from fpc.zoo import catalog

_RUNS = 9
_NETWORKS: dict[str, str] = {
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3-large": "mobilenet_v3_large",
    "MobileNetV3-large ReLU": "mobilenet_v3_large_minimalistic",
    "EfficientNet-Lite0": "efficientnet_lite0",
    "FasterNet-T0": "fasternet_t0",
    "SqueezeNet 1.1": "squeezenet_1_1",
}


def artifact(network: Graph, backend: Literal["tflite", "tvm"]) -> bytes:
    """`network` in int8 for this machine, ranges from noise: values do not change the time."""
    random = np.random.default_rng(0)
    shape = network.inputs[0].type.shape
    noise = [random.standard_normal(shape).astype(np.float32) for _ in range(3)]
    return fpc.compile(
        network,
        target="host",
        backend=backend,
        precision="int8",
        calibration=noise,
        recipe="min-max",
        allow_degraded=True,
    ).model


def ratio(name: str, network: Graph, rounds: int) -> float:
    """The ratio of the least medians of a round, printed."""
    models = TvmModel(artifact(network, "tvm")), LiteRtModel(artifact(network, "tflite"))
    medians = [[statistics.median(model.time_ms(_RUNS)) for model in models] for _ in range(rounds)]
    ours_ms, theirs_ms = map(min, zip(*medians, strict=True))
    found = ours_ms / theirs_ms
    print(f"{name:24} TVM {ours_ms:7.3f} ms  LiteRT {theirs_ms:7.3f} ms  ratio {found:.3f}")
    return found


def main() -> None:
    """Print every ratio and their geometric mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(_NETWORKS))
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} when started")
    ratios = [
        ratio(name, catalog.build(_NETWORKS[name], seed=0), options.rounds)
        for name in options.networks
    ]
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    print(f"measured, this machine, 1 thread, int8: geometric mean of ratios {mean:.3f}")


if __name__ == "__main__":
    main()
