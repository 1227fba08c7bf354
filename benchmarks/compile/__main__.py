"""How long compilation takes, and how fast the written files run, beside peers.

    python -m benchmarks.compile [--rounds N]

Ratios below 1 are in fpc's favour. Wall time and peak memory are of whole processes run in turn;
latencies are of one process that runs both files in turn with one thread.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import fpc
from benchmarks.accuracy.networks import Network, networks
from benchmarks.accuracy.peers import edge_quantizer_int8, fixed_batch
from benchmarks.compile.networks import fasternet_t0, mobilenet_v3_large
from benchmarks.compile.processes import Pair, alternate
from benchmarks.machine import machine
from fpc.measure.litert.model import LiteRtModel


def compile_time(rounds: int) -> None:
    """`fpc compile --int8` of MobileNetV2-224 with 100 images against `quantize_static`."""
    network = next(n for n in networks() if n.name.startswith("MobileNetV2"))
    with tempfile.TemporaryDirectory() as folder:
        model, images = Path(folder) / "model.onnx", Path(folder) / "images.npy"
        model.write_bytes(fixed_batch(network.path))
        np.save(images, _pixels(network))
        ours = [
            str(Path(sys.executable).with_name("fpc")),
            "compile",
            str(model),
            "--int8",
            "--mean",
            "128",
            "--std",
            "128",
            "--calib",
            str(images),
            "-o",
            f"{folder}/out",
        ]
        theirs = [
            sys.executable,
            "-m",
            "benchmarks.compile.ort_quantise",
            str(model),
            str(images),
            f"{folder}/ort.onnx",
        ]
        for torch in ("--torch", "--no-torch") if find_spec("torch") else ("--no-torch",):
            _print_ratios(torch, alternate(ours, [*theirs, torch], rounds))


def _print_ratios(torch: str, pair: Pair) -> None:
    ours_s, theirs_s = (
        statistics.median(usage.seconds for usage in usages) for usages in (pair.first, pair.second)
    )
    ours_mb, theirs_mb = (
        statistics.median(usage.peak_mb for usage in usages) for usages in (pair.first, pair.second)
    )
    installed = "installed" if torch == "--torch" else "hidden or not installed"
    print(
        f"compile MobileNetV2, 100 images: fpc {ours_s:.1f} s {ours_mb:.0f} MB, onnxruntime, torch "
        f"{installed}, {theirs_s:.1f} s {theirs_mb:.0f} MB; "
        f"wall ratio {pair.wall_ratio:.2f}, memory ratio {pair.memory_ratio:.2f}"
    )


def _pixels(network: Network) -> np.ndarray:
    samples, _ = network.samples()
    calibration, _ = network.split()
    return np.rint(samples[calibration] * 128 + 128).astype(np.uint8)


def latency(name: str, ours: bytes, theirs: bytes, label: str, rounds: int) -> None:
    """Median over rounds of the ratio of two files' single-thread latencies, in turn."""
    models = LiteRtModel(ours), LiteRtModel(theirs)
    ratios: list[float] = []
    medians: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        pair = [statistics.median(model.time_ms(15)) for model in models]
        ratios.append(pair[0] / pair[1])
        for value, into in zip(pair, medians, strict=True):
            into.append(value)
    print(
        f"{name}: fpc {statistics.median(medians[0]):.2f} ms, {label} "
        f"{statistics.median(medians[1]):.2f} ms (measured, this machine, 1 thread); "
        f"ratio {statistics.median(ratios):.3f}"
    )


def latencies(rounds: int) -> None:
    """The written files against AI Edge Quantizer's."""
    random = np.random.default_rng(0)
    network = next(n for n in networks() if n.name.startswith("MobileNetV2"))
    subjects = {
        "MobileNetV2 1.0": (network.path, "rpi4-arm"),
        "FasterNet-T0": (fasternet_t0(), "rpi4-arm"),
        "MobileNetV3-large": (mobilenet_v3_large(), "host"),
    }
    for name, (model, target) in subjects.items():
        batch = [random.standard_normal((1, 3, 224, 224)).astype(np.float32) for _ in range(4)]
        ours = fpc.compile(
            model,
            target=target,
            precision="int8",
            calibration=batch,
            recipe="min-max",
            allow_degraded=True,
        ).model
        float_file = fpc.compile(model, target="rpi4-arm").model
        calibration = np.concatenate(batch).transpose(0, 2, 3, 1).copy()
        theirs = edge_quantizer_int8(float_file, calibration)
        latency(name, ours, theirs, "AI Edge Quantizer", rounds)


def main() -> None:
    """Print every ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("compile", "latency"))
    options = parser.parse_args()
    print(f"machine: {machine()}")
    if options.only != "latency":
        compile_time(options.rounds)
    if options.only != "compile":
        latencies(options.rounds)


if __name__ == "__main__":
    main()
