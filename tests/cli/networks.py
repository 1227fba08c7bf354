"""Tiny ONNX networks with what the digits network lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def _save(path: Path, nodes, inputs, outputs, weights) -> Path:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return path


def _filters(outputs: int, inputs: int, size: int) -> np.ndarray:
    shape = (outputs, inputs, size, size)
    values = np.random.default_rng(outputs).standard_normal(shape) / np.sqrt(inputs * size * size)
    return values.astype(np.float32)


def two_inputs(path: Path) -> Path:
    """Two feature maps in, one and a pooled one out; names that look like markup."""
    return _save(
        path,
        [
            helper.make_node("Conv", ["a", "w"], ["c"], name="[conv]/:0:", pads=[1] * 4),
            helper.make_node("Add", ["c", "b"], ["d"], name="[bold]sum[/bold]"),
            helper.make_node("GlobalAveragePool", ["d"], ["e"], name="pool"),
        ],
        {"a": (1, 3, 8, 8), "b": (1, 8, 8, 8)},
        ("d", "e"),
        {"w": _filters(8, 3, 3)},
    )


def silu(path: Path) -> Path:
    """Convolution, SiLU, convolution to a feature map."""
    return _save(
        path,
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="stem", pads=[1] * 4),
            helper.make_node("Sigmoid", ["c"], ["s"], name="sigmoid"),
            helper.make_node("Mul", ["c", "s"], ["m"], name="gate"),
            helper.make_node("Conv", ["m", "v"], ["z"], name="head"),
        ],
        {"x": (1, 3, 8, 8)},
        ("z",),
        {"w": _filters(8, 3, 3), "v": _filters(2, 8, 1)},
    )


def pooled_and_resized(path: Path) -> Path:
    """SiLU, a padded max pool and a resize back, half pixels rounded down."""
    return _save(
        path,
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="stem", pads=[1] * 4),
            helper.make_node("Sigmoid", ["c"], ["s"], name="sigmoid"),
            helper.make_node("Mul", ["c", "s"], ["m"], name="gate"),
            helper.make_node(
                "MaxPool",
                ["m"],
                ["p"],
                name="pool",
                kernel_shape=[3, 3],
                strides=[2, 2],
                pads=[1] * 4,
            ),
            helper.make_node(
                "Resize", ["p", "", "by"], ["r"], name="up", mode="nearest", nearest_mode="floor"
            ),
            helper.make_node("Conv", ["r", "v"], ["z"], name="head"),
        ],
        {"x": (1, 3, 8, 8)},
        ("z",),
        {"w": _filters(8, 3, 3), "v": _filters(2, 8, 1), "by": np.array([1, 1, 2, 2], "f4")},
    )
