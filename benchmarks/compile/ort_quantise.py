"""The peer's whole job as one process: read images, calibrate, `quantize_static`, write.

python -m benchmarks.compile.ort_quantise MODEL IMAGES.npy OUT [--torch | --no-torch]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx


class _Reader:
    """What onnxruntime calls a calibration data reader: anything with `get_next`."""

    def __init__(self, name: str, images: Path) -> None:
        self._feeds = self._walk(name, np.load(images, mmap_mode="r"))

    @staticmethod
    def _walk(name: str, pixels: Any) -> Iterator[dict[str, Any]]:
        for image in pixels:
            yield {name: (image[None].astype(np.float32) - 128) / 128}

    def get_next(self) -> dict[str, Any] | None:
        """The next image."""
        return next(self._feeds, None)


def main(model: str, images: str, out: str, torch: str = "--torch") -> None:
    """Quantise as onnxruntime's documentation says to: pre-process, then static QDQ.

    Its tools import torch where that is installed, which takes a second and serves nothing here;
    `--no-torch` hides it from them.
    """
    if torch == "--no-torch":
        sys.modules["torch"] = None  # pyright: ignore[reportArgumentType]
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        prepared = str(Path(folder) / "prepared.onnx")
        quant_pre_process(model, prepared)
        name = onnx.load(prepared).graph.input[0].name
        quantize_static(
            prepared,
            out,
            _Reader(name, Path(images)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
