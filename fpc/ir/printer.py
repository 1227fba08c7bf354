"""The IR as text.

    graph @block(%x: f32[1,24,56,56]) {
      %w = const @1f0c9a2e00112233 : f32[144,24,1,1]
      %k = const [1.0, 6.0] : f32[2]
      %y = conv2d(%x, %w) {activation=relu6} : f32[1,144,56,56]
      return %y
    }

Every line states the type of what it defines. Attributes at their default and trailing absent
operands are left out. A quantised type ends with `q(scale, zero_point)`, or
`q(axis=0, [scales], [zero points])` where zero points that are all 0 are left out. Numbers are the
shortest that read back as the same bits. Constants of up to 8 elements, and up to 8 scales, are
spelt out; longer ones are named by their digest, and `graph_constants` collects what the digests
stand for. A constant stands on the line before its first reader.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

import numpy as np

from fpc.ir.attribute import attributes_of
from fpc.ir.constant import Constant
from fpc.ir.constant_text import INLINE_ELEMENTS, is_spelt_out, print_constant
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.ir.types import QuantParams, TensorType

_DIGEST_HEX_DIGITS = 16
_PLAIN_NAME = re.compile(r"[\w.]+")


def print_graph(graph: Graph, *, locations: bool = False) -> str:
    """The text of `graph`; with `locations`, nodes end with `# loc` and the source nodes' names."""
    return "\n".join(text for _, text in graph_lines(graph, locations=locations)) + "\n"


def graph_lines(
    graph: Graph, *, locations: bool = False
) -> Iterator[tuple[Graph | Node[Op] | Value, str]]:
    """The lines of the text, each with what it describes: a constant, a node or the graph.

    A malformed graph is printed as far as its node list can be followed.
    """
    inputs = ", ".join(f"%{value.name}: {print_type(value.type)}" for value in graph.inputs)
    yield graph, f"graph {print_symbol(graph.name)}({inputs}) {{"
    printed: set[Value] = set()
    for node in graph:
        yield from _constant_lines(node.operands, printed)
        text = f"  {print_node(node)}"
        if locations and node.location:
            text += " # loc " + ", ".join(map(_quoted, node.location.names))
        yield node, text
    yield from _constant_lines(graph.outputs, printed)
    outputs = ", ".join(f"%{value.name}" for value in graph.outputs)
    yield graph, f"  return {outputs}".rstrip()
    yield graph, "}"


def _constant_lines(values: tuple[Value, ...], printed: set[Value]) -> Iterator[tuple[Value, str]]:
    for value in values:
        if value.constant is not None and value not in printed:
            printed.add(value)
            data = print_constant(value.constant)
            yield value, f"  %{value.name} = const {data} : {print_type(value.type)}"


def print_node(node: Node[Op]) -> str:
    """The line of one node, without indentation."""
    results = ", ".join([f"%{value.name}" for value in node.outputs])
    inputs = list(node.inputs)
    while inputs and inputs[-1] is None:
        inputs.pop()
    operands = ", ".join(["_" if value is None else f"%{value.name}" for value in inputs])
    types = ", ".join([print_type(value.type) for value in node.outputs])
    return f"{results} = {node.op.mnemonic}({operands}){print_attributes(node.op)} : {types}"


def print_attributes(op: Op) -> str:
    """The attributes of `op` that differ from their defaults, as ` {name=value}`, or nothing."""
    shown: list[str] = []
    for attribute in attributes_of(type(op)).values():
        value = getattr(op, attribute.name)
        if value is not attribute.default and not attribute.is_default(value):
            shown.append(f"{attribute.name}={attribute.format(value)}")
    return f" {{{', '.join(shown)}}}" if shown else ""


def print_type(type: TensorType) -> str:
    """A type with its quantisation."""
    return str(type) if type.quant is None else f"{type} {print_quant(type.quant)}"


def print_quant(quant: QuantParams) -> str:
    """A quantisation, long per-axis lists by digest."""
    if quant.axis is None:
        return f"q({print_scale(quant.scales[0])}, {quant.zero_points[0]})"
    parts = [f"axis={quant.axis}", _print_scales(quant)]
    if not quant.is_symmetric:
        parts.append(_print_zero_points(quant))
    return f"q({', '.join(parts)})"


def print_scale(scale: float) -> str:
    """The shortest decimal that reads back as the float32 `scale`."""
    rounded = np.float32(scale)
    return str(rounded) if float(rounded) == scale else repr(scale)


def _print_scales(quant: QuantParams) -> str:
    if len(quant.scales) > INLINE_ELEMENTS:
        return f"@{scales_constant(quant).digest}"
    return f"[{', '.join(map(print_scale, quant.scales))}]"


def _print_zero_points(quant: QuantParams) -> str:
    if len(quant.zero_points) > INLINE_ELEMENTS:
        return f"@{zero_points_constant(quant).digest}"
    return f"[{', '.join(map(str, quant.zero_points))}]"


def scales_constant(quant: QuantParams) -> Constant:
    """The scales as float32 [n]."""
    return Constant(np.array(quant.scales, np.float32))


def zero_points_constant(quant: QuantParams) -> Constant:
    """The zero points as int32 [n]."""
    return Constant(np.array(quant.zero_points, np.int32))


def print_symbol(name: str) -> str:
    """A graph's name after its @, in quotes unless it is plain."""
    return f"@{name}" if _PLAIN_NAME.fullmatch(name) else f"@{_quoted(name)}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def graph_constants(graph: Graph) -> dict[str, Constant]:
    """Everything the text of `graph` names by digest: large constants and long lists of scales."""
    found: dict[str, Constant] = {}

    def collect(constant: Constant) -> None:
        found.setdefault(constant.digest, constant)

    for value in graph.values():
        constant, quant = value.constant, value.type.quant
        if constant is not None and not constant.is_abstract and not is_spelt_out(constant.data):
            collect(constant)
        if quant is not None and len(quant.scales) > INLINE_ELEMENTS:
            collect(scales_constant(quant))
            if not quant.is_symmetric:
                collect(zero_points_constant(quant))
    return found


def digest(graph: Graph) -> str:
    """The first 16 hex digits of the SHA-256 of the text: equal graphs have equal digests."""
    return hashlib.sha256(print_graph(graph).encode()).hexdigest()[:_DIGEST_HEX_DIGITS]
