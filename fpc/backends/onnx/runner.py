"""Running IR graphs in onnxruntime: the fast way to calibrate and to compare."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from fpc.backends.onnx.emit import emit_bytes
from fpc.diagnostics.errors import BackendError
from fpc.interp.runner import Runner
from fpc.ir.constant import Array
from fpc.ir.graph import Graph

_ONLY_ERRORS = 3


def onnxruntime_runner(graph: Graph, threads: int = 0) -> Runner:
    """A runner of `graph` on `threads` threads (0: one for every core of this machine).

    Several threads at once may call it.

    Float graphs compute what onnxruntime computes for them; quantised graphs run in QDQ form, whose
    rounding is onnxruntime's own. `BackendError` when onnxruntime refuses the graph.
    """
    session = _session(emit_bytes(graph), graph.name, threads)
    names: list[str] = [value.name for value in session.get_inputs()]
    dtypes = [value.type.dtype.numpy for value in graph.inputs]

    def run(inputs: Sequence[Array]) -> tuple[Array, ...]:
        feeds = {
            name: array.astype(dtype, copy=False)
            for name, dtype, array in zip(names, dtypes, inputs, strict=True)
        }
        return tuple(session.run(None, feeds))

    return run


def _session(model: bytes, name: str, threads: int) -> Any:
    onnxruntime: Any = importlib.import_module("onnxruntime")  # it ships no type information

    options = onnxruntime.SessionOptions()
    # Calibration keeps every activation: an arena and a plan for reusing it only add to the peak.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = _ONLY_ERRORS
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        raise BackendError(
            "onnxruntime-refused",
            f"onnxruntime does not run graph @{name}: {error}",
            help="use the numpy interpreter for this graph",
        ) from error
