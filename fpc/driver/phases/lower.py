"""The second half of the road: a finished graph becomes a file, and the file something to run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Literal

from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.interp.runner import Runner, RunnerFactory
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.passes.presets import pipeline_of
from fpc.quant.scheme import Scheme
from fpc.rewrite.pipeline import PassRecord

Kernels = Literal["default", "reference", "no-delegate"]


def set_io(graph: Graph, input_type: str, output_type: str) -> tuple[PassRecord, ...]:
    """Give the inputs and outputs of an integer graph the element types the user wants."""
    return pipeline_of(f"set-io{{inputs={input_type}, outputs={output_type}}}").run(graph)


def set_layout(graph: Graph, io_layout: str) -> tuple[PassRecord, ...]:
    """Bring `graph` into the layout of TFLite, its inputs and outputs into `io_layout`."""
    text = f"set-layout{{layout=nhwc, io={io_layout}}},simplify-shape,drop-identity,dce"
    return pipeline_of(text).run(graph)


def taking_floats(graph: Graph) -> Graph:
    """A copy of an NCHW graph, float or integer, that takes and gives float NCHW arrays."""
    lowered = graph.clone()
    set_io(lowered, "float32", "float32")
    set_layout(lowered, "nchw")
    return lowered


def emit_tflite(graph: Graph, provenance: Mapping[str, str] | None = None) -> bytes:
    """The .tflite file of an NHWC graph."""
    from fpc.backends.tflite import emit

    return emit(graph, provenance=provenance)


def tflite_runner(graph: Graph) -> Runner:
    """Runs an NCHW graph, float or integer, in LiteRT, taking and giving float NCHW arrays."""
    from fpc.measure.litert.model import LiteRtModel

    return LiteRtModel(emit_tflite(taking_floats(graph)), threads=available_threads())


def exact_runner(scheme: Scheme) -> RunnerFactory:
    """What runs graphs of a scheme, to the bit: LiteRT, or where it lacks kernels fpc itself."""
    return exact_tflite_runner if scheme.weight_dtype is DType.I8 else interpreter_runner


def exact_tflite_runner(graph: Graph) -> Runner:
    """Runs an NCHW graph in LiteRT, taking and giving arrays of exactly the graph's types.

    On half of the cores: two threads may call it at once.
    """
    from fpc.measure.litert.shared_model import shared_model

    lowered = graph.clone()
    set_layout(lowered, "nchw")
    return shared_model(emit_tflite(lowered), threads=_half_of_threads())


def interpreter_runner(graph: Graph) -> Runner:
    """Runs a graph in the interpreter, taking and giving arrays of exactly the graph's types."""
    return lambda inputs: run(graph, inputs, Numerics.TFLITE_XNNPACK)


def available_threads() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def float_runner(graph: Graph) -> Runner:
    """Runs a float NCHW graph in onnxruntime, on half of the cores: two threads may call it."""
    from fpc.backends.onnx.runner import onnxruntime_runner

    return onnxruntime_runner(graph, _half_of_threads())


def _half_of_threads() -> int:
    return max(1, available_threads() // 2)


def run_file(content: bytes, inputs: Sequence[Array], kernels: Kernels) -> tuple[Array, ...]:
    """The outputs of a .tflite file for one set of inputs."""
    from fpc.measure.litert.model import LiteRtModel

    return LiteRtModel(content, kernels=kernels)(inputs)
