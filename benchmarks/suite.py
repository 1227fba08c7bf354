"""Real-world ONNX files through the whole road: imported, optimised, quantised, compiled, verified.

    python -m benchmarks.suite [--backend tvm] [--target host] [NAME ...]

One line a model: the largest error of the imported and optimised network against onnxruntime, in
parts of the output's range; the int8 network's SQNR on held-out images and the guard's verdict;
where nodes run; whether the artifact computes what fpc says, which with the back end tvm means
every bit of every output. Eight pictures calibrate, which is few, and some networks ship with
constant weights: SQNR is there to be looked at, not compared.
"""

from __future__ import annotations

import argparse
import csv
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import fpc
from benchmarks.accuracy.networks import data_root
from fpc.backends.onnx.file import OnnxFile
from fpc.backends.onnx.runner import onnxruntime_runner
from fpc.diagnostics.errors import FpcError
from fpc.driver.options import BackendName
from fpc.report.schema import VerificationPart

_IMAGES = 8
_NORMALISATION = (
    ("yunet", 0.0, 1.0),
    ("yolox", 0.0, 1.0),
    ("light", 115.0, 1.0),
    ("qonnx", 0.0, 255.0),
    ("", 127.5, 127.5),
)


def images(name: str, shape: tuple[int, ...]) -> list[NDArray[np.float32]]:
    """Pictures a network was made for, as it takes them; noise where its input is no image."""
    if len(shape) != 4 or shape[1] not in (1, 3):
        random = np.random.default_rng(0)
        return [random.standard_normal(shape).astype(np.float32) for _ in range(_IMAGES)]
    mean, std = next((m, s) for prefix, m, s in _NORMALISATION if name.startswith(prefix))
    draw = _page if name.startswith("ch_") else _photograph
    found: list[NDArray[np.float32]] = []
    for number in range(_IMAGES):
        image = draw(number).convert("L" if shape[1] == 1 else "RGB")
        pixels = (np.asarray(image.resize((shape[3], shape[2])), np.float32) - mean) / std
        pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        found.append(np.ascontiguousarray(pixels[None], np.float32))
    return found


def _photograph(number: int) -> Image.Image:
    folder = data_root() / "data" / "images" / "imagenet"
    return Image.open(sorted(folder.glob("*.jpg"))[60 * number])


def _page(number: int) -> Image.Image:
    """Lines of text on paper, for the readers of text."""
    page = Image.new("RGB", (320, 320), (250 - number, 248, 240))
    pen = ImageDraw.Draw(page)
    for line in range(5):
        size = 18 + 4 * ((number + line) % 4)
        pen.text(
            (10 + 3 * number, 12 + 60 * line),
            f"fpc {number} reads {line}",
            "black",
            font=ImageFont.load_default(size),
        )
    return page


def float_error(path: Path, shape: tuple[int, ...], sample: NDArray[np.float32]) -> float:
    """Largest difference of any output between the file and the optimised graph, over its range.

    A range below 1e-3 counts as that: networks with constant weights answer a constant.
    """
    original = OnnxFile(path, {"": shape})
    graph = fpc.optimize(fpc.load(path, input_shapes={original.inputs[0].name: shape}))
    pairs = zip(original([sample]), onnxruntime_runner(graph)([sample]), strict=True)
    return max(
        float(np.abs(want - got).max() / max(float(np.ptp(want)), 1e-3)) for want, got in pairs
    )


def line(path: Path, shape: tuple[int, ...], target: str, backend: BackendName | None) -> str:
    """What became of one file."""
    samples = images(path.name, shape)
    try:
        error = float_error(path, shape, samples[0])
        name = OnnxFile(path, {"": shape}).inputs[0].name
        started = time.perf_counter()
        report = fpc.compile(
            path,
            target=target,
            backend=backend,
            precision="int8",
            calibration=samples,
            input_shapes={name: shape},
            allow_degraded=True,
        ).report
        seconds = time.perf_counter() - started
    except FpcError as problem:
        return f"{path.name:<54} {problem}"
    assert report.quantisation is not None
    quality, placed = report.quantisation.quality, report.placement
    return (
        f"{path.name:<54} float {error:7.1e}  int8 {quality.sqnr_db:5.1f} dB {quality.verdict:<10}"
        f" {placed.fast_nodes:3d}/{len(placed.nodes):3d} on {placed.fast_unit}  "
        f"{_verdict(report.verification):<24} {seconds:6.1f} s"
    )


def _verdict(checked: VerificationPart | None) -> str:
    if checked is None:
        return "not run"
    if checked.exact:
        return f"{checked.elements} exact"
    return f"{checked.different}/{checked.elements} differ"


def models() -> Iterator[tuple[Path, tuple[int, ...]]]:
    """The files and the shapes of their inputs: those of the suite, then trained classifiers."""
    root = data_root() / "models"
    with (root / "suite" / "MANIFEST.csv").open(newline="") as manifest:
        for row in csv.DictReader(manifest):
            found = re.search(r"in\[\[([\d, ]+)\]", row["ort"])
            if found is not None:
                yield root / "suite" / row["file"], tuple(map(int, found[1].split(",")))
    for path in sorted((root / "trained").glob("*.onnx")):
        yield path, OnnxFile(path, {}).inputs[0].shape


def main() -> None:
    """Print a line a model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a file's name")
    parser.add_argument("--target", default="rpi4-arm")
    parser.add_argument(
        "--backend", choices=get_args(BackendName), help="the target's own by default"
    )
    options = parser.parse_args()
    for path, shape in models():
        if not options.names or any(name in path.name for name in options.names):
            print(line(path, shape, options.target, options.backend), flush=True)


if __name__ == "__main__":
    main()
