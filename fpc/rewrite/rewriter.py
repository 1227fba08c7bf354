"""The only editor of finished graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from fpc.diagnostics.location import Location
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Node, Use, Value
from fpc.ir.op import Op
from fpc.ir.types import QuantParams, TensorType

OpT = TypeVar("OpT", bound=Op)


class Rewriter:
    """Edits one graph and counts what it did.

    New nodes go just before the node they are anchored to, so the topological order holds by
    construction. A node that replaces others inherits their results' names and their locations.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.edits = 0
        self._inserted: set[Node[Op]] = set()

    def constant(self, data: Array, name: str = "const", quant: QuantParams | None = None) -> Value:
        """A constant for use in new nodes."""
        return self.graph.constant(data, name, quant)

    def insert(
        self,
        op: OpT,
        *inputs: Value | None,
        before: Node[Op] | None,
        name: str | None = None,
        quant: QuantParams | None = None,
        results: Sequence[TensorType] | None = None,
        location: Location | None = None,
    ) -> Node[OpT]:
        """A new node just before `before` (None: at the end), located where `before` is."""
        if location is None:
            location = before.location if before is not None else Location()
        self.edits += 1
        node = self.graph.add(
            op,
            *inputs,
            name=name,
            quant=quant,
            results=results,
            location=location,
            before=before,
        )
        self._inserted.add(node)
        return node

    def replace(
        self,
        node: Node[Op],
        op: OpT,
        *inputs: Value | None,
        absorbing: Sequence[Node[Op]] = (),
        results: Sequence[TensorType] | None = None,
    ) -> Node[OpT]:
        """Put `op` in the place of `node`, whose readers then read the new node.

        `absorbing` are producers folded into the new node: their locations are merged, and those
        left without readers are erased. Result types are the inferred ones with the quantisation
        of the old results, unless `results` gives them.
        """
        location = node.location.merge(*(other.location for other in absorbing))
        new = self.insert(op, *inputs, before=node, results=results, location=location)
        if results is None:
            for value, old in zip(new.outputs, node.outputs, strict=True):
                value.type = value.type.with_quant(old.type.quant)
        self.replace_with_values(node, new.outputs)
        for other in absorbing:
            self.erase_if_unused(other)
        return new

    def replace_with_values(self, node: Node[Op], values: Sequence[Value]) -> None:
        """Let everything that reads `node` read `values`, and erase it.

        A value of a node inserted just before to take over from a result also takes its name, and
        so does any node's result that takes over an output of the graph: outputs keep their names.
        """
        names = [value.name for value in node.outputs]
        returned = [value.is_graph_output for value in node.outputs]
        for old, new in zip(node.outputs, values, strict=True):
            self.graph.replace_uses(old, new)
        following = node.next
        self.erase(node)
        for name, new, is_output in zip(names, values, returned, strict=True):
            producer = new.producer
            made_here = producer in self._inserted and producer.next is following
            if made_here or (is_output and producer is not None):
                self.graph.rename(new, name)

    def replace_value(self, old: Value, new: Value) -> None:
        """Let everything that reads `old` read `new`."""
        self.edits += 1
        self.graph.replace_uses(old, new)

    def redirect(self, use: Use, value: Value) -> None:
        """Let one operand of a node, or one output of the graph, be `value`."""
        if isinstance(use.user, Graph):
            outputs = list(self.graph.outputs)
            outputs[use.position] = value
            self.set_outputs(outputs)
        else:
            self.set_input(use.user, use.position, value)

    def set_input(self, node: Node[Op], index: int, value: Value | None) -> None:
        """Let operand `index` of `node` be `value`."""
        self.edits += 1
        self.graph.set_input(node, index, value)

    def set_op(self, node: Node[Op], op: Op) -> Node[Op]:
        """Change the attributes of `node` where they do not change its operands."""
        return self.replace(node, op, *node.inputs)

    def retype(self, value: Value, type: TensorType) -> None:
        """Give a value another quantisation; dtype and shape stay."""
        self.edits += 1
        value.type = value.type.with_quant(type.quant)

    def retype_input(self, value: Value, type: TensorType) -> None:
        """Give an input of the graph another type; whoever reads it must fit, or be replaced."""
        self.edits += 1
        value.type = type

    def rename(self, value: Value, name: str) -> None:
        """Give a value the name of one that it has replaced; this is no edit."""
        self.graph.rename(value, name)

    def erase(self, node: Node[Op]) -> None:
        """Remove a node nobody reads."""
        self.edits += 1
        self.graph.erase(node)

    def erase_if_unused(self, node: Node[Op]) -> bool:
        """Remove `node`, and then its producers, as far as nobody reads them."""
        if node.is_erased or any(value.use_count for value in node.outputs):
            return False
        producers = [v.producer for v in node.operands if v.producer is not None]
        self.erase(node)
        for producer in producers:
            self.erase_if_unused(producer)
        return True

    def set_outputs(self, values: Sequence[Value]) -> None:
        """Change what the graph returns."""
        self.edits += 1
        self.graph.set_outputs(values)
