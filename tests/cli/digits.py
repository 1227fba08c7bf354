"""The digits example, and what others than fpc make of it: onnxruntime and bare LiteRT."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

FOLDER = Path(__file__).parents[2] / "examples" / "digits"
MODEL = FOLDER / "digits.onnx"
CALIBRATION = FOLDER / "calibration.npz"
TEST = FOLDER / "test.npz"
NORMALISED = ("--mean", "127.5", "--std", "127.5")
CALIBRATED = (*NORMALISED, "--calib", CALIBRATION)
QUICK = ("--int8", *CALIBRATED, "--calib-limit", "24", "--recipe", "min-max")


@cache
def pixels() -> np.ndarray:
    """uint8 [500, 16, 16, 1]."""
    return np.load(TEST)["images"]


@cache
def labels() -> np.ndarray:
    return np.load(TEST)["labels"]


def normalised(pixels: np.ndarray) -> np.ndarray:
    """What the network was trained on, float32 NCHW."""
    return ((pixels.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)


def onnx_outputs(model: bytes | str, inputs: np.ndarray) -> np.ndarray:
    """The first output for each of `inputs` (without their batch axis)."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: one[None]})[0] for one in inputs])


@cache
def float_logits() -> np.ndarray:
    """[500, 10], by onnxruntime."""
    return onnx_outputs(str(MODEL), normalised(pixels()))


class TfLiteFile:
    """A .tflite file in LiteRT, without any of fpc in between."""

    def __init__(self, path: Path | bytes) -> None:
        content = path if isinstance(path, bytes) else path.read_bytes()
        self._interpreter = Interpreter(model_content=content)
        self._interpreter.allocate_tensors()
        self.input: dict[str, Any] = self._interpreter.get_input_details()[0]
        self.output: dict[str, Any] = self._interpreter.get_output_details()[0]

    def stored(self, inputs: np.ndarray) -> np.ndarray:
        """The first output for each of `inputs`, which are of the file's own type."""
        results = []
        for one in inputs:
            self._interpreter.set_tensor(self.input["index"], one[None])
            self._interpreter.invoke()
            results.append(self._interpreter.get_tensor(self.output["index"]))
        return np.concatenate(results)

    def real(self, inputs: np.ndarray) -> np.ndarray:
        """The same for real inputs and outputs."""
        scale, zero_point = self.input["quantization"]
        dtype = self.input["dtype"]
        if scale:
            limits = np.iinfo(dtype)
            inputs = np.clip(np.rint(inputs / scale) + zero_point, limits.min, limits.max)
        outputs = self.stored(inputs.astype(dtype))
        scale, zero_point = self.output["quantization"]
        return (outputs.astype(np.float32) - zero_point) * scale if scale else outputs


def same_class_percent(logits: np.ndarray) -> float:
    """How often `logits` and the float network's choose the same class."""
    reference = float_logits()[: len(logits)]
    return 100.0 * float((logits.argmax(1) == reference.argmax(1)).mean())


def sqnr_db(reference: np.ndarray, other: np.ndarray) -> float:
    noise = np.square(reference - other, dtype=np.float64).sum()
    return float(10 * np.log10(np.square(reference, dtype=np.float64).sum() / noise))
