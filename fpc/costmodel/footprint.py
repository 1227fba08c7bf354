"""What an int8 network occupies: bytes of its file, and of memory while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import AvgPool, Conv2d, MaxPool, Reshape
from fpc.ir.padding import PaddedWindow
from fpc.targets.description import QuantisationRules

_BIAS = 2
"""The operand that is int32."""
_BIAS_BYTES = 4
_PARAMETER_BYTES = 12
"""A scale (float32) and a zero point (int64), as the TFLite schema has them."""


def stored_bytes(graph: Graph, numbers: QuantisationRules) -> int:
    """Bytes of int8 weights, int32 biases, and their scales and zero points.

    The tables and names of a .tflite file are left out: some 130 bytes a tensor.
    """
    stored = {
        value: _bytes_of(node, index, value, numbers)
        for node in graph
        for index, value in enumerate(node.inputs)
        if value is not None and value.is_constant
    }
    return sum(stored.values())


def _bytes_of(node: Node[Op], index: int, value: Value, numbers: QuantisationRules) -> int:
    mnemonic = node.op.mnemonic
    has_weights = mnemonic in ("conv2d", "conv_transpose2d", "dense")
    is_bias = has_weights and index == _BIAS
    per_axis = has_weights and numbers.per_axis_weights and mnemonic not in numbers.per_tensor_ops
    axis = 1 if mnemonic == "conv_transpose2d" and not is_bias else 0
    scales = value.type.shape[axis] if per_axis else 1
    return value.type.size * (_BIAS_BYTES if is_bias else 1) + scales * _PARAMETER_BYTES


def peak_bytes(graph: Graph, *, holds_inputs: bool = True) -> int:
    """The largest sum of int8 activations that are alive at once, in the order of execution.

    A value lives from the node that makes it to the last that reads it, and outputs to the end. So
    do inputs if `holds_inputs`, as in LiteRT, which never overwrites them. A reshape is the value
    it reads, and what a window pads otherwise than TensorFlow's SAME or VALID is copied first. This
    is what LiteRT's planner lays out for its own kernels, where it leaves no gaps; what kernels and
    delegates take inside is not known here.
    """
    nodes = tuple(graph)
    root = _roots(nodes)
    last: dict[Value, int] = {}
    for place, node in enumerate(nodes):
        for value in node.operands:
            if not value.is_constant:
                last[root.get(value, value)] = place
    for value in (*graph.outputs, *(graph.inputs if holds_inputs else ())):
        last[root.get(value, value)] = len(nodes)
    alive = {value: value.type.size for value in graph.inputs}
    peak = sum(alive.values())
    for place, node in enumerate(nodes):
        outputs = {value: value.type.size for value in node.outputs if value not in root}
        lasting = {value: size for value, size in alive.items() if last.get(value, -1) > place}
        padded = _padded_bytes(node)
        # Only the copy is read, so that the operand may be gone when the node runs.
        read = (lasting if padded else alive) | outputs
        peak = max(peak, sum(alive.values()) + padded, sum(read.values()) + padded)
        alive = lasting | {v: size for v, size in outputs.items() if last.get(v, -1) > place}
    return peak


def _roots(nodes: Sequence[Node[Op]]) -> dict[Value, Value]:
    """For the result of every reshape the value that it is."""
    found: dict[Value, Value] = {}
    for node in nodes:
        if isinstance(node.op, Reshape):
            found[node.output] = found.get(node.input(0), node.input(0))
    return found


def _padded_bytes(node: Node[Op]) -> int:
    """Of the padded copy that TFLite makes of what `node` reads, 0 where it makes none."""
    op = node.op
    if not isinstance(op, Conv2d | MaxPool | AvgPool):
        return 0
    batch, channels, height, width = op.layout.split(node.input(0).type.shape)
    if isinstance(op, Conv2d):
        _, _, *kernel = op.layout.split(node.input(1).type.shape)
    else:
        kernel = op.kernel
    dilations = (1, 1) if isinstance(op, AvgPool) else op.dilations
    rows, columns = (d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))
    window = PaddedWindow((rows, columns), op.strides, op.pads)
    pads = window.needed_pads((height, width))
    if not any(pads) or window.is_same((height, width)):
        return 0
    top, left, bottom, right = pads
    return batch * channels * (height + top + bottom) * (width + left + right)
