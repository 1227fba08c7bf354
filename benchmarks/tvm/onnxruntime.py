"""The peers in onnxruntime: the float network, and what its own tools make of it in int8."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.accuracy.peers import onnxruntime_int8_model
from benchmarks.tvm.networks import float_network, noise
from fpc.backends.onnx.emit import emit

_ONLY_ERRORS = 3


class OnnxRuntimeModel:
    """A model made ready to run."""

    def __init__(self, content: bytes, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = _ONLY_ERRORS
        options.intra_op_num_threads = threads
        self._session: Any = ort.InferenceSession(content, options, ["CPUExecutionProvider"])
        self._feeds = {
            info.name: np.zeros(info.shape, np.float32) for info in self._session.get_inputs()
        }

    def time_ms(self, repeats: int, *, warm_up: int = 3) -> tuple[float, ...]:
        """Wall-clock milliseconds of each of `repeats` runs on zeros, after `warm_up` more."""
        timings: list[float] = []
        for run in range(warm_up + repeats):
            started = time.perf_counter()
            self._session.run(None, self._feeds)
            if run >= warm_up:
                timings.append((time.perf_counter() - started) * 1e3)
        return tuple(timings)


def float_model(name: str) -> bytes:
    """A network as ONNX."""
    return emit(float_network(name)).SerializeToString()


def int8_model(name: str) -> bytes:
    """The same in QDQ form, quantised by onnxruntime."""
    network = float_network(name)
    return onnxruntime_int8_model(emit(network).SerializeToString(), noise(network)[:, 0])
