"""One-node (and a few more) ONNX models, and onnxruntime as their oracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

DEFAULT_OPSET = 17
IR_VERSION = 10  # old enough for every onnxruntime, new enough for every opset used here


@dataclass(frozen=True)
class Case:
    """A model of one node; `inputs` are shapes of network inputs, stored arrays, None if absent."""

    id: str
    op_type: str
    inputs: Sequence[tuple[int, ...] | np.ndarray[Any, Any] | None]
    attributes: dict[str, Any] = field(default_factory=dict)
    opset: int = DEFAULT_OPSET
    outputs: int = 1
    domain: str = ""
    positive: bool = False

    def model(self) -> onnx.ModelProto:
        names, infos, stored = [], [], []
        for index, operand in enumerate(self.inputs):
            name = "" if operand is None else f"x{index}"
            names.append(name)
            if isinstance(operand, np.ndarray):
                stored.append(numpy_helper.from_array(operand, name))
            elif operand is not None:
                infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, operand))
        results = [f"y{index}" for index in range(self.outputs)]
        node = helper.make_node(
            self.op_type, names, results, name="the_node", domain=self.domain, **self.attributes
        )
        return model_of([node], infos, results, stored, self.opset)

    def arrays(self) -> list[np.ndarray[Any, Any]]:
        generator = np.random.default_rng(7)
        shapes = [shape for shape in self.inputs if isinstance(shape, tuple)]
        arrays = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
        return [np.abs(array) + np.float32(0.1) for array in arrays] if self.positive else arrays


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[str],
    stored: Sequence[onnx.TensorProto] = (),
    opset: int = DEFAULT_OPSET,
) -> onnx.ModelProto:
    """A model; the outputs' shapes are left open."""
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(list(nodes), "g", list(inputs), results, list(stored))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def run_onnxruntime(
    model: onnx.ModelProto, arrays: Sequence[np.ndarray[Any, Any]]
) -> list[np.ndarray[Any, Any]]:
    """The outputs of `model` in onnxruntime, nothing fused."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_inputs()]
    return list(session.run(None, dict(zip(names, arrays, strict=True))))


def normal(*shape: int, seed: int = 3) -> np.ndarray[Any, Any]:
    """Standard normal float32 numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def floats(*numbers: float) -> np.ndarray[Any, Any]:
    """A float32 vector."""
    return np.array(numbers, np.float32)


def integers(*numbers: int) -> np.ndarray[Any, Any]:
    """An int64 vector."""
    return np.array(numbers, np.int64)


def scalar(number: float) -> np.ndarray[Any, Any]:
    """A float32 number of rank 0."""
    return np.array(number, np.float32)
