"""What int16 activations and float32 give and cost beside int8, all on kernels compiled by TVM.

    python -m benchmarks.tvm.precision [--rounds N] [NAME ...]

100 images calibrate, all others judge: SQNR is that of the class scores over them, against
onnxruntime on the float network. int16 has wide weights, of as many bits as 32-bit sums hold; the
fewest and the most that a layer got are printed. Latencies are taken in one process and one thread,
the precisions in turn; slowdowns are medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

import fpc
from benchmarks.accuracy.__main__ import judge
from benchmarks.accuracy.networks import Network, networks
from benchmarks.machine import machine
from fpc.backends.onnx.runner import onnxruntime_runner
from fpc.measure.tvm.model import TvmModel

Precision = Literal["int8", "int16", "float32"]

_PRECISIONS: tuple[Precision, ...] = ("int8", "int16", "float32")
_RUNS = 15


@dataclass(frozen=True)
class Compiled:
    """A network in one precision, the SQNR of its class scores, and the bits of its weights."""

    model: TvmModel
    sqnr_db: float
    weights: str


def compiled(network: Network, precision: Precision) -> Compiled:
    """`network` compiled for this machine, and judged."""
    samples, labels = network.samples()
    calibration, evaluation = network.split()
    is_float = precision == "float32"
    made = fpc.compile(
        network.path,
        target="host",
        backend="tvm",
        precision=precision,
        calibration=None if is_float else [samples[i][None] for i in calibration],
        preprocessing=network.preprocessing,
        input_type=None if is_float else "float32",
        output_type=None if is_float else "float32",
        io_layout="nchw",
        allow_degraded=True,
    )
    model, run_float = TvmModel(made.model), onnxruntime_runner(made.float_graph, 1)
    reference, scores = (
        np.stack([np.ravel(run([samples[i][None]])[0]) for i in evaluation])
        for run in (run_float, model)
    )
    truth = labels[evaluation] + network.label_offset
    sqnr_db = judge(network, precision, reference, scores, truth, 0.0).sqnr_db
    bits = None if made.report.quantisation is None else made.report.quantisation.weight_bits
    return Compiled(model, sqnr_db, "" if bits is None else f"weights of {bits[0]}-{bits[1]} bits")


def compare(network: Network, rounds: int) -> None:
    """Print one line a precision."""
    found = {precision: compiled(network, precision) for precision in _PRECISIONS}
    turns: list[dict[Precision, float]] = [
        {precision: statistics.median(it.model.time_ms(_RUNS)) for precision, it in found.items()}
        for _ in range(rounds)
    ]
    for precision, it in found.items():
        latency_ms = statistics.median(turn[precision] for turn in turns)
        print(
            f"{network.name:24} {precision:8} {latency_ms:8.3f} ms "
            f"{_slowdown(turns, precision):6.2f} times int8  SQNR {it.sqnr_db:6.1f} dB  "
            f"{it.weights}",
            flush=True,
        )


def _slowdown(turns: Sequence[Mapping[Precision, float]], precision: Precision) -> float:
    return statistics.median(turn[precision] / turn["int8"] for turn in turns)


def main() -> None:
    """Print every network in every precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    print(f"measured, 1 thread, machine: {machine()}")
    for network in networks():
        if not options.names or network.name in options.names:
            compare(network, options.rounds)


if __name__ == "__main__":
    main()
