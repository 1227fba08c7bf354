"""int8 accuracy of fpc and its peers on the same networks and images.

    python -m benchmarks.accuracy [NAME ...] [--recipe RECIPE] [--json FILE]

100 images calibrate, all others judge. Drop is in points of top-1; `r->w` and `w->r` count images
whose prediction turned from right to wrong and back; agreement is the share of equal top-1; SQNR is
that of the class scores over all images.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fpc
from benchmarks.accuracy.networks import Network, networks
from benchmarks.accuracy.peers import (
    Scores,
    edge_quantizer_int8,
    float_scores,
    litert_signature,
    onnxruntime_int8,
)


@dataclass(frozen=True)
class Row:
    """One tool on one network."""

    network: str
    tool: str
    float_top1: float
    top1: float
    drop: float
    right_to_wrong: int
    wrong_to_right: int
    agreement: float
    sqnr_db: float
    seconds: float


def judge(
    network: Network,
    tool: str,
    reference: NDArray[np.float32],
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    seconds: float,
) -> Row:
    """The figures of one tool."""
    right = reference.argmax(1) == labels
    right_int8 = scores.argmax(1) == labels
    noise = float(np.square(reference - scores, dtype=np.float64).sum())
    signal = float(np.square(reference, dtype=np.float64).sum())
    return Row(
        network.name,
        tool,
        100 * float(right.mean()),
        100 * float(right_int8.mean()),
        100 * float(right.mean() - right_int8.mean()),
        int((right & ~right_int8).sum()),
        int((~right & right_int8).sum()),
        100 * float((reference.argmax(1) == scores.argmax(1)).mean()),
        10 * float(np.log10(signal / max(noise, 1e-30))),
        seconds,
    )


def fpc_int8(network: Network, calibration: NDArray[np.float32] | None, recipe: str) -> bytes:
    """The int8 file that fpc writes; data-free without calibration arrays."""
    compiled = fpc.compile(
        network.path,
        target="rpi4-arm",
        precision="int8",
        calibration=None if calibration is None else [sample[None] for sample in calibration],
        preprocessing=network.preprocessing,
        recipe=recipe,
        output_type="float32",
        allow_degraded=True,
    )
    return compiled.model


def run(network: Network, recipe: str, *, peers: bool) -> list[Row]:
    """All tools on one network."""
    samples, labels = network.samples()
    calibration, evaluation = network.split()
    truth = labels[evaluation] + network.label_offset
    run_float = float_scores(network.path)
    reference = np.stack([run_float(samples[i]) for i in evaluation])

    def row(tool: str, make: Callable[[], Scores]) -> Row:
        started = time.perf_counter()
        scorer = make()
        seconds = time.perf_counter() - started
        scores = np.stack([scorer(samples[i]) for i in evaluation])
        found = judge(network, tool, reference, scores, truth, seconds)
        print(_line(found), flush=True)
        return found

    chosen = samples[calibration]
    rows = [
        row(f"fpc {recipe}", lambda: litert_signature(fpc_int8(network, chosen, recipe))),
        row("fpc data-free", lambda: litert_signature(fpc_int8(network, None, recipe))),
    ]
    if peers:
        rows += [
            row("ORT min-max", lambda: onnxruntime_int8(network.path, chosen)),
            row("ORT 99.99", lambda: onnxruntime_int8(network.path, chosen, percentile=99.99)),
            row("ORT 99.999", lambda: onnxruntime_int8(network.path, chosen, percentile=99.999)),
            row("AEQ min-max", lambda: _edge_quantizer(network, chosen)),
        ]
    return rows


def _edge_quantizer(network: Network, calibration: NDArray[np.float32]) -> Scores:
    float_file = fpc.compile(network.path, target="rpi4-arm", io_layout="nhwc").model
    return litert_signature(
        edge_quantizer_int8(float_file, calibration.transpose(0, 2, 3, 1).copy())
    )


def _line(row: Row) -> str:
    return (
        f"{row.network:<20} {row.tool:<16} float {row.float_top1:5.1f}  int8 {row.top1:5.1f}  "
        f"drop {row.drop:+5.2f}  r->w {row.right_to_wrong:3d}  w->r {row.wrong_to_right:3d}  "
        f"agree {row.agreement:5.1f} %  SQNR {row.sqnr_db:5.1f} dB  {row.seconds:6.1f} s"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="networks whose name contains one of these")
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: list[Row] = []
    for network in networks():
        if not options.names or any(n.lower() in network.name.lower() for n in options.names):
            rows += run(network, options.recipe, peers=not options.no_peers)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))


if __name__ == "__main__":
    main()
