"""Other people's int8 quantisers, each given the same float network and calibration arrays.

Every function gives a callable from one sample (NCHW, float32) to the class scores.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

Sample = NDArray[np.float32]
Scores = Callable[[Sample], NDArray[np.float32]]


class _Reader(CalibrationDataReader):
    def __init__(self, name: str, samples: NDArray[np.float32]) -> None:
        self._feeds = iter([{name: sample[None]} for sample in samples])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def _session(model: str | bytes) -> Scores:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda sample: np.ravel(session.run(None, {name: sample[None]})[0])


def float_scores(model: Path) -> Scores:
    """The float network in onnxruntime."""
    return _session(str(model))


def fixed_batch(model: Path) -> bytes:
    """The network with its batch fixed to 1, which the peers' tools need."""
    proto = onnx.load(model)
    for graph_input in proto.graph.input:
        dims = graph_input.type.tensor_type.shape.dim
        if dims and not dims[0].dim_value:
            dims[0].dim_value = 1
    return proto.SerializeToString()


def onnxruntime_int8(
    model: Path,
    calibration: NDArray[np.float32],
    *,
    percentile: float | None = None,
) -> Scores:
    """`onnxruntime_int8_model` in onnxruntime."""
    return _session(onnxruntime_int8_model(fixed_batch(model), calibration, percentile=percentile))


def onnxruntime_int8_model(
    model: bytes,
    calibration: NDArray[np.float32],
    *,
    percentile: float | None = None,
) -> bytes:
    """`quantize_static`, per-channel QDQ, uint8 activations, min-max or percentile."""
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, out = (str(Path(folder) / n) for n in ("a.onnx", "b.onnx", "c.onnx"))
        Path(source).write_bytes(model)
        quant_pre_process(source, prepared)
        name = onnx.load(prepared).graph.input[0].name
        options: dict[str, Any] = {}
        method = CalibrationMethod.MinMax
        if percentile is not None:
            method = CalibrationMethod.Percentile
            options = {"CalibPercentile": percentile}
        quantize_static(
            prepared,
            out,
            _Reader(name, calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=method,
            extra_options=options,
        )
        return Path(out).read_bytes()


def edge_quantizer_int8(float_tflite: bytes, calibration: NDArray[np.float32]) -> bytes:
    """AI Edge Quantizer, static int8 with per-channel weights, true min-max ranges.

    Its default averages the ranges of single samples; `min_max_update` takes the extremes of all.
    """
    from ai_edge_quantizer import calibrator, quantizer, recipe
    from ai_edge_quantizer.utils import qsv_utils

    tool = quantizer.Quantizer(float_tflite, recipe.static_wi8_ai8())
    gather = calibrator.Calibrator(
        float_tflite, num_threads=2, qsv_update_func=qsv_utils.min_max_update
    )
    runner = litert_signature(float_tflite)
    feeds = [{runner.input_name: sample[None]} for sample in calibration]
    gather.calibrate({"serving_default": feeds}, tool._recipe_manager)  # noqa: SLF001
    return bytes(tool.quantize(gather.get_model_qsvs()).quantized_model)


class litert_signature:  # noqa: N801 - reads as a function
    """A .tflite file in LiteRT's default kernels, inputs and outputs as reals."""

    def __init__(self, content: bytes, threads: int = 2) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._interpreter.allocate_tensors()
        runner = self._interpreter.get_signature_runner()
        self.input_name = next(iter(runner.get_input_details()))
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    def __call__(self, sample: Sample) -> NDArray[np.float32]:
        """The scores of one sample, NHWC or NCHW as the file takes it."""
        batch = sample[None]
        if tuple(self._input["shape"]) != batch.shape:
            batch = batch.transpose(0, 2, 3, 1)
        scale, zero_point = self._input["quantization"]
        dtype = self._input["dtype"]
        if scale:
            info = np.iinfo(dtype)
            batch = np.clip(np.rint(batch / scale) + zero_point, info.min, info.max)
        self._interpreter.set_tensor(self._input["index"], np.ascontiguousarray(batch, dtype))
        self._interpreter.invoke()
        scores = np.ravel(self._interpreter.get_tensor(self._output["index"]))
        scale, zero_point = self._output["quantization"]
        return (scores.astype(np.float32) - zero_point) * scale if scale else scores
