"""Running IR graphs in onnxruntime: the fast way to calibrate and to compare."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fpc.backends.onnx.emit import emit_shared
from fpc.diagnostics.errors import BackendError
from fpc.interp.runner import Runner
from fpc.ir.constant import Array
from fpc.ir.graph import Graph

_ONLY_ERRORS = 3


def onnxruntime_runner(graph: Graph, threads: int = 0) -> Runner:
    """A runner of `graph` on `threads` threads (0: all cores), for several callers at once.

    Float graphs compute what onnxruntime computes for them; quantised graphs run in QDQ form, whose
    rounding is onnxruntime's own. `BackendError` when onnxruntime refuses the graph.
    """
    model, constants = emit_shared(graph)
    return _Session(
        _session(model, constants, graph.name, threads),
        tuple(value.type.dtype.numpy for value in graph.inputs),
        constants,
    )


@dataclass(frozen=True)
class _Session:
    """An InferenceSession, and the constants that it reads where they are."""

    session: Any
    input_types: tuple[Any, ...]
    constants: Mapping[str, Array]

    def __call__(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        feeds = {
            info.name: array.astype(dtype, copy=False)
            for info, dtype, array in zip(
                self.session.get_inputs(), self.input_types, inputs, strict=True
            )
        }
        return tuple(self.session.run(None, feeds))


def _session(model: bytes, constants: Mapping[str, Array], name: str, threads: int) -> Any:
    onnxruntime: Any = importlib.import_module("onnxruntime")  # it ships no type information

    options = onnxruntime.SessionOptions()
    # Calibration keeps every activation: an arena and a plan for reusing it only add to the peak.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = _ONLY_ERRORS
    options.intra_op_num_threads = threads
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in constants.values()]
    options.add_external_initializers(list(constants), values)
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
