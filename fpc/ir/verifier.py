"""The rules every graph keeps, whoever made it.

Structure: the node list is a well-formed chain, values are defined before they are read, use lists
say exactly who reads what, names are unique, constants hold what their type says. Types: element
types and shapes follow from the operands. Quantisation: `fpc.ir.quantisation_rules`.
"""

from __future__ import annotations

from typing import NoReturn

from fpc.diagnostics.errors import Excerpt, VerifyError
from fpc.ir.graph import Graph, Node, Use, Value
from fpc.ir.op import Op
from fpc.ir.printer import graph_lines
from fpc.ir.quantisation_rules import BrokenRuleError, check_node, check_type


def verify(graph: Graph) -> None:
    """`VerifyError`, naming the node and showing its line, unless `graph` keeps every rule."""
    _Verifier(graph).run()


class _Verifier:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._nodes: set[Node[Op]] = set()
        self._defined: set[Value] = set()
        self._names: set[str] = set()

    def run(self) -> None:
        self._check_chain()
        for value in self._graph.inputs:
            if value.producer is not None or value.is_constant:
                self._fail("input", f"input %{value.name} is a constant or a result", value)
            self._define(value)
        for node in self._graph:
            self._check_operands(node)
            self._check_results(node)
            self._check_types(node)
        for index, value in enumerate(self._graph.outputs):
            self._check_read(value, Use(self._graph, index), "return")
        for value in self._defined:
            self._check_uses(value)

    def _check_chain(self) -> None:
        previous: Node[Op] | None = None
        for count, node in enumerate(self._graph, 1):
            if count > len(self._graph) or node in self._nodes:
                raise VerifyError("node-list", f"the node list returns to `{node!r}`")
            if node.previous is not previous or node.is_erased:
                raise VerifyError(
                    "node-list",
                    f"the node list is broken before `{node!r}`",
                    location=node.location,
                )
            self._nodes.add(node)
            previous = node
        last = next(reversed(self._graph), None)
        if last is not previous or len(self._nodes) != len(self._graph):
            raise VerifyError(
                "node-list",
                f"the node list ends after {len(self._nodes)} of {len(self._graph)} nodes",
            )

    def _check_operands(self, node: Node[Op]) -> None:
        for index, value in enumerate(node.inputs):
            if value is not None:
                self._check_read(value, Use(node, index), repr(node))

    def _check_read(self, value: Value, use: Use, reader: str) -> None:
        place = use.user if isinstance(use.user, Node) else value
        if value.is_constant and value not in self._defined:
            self._check_constant(value)
            self._define(value)
        if value not in self._defined:
            whence = (
                "comes from another graph"
                if value.producer is None or value.producer not in self._nodes
                else f"is defined below, by `{value.producer!r}`"
            )
            self._fail("undefined", f"%{value.name} in `{reader}` {whence}", place)
        if use not in value.uses:
            self._fail("uses", f"%{value.name} does not know that `{reader}` reads it", place)

    def _check_results(self, node: Node[Op]) -> None:
        for index, value in enumerate(node.outputs):
            if value.producer is not node or value.index != index or value.is_constant:
                self._fail("producer", f"%{value.name} does not know that it is a result", node)
            self._define(value)

    def _check_constant(self, value: Value) -> None:
        constant = value.constant
        if constant is None or constant.is_abstract:
            return
        data = constant.data
        if data.shape != value.type.shape or data.dtype != value.type.dtype.numpy:
            held = f"{data.dtype}{list(data.shape)}"
            self._fail("constant", f"%{value.name} of type {value.type} holds {held}", value)
        if value.producer is not None:
            self._fail("constant", f"%{value.name} is a constant and has a producer", value)

    def _check_types(self, node: Node[Op]) -> None:
        try:
            inferred = node.infer()
        except VerifyError as error:
            error.excerpt = self._excerpt(node)
            raise
        found = [value.type for value in node.outputs]
        if [(t.dtype, t.shape) for t in inferred] != [(t.dtype, t.shape) for t in found]:
            gives, has = (", ".join(map(str, types)) for types in (inferred, found))
            self._fail("result-type", f"{node.op.mnemonic} gives {gives}, not {has}", node)
        try:
            check_node(node)
        except BrokenRuleError as broken:
            self._fail("quantisation", f"{node.op.mnemonic}: {broken}", node, help=broken.help)

    def _define(self, value: Value) -> None:
        if value.name in self._names:
            self._fail("name", f"two values are called %{value.name}", value)
        self._names.add(value.name)
        self._defined.add(value)
        try:
            check_type(value.type)
        except BrokenRuleError as broken:
            self._fail("quantisation", f"%{value.name}: {broken}", value, help=broken.help)

    def _check_uses(self, value: Value) -> None:
        for user, position in value.uses:
            if isinstance(user, Node):
                known, reads = user in self._nodes, user.inputs
            else:
                known, reads = user is self._graph, user.outputs
            if not known or position >= len(reads) or reads[position] is not value:
                reader = repr(user) if isinstance(user, Node) else "return"
                self._fail("uses", f"%{value.name} lists `{reader}`, which does not read it", value)

    def _fail(
        self, code: str, message: str, place: Node[Op] | Value, help: str | None = None
    ) -> NoReturn:
        raise VerifyError(
            code, message, location=place.location, excerpt=self._excerpt(place), help=help
        ) from None

    def _excerpt(self, place: Node[Op] | Value) -> Excerpt | None:
        subject = _line_subject(place, self._graph)
        for number, (described, text) in enumerate(graph_lines(self._graph), 1):
            if described is subject:
                column, length = _span(text, place)
                return Excerpt(f"@{self._graph.name}", number, text, column, length)
        return None


def _line_subject(place: Node[Op] | Value, graph: Graph) -> Graph | Node[Op] | Value:
    if isinstance(place, Node) or place.is_constant:
        return place
    if place in graph.inputs or place.producer is None:
        return graph
    return place.producer


def _span(text: str, place: Node[Op] | Value) -> tuple[int, int]:
    word = place.op.mnemonic if isinstance(place, Node) else f"%{place.name}"
    start = text.find(f"= {word}(") + 2 if isinstance(place, Node) else text.find(word)
    return max(start, 0), len(word)
