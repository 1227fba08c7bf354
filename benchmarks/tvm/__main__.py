"""How fast networks compiled by TVM run, beside LiteRT and onnxruntime.

    python -m benchmarks.tvm [--rounds N] [NETWORK ...]

LiteRT runs fpc's own int8 file of the same network; onnxruntime runs the float network, and what
its own `quantize_static` makes of that. One process runs all of them in turn with one thread; the
round in which each ran fastest counts. Ratios below 1 are in favour of TVM.
"""

from __future__ import annotations

import os
import statistics

from benchmarks.tvm.networks import artifact
from benchmarks.tvm.onnxruntime import OnnxRuntimeModel, float_model, int8_model
from benchmarks.tvm.options import parser_of
from benchmarks.tvm.rounds import Timed, latencies_ms
from fpc.measure.litert.model import LiteRtModel
from fpc.measure.tvm.model import TvmModel

_PEERS = ("LiteRT int8", "onnxruntime int8", "onnxruntime float32")


def models(name: str) -> dict[str, Timed]:
    """A network made ready to run in every runtime, TVM first."""
    peers = (
        LiteRtModel(artifact(name, "tflite", "host")),
        OnnxRuntimeModel(int8_model(name)),
        OnnxRuntimeModel(float_model(name)),
    )
    return {"TVM": TvmModel(artifact(name, "tvm", "host")), **dict(zip(_PEERS, peers, strict=True))}


def ratios(name: str, rounds: int) -> list[float]:
    """TVM's latency by that of every peer, printed."""
    ours_ms, *theirs_ms = latencies_ms(models(name), rounds).values()
    found = [ours_ms / latency_ms for latency_ms in theirs_ms]
    columns = (f"{ms:13.3f} {ratio:6.3f}" for ms, ratio in zip(theirs_ms, found, strict=True))
    print(f"{name:24} {ours_ms:7.3f}", *columns, flush=True)
    return found


def main() -> None:
    """Print all latencies in milliseconds, every ratio, and their geometric means."""
    options = parser_of(__doc__).parse_args()
    print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} when started")
    print(f"{'measured, ms, 1 thread':24} {'TVM':>7}", *(f"{peer:>20}" for peer in _PEERS))
    found = [ratios(name, options.rounds) for name in options.networks]
    means = (statistics.geometric_mean(column) for column in zip(*found, strict=True))
    print(f"{'geometric mean of ratios':32}", *(f"{mean:20.3f}" for mean in means))


if __name__ == "__main__":
    main()
