"""What an int8 network occupies: bytes of its file, and of memory while it runs."""

from __future__ import annotations

from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import Reshape
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
    do inputs if `holds_inputs`, as in LiteRT, which never overwrites them; a reshape is the value
    it reads. This is what LiteRT's planner allocates for its own kernels, but for fragments;
    buffers inside of kernels, and those of delegates, are not known here.
    """
    nodes = tuple(graph)
    root: dict[Value, Value] = {}
    for node in nodes:
        if isinstance(node.op, Reshape):
            root[node.output] = root.get(node.input(0), node.input(0))
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
        alive |= {value: value.type.size for value in node.outputs if value not in root}
        peak = max(peak, sum(alive.values()))
        alive = {value: size for value, size in alive.items() if last.get(value, -1) > place}
    return peak
