"""How fast networks compiled by TVM run, beside LiteRT and onnxruntime.

    python -m benchmarks.tvm [--rounds N] [--precision float32|int8|int16] [NETWORK ...]

TVM runs int8 where nothing else is said. LiteRT runs fpc's own int8 file of the same network;
onnxruntime runs the float network, and what its own `quantize_static` makes of that. One process
runs all of them in turn with one thread; the round in which each ran fastest counts. Ratios below 1
are in favour of TVM.
"""

from __future__ import annotations

import statistics
from typing import get_args

from benchmarks.machine import machine
from benchmarks.tvm.networks import artifact
from benchmarks.tvm.onnxruntime import OnnxRuntimeModel, float_model, int8_model
from benchmarks.tvm.options import parser_of
from benchmarks.tvm.rounds import Timed, latencies_ms
from fpc.api import PrecisionName
from fpc.measure.litert.model import LiteRtModel
from fpc.measure.tvm.model import TvmModel

_PEERS = ("LiteRT int8", "onnxruntime int8", "onnxruntime float32")


def models(name: str, precision: PrecisionName) -> dict[str, Timed]:
    """A network made ready to run in every runtime, first in TVM, in `precision`."""
    peers = (
        LiteRtModel(artifact(name, "tflite", "host")),
        OnnxRuntimeModel(int8_model(name)),
        OnnxRuntimeModel(float_model(name)),
    )
    return {
        "TVM": TvmModel(artifact(name, "tvm", "host", precision)),
        **dict(zip(_PEERS, peers, strict=True)),
    }


def ratios(name: str, rounds: int, precision: PrecisionName) -> list[float]:
    """TVM's latency by that of every peer, printed."""
    ours_ms, *theirs_ms = latencies_ms(models(name, precision), rounds).values()
    found = [ours_ms / latency_ms for latency_ms in theirs_ms]
    columns = (f"{ms:13.3f} {ratio:6.3f}" for ms, ratio in zip(theirs_ms, found, strict=True))
    print(f"{name:24} {ours_ms:7.3f}", *columns, flush=True)
    return found


def main() -> None:
    """Print all latencies in milliseconds, every ratio, and their geometric means."""
    parser = parser_of(__doc__)
    parser.add_argument("--precision", choices=get_args(PrecisionName), default="int8")
    options = parser.parse_args()
    print(f"machine: {machine()}")
    print(f"{'measured, ms, 1 thread':24} {'TVM':>7}", *(f"{peer:>20}" for peer in _PEERS))
    found = [ratios(name, options.rounds, options.precision) for name in options.networks]
    means = (statistics.geometric_mean(column) for column in zip(*found, strict=True))
    print(f"{'geometric mean of ratios':32}", *(f"{mean:20.3f}" for mean in means))


if __name__ == "__main__":
    main()
