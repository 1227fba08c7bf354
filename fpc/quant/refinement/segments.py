"""Cutting an integer graph before its weighted layers, into graphs that run on their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType

from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Node, Use, Value
from fpc.ir.op import Op
from fpc.ir.types import QuantParams

_NOTHING: Mapping[Use, tuple[Array, QuantParams]] = MappingProxyType({})


@dataclass(frozen=True)
class Segment:
    """Consecutive nodes of a graph.

    inputs come from outside (constants left out), outputs are read by later segments. `finished`
    are the values that nothing reads after this segment. `live_elements` is how many elements
    the values held while it runs have.
    """

    nodes: tuple[Node[Op], ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    finished: tuple[Value, ...]
    live_elements: int


def cut_before(graph: Graph, starts: AbstractSet[Node[Op]]) -> tuple[Segment, ...]:
    """The nodes of `graph` in order, cut before each node of `starts`.

    Graph outputs do not count as read: a last segment may have no outputs.
    """
    groups: list[list[Node[Op]]] = []
    for node in graph:
        if not groups or node in starts:
            groups.append([])
        groups[-1].append(node)
    last_read = {
        value: index for index, nodes in enumerate(groups) for n in nodes for value in n.operands
    }
    live: dict[Value, None] = dict.fromkeys(graph.inputs)
    segments: list[Segment] = []
    for index, nodes in enumerate(groups):
        made = dict.fromkeys(value for node in nodes for value in node.outputs)
        read = dict.fromkeys(value for node in nodes for value in node.operands)
        outputs = tuple(value for value in made if last_read.get(value, -1) > index)
        live.update(dict.fromkeys(outputs))
        held = sum(value.type.size for value in live)
        finished = tuple(value for value in live if last_read.get(value, -1) <= index)
        for value in finished:
            del live[value]
        inputs = tuple(v for v in read if v not in made and not v.is_constant)
        segments.append(Segment(tuple(nodes), inputs, outputs, finished, held))
    return tuple(segments)


def extract(
    nodes: Sequence[Node[Op]],
    inputs: Iterable[Value],
    outputs: Iterable[Value],
    constants: Mapping[Use, tuple[Array, QuantParams]] = _NOTHING,
) -> Graph:
    """The graph that computes `outputs` from `inputs` by copies of `nodes`.

    constants: integers, and what they stand for, to use for some operands instead of their own.
    """
    graph = Graph()
    twins = {value: graph.add_input(value.name, value.type) for value in inputs}
    for node in nodes:
        operands: list[Value | None] = []
        for index, value in enumerate(node.inputs):
            given = constants.get(Use(node, index))
            if given is not None:
                operands.append(graph.constant(given[0], f"operand{index}", given[1]))
            elif value is not None and value.constant is not None:
                operands.append(graph.constant_of(value.constant, value.type, value.name))
            else:
                operands.append(None if value is None else twins[value])
        made = graph.add(
            node.op,
            *operands,
            names=[value.name for value in node.outputs],
            results=[value.type for value in node.outputs],
            location=node.location,
        )
        twins.update(zip(node.outputs, made.outputs, strict=True))
    graph.set_outputs(twins[value] for value in outputs)
    return graph
