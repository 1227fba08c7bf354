"""What int16 activations and float32 give and cost beside int8, all on kernels compiled by TVM.

    python -m benchmarks.tvm.precision [--activations] [--rounds N] [NAME ...]

100 images calibrate, all others judge: SQNR is that of the class scores over them, against
onnxruntime on the float network. Both integer precisions have int8 weights, whose noise covers that
of int16 activations; with `--activations` the float network's weights are rounded to 8 bits first,
and what is left is the activations' own. Latencies are taken in one process and one thread, the
precisions in turn; slowdowns are medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

import fpc
from benchmarks.accuracy.__main__ import judge
from benchmarks.accuracy.networks import Network, networks
from fpc.backends.onnx.runner import onnxruntime_runner
from fpc.ir.graph import Graph
from fpc.ir.ops import Conv2d, Dense
from fpc.measure.tvm import TvmModel

Precision = Literal["int8", "int16", "float32"]

_PRECISIONS: tuple[Precision, ...] = ("int8", "int16", "float32")
_RUNS = 15


@dataclass(frozen=True)
class Compiled:
    """A network in one precision, and the SQNR of its class scores."""

    model: TvmModel
    sqnr_db: float


def float_network(network: Network, *, int8_weights: bool) -> Graph:
    """`network` optimised; every filter rounded to 255 steps of its own where that is asked for."""
    graph = fpc.compile(network.path, target="host").float_graph
    for node in list(graph):
        if int8_weights and isinstance(node.op, Conv2d | Dense):
            weights = node.input(1).data
            greatest = np.abs(weights.reshape(len(weights), -1)).max(axis=1)
            scales = (greatest / 127).reshape(-1, *[1] * (weights.ndim - 1))
            rounded = np.rint(weights / np.maximum(scales, 1e-30)) * scales
            graph.set_input(node, 1, graph.constant(rounded.astype(np.float32)))
    return graph


def compiled(network: Network, graph: Graph, precision: Precision, recipe: str) -> Compiled:
    """`graph`, the float form of `network`, compiled for this machine, and judged."""
    samples, labels = network.samples()
    calibration, evaluation = network.split()
    is_float = precision == "float32"
    content = fpc.compile(
        graph,
        target="host",
        backend="tvm",
        precision=precision,
        calibration=None if is_float else [samples[i][None] for i in calibration],
        preprocessing=network.preprocessing,
        recipe=recipe,
        input_type=None if is_float else "float32",
        output_type=None if is_float else "float32",
        io_layout="nchw",
        allow_degraded=True,
    ).model
    model, run_float = TvmModel(content), onnxruntime_runner(graph, 1)
    reference, scores = (
        np.stack([np.ravel(run([samples[i][None]])[0]) for i in evaluation])
        for run in (run_float, model)
    )
    truth = labels[evaluation] + network.label_offset
    return Compiled(model, judge(network, precision, reference, scores, truth, 0.0).sqnr_db)


def compare(network: Network, rounds: int, *, activations: bool) -> None:
    """Print one line a precision."""
    graph = float_network(network, int8_weights=activations)
    # Weights that are rounded already stay what they are under the plainest recipe only.
    recipe = "min-max" if activations else "auto"
    found: dict[Precision, Compiled] = {
        precision: compiled(network, graph, precision, recipe) for precision in _PRECISIONS
    }
    turns: list[dict[Precision, float]] = [
        {precision: statistics.median(it.model.time_ms(_RUNS)) for precision, it in found.items()}
        for _ in range(rounds)
    ]
    for precision, it in found.items():
        latency_ms = statistics.median(turn[precision] for turn in turns)
        print(
            f"{network.name:24} {precision:8} {latency_ms:8.3f} ms "
            f"{_slowdown(turns, precision):6.2f} times int8  SQNR {it.sqnr_db:6.1f} dB",
            flush=True,
        )


def _slowdown(turns: Sequence[Mapping[Precision, float]], precision: Precision) -> float:
    return statistics.median(turn[precision] / turn["int8"] for turn in turns)


def main() -> None:
    """Print every network in every precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--activations", action="store_true")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    print(f"measured, this machine, 1 thread, load {os.getloadavg()[0]:.1f} when started")
    for network in networks():
        if not options.names or network.name in options.names:
            compare(network, options.rounds, activations=options.activations)


if __name__ == "__main__":
    main()
