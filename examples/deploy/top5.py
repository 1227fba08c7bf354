"""Prints the five likeliest classes of an image, from Python and from C++.

fpc compile MODEL.onnx --target host --backend tvm --int8 --image-input ... \
    --output-type float32 -o ARTIFACT
make -C ARTIFACT
python examples/deploy/top5.py ARTIFACT IMAGE
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import fpc


def pixels_of(image: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The middle of an image file, scaled: uint8 of `shape`, [1, height, width, 1 or 3]."""
    _, height, width, channels = shape
    with Image.open(image) as opened:
        fitted = ImageOps.fit(opened.convert("L" if channels == 1 else "RGB"), (width, height))
    return np.asarray(fitted, np.uint8).reshape(shape)


def main() -> None:
    """Classify the image that is the second argument with the artifact that is the first."""
    artifact, image = Path(sys.argv[1]), Path(sys.argv[2])
    model = fpc.TvmModel(artifact)
    pixels = pixels_of(image, model.inputs[0].shape)

    print("from Python")
    scores = model([pixels])[0].ravel()
    for index in np.argsort(-scores, kind="stable")[:5]:
        print(f"{index:6d} {scores[index]:10.4f}")

    print("from C++", flush=True)
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        pixels.tofile(file.name)
        subprocess.run([artifact / "run", artifact, file.name], check=True)


if __name__ == "__main__":
    main()
