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

from benchmarks.tvm.networks import NETWORKS, artifact
from fpc.measure.litert import LiteRtModel
from fpc.measure.tvm import TvmModel

_RUNS = 9


def ratio(name: str, rounds: int) -> float:
    """The ratio of the least medians of a round, printed."""
    models = TvmModel(artifact(name, "tvm", "host")), LiteRtModel(artifact(name, "tflite", "host"))
    medians = [[statistics.median(model.time_ms(_RUNS)) for model in models] for _ in range(rounds)]
    ours_ms, theirs_ms = map(min, zip(*medians, strict=True))
    found = ours_ms / theirs_ms
    print(f"{name:24} TVM {ours_ms:7.3f} ms  LiteRT {theirs_ms:7.3f} ms  ratio {found:.3f}")
    return found


def main() -> None:
    """Print every ratio and their geometric mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} when started")
    ratios = [ratio(name, options.rounds) for name in options.networks]
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    print(f"measured, this machine, 1 thread, int8: geometric mean of ratios {mean:.3f}")


if __name__ == "__main__":
    main()
