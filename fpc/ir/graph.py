"""Values, nodes and graphs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from fpc.diagnostics.errors import VerifyError
from fpc.diagnostics.location import UNKNOWN, Location
from fpc.ir.constant import Array, Constant
from fpc.ir.dtype import DType
from fpc.ir.inference import checked_results, infer_types
from fpc.ir.op import Op, operand_spec
from fpc.ir.types import QuantParams, TensorType

OpT = TypeVar("OpT", bound=Op)
OpT_co = TypeVar("OpT_co", bound=Op, covariant=True)


class Use(NamedTuple):
    """One place where a value is read: an operand of a node, or an output of the graph."""

    user: Node[Op] | Graph
    position: int


class Value:
    """A tensor in a graph: an input, a constant, or a result of a node.

    Values compare by identity: two values of equal type are still two tensors. `uses` keeps the
    order in which they were made, so that every walk over a graph is deterministic.
    """

    __slots__ = ("_uses", "constant", "index", "name", "producer", "type")

    def __init__(
        self,
        name: str,
        type: TensorType,
        *,
        producer: Node[Op] | None = None,
        index: int = 0,
        constant: Constant | None = None,
    ) -> None:
        self.name = name
        self.type = type
        self.producer = producer
        self.index = index
        self.constant = constant
        self._uses: dict[Use, None] = {}

    @property
    def uses(self) -> tuple[Use, ...]:
        """Every place that reads this value, graph outputs included."""
        return tuple(self._uses)

    @property
    def users(self) -> tuple[Node[Op], ...]:
        """The nodes that read this value, each once."""
        return tuple(dict.fromkeys(u.user for u in self._uses if isinstance(u.user, Node)))

    @property
    def use_count(self) -> int:
        """How often this value is read."""
        return len(self._uses)

    @property
    def has_one_use(self) -> bool:
        """Whether exactly one operand or graph output reads this value."""
        return len(self._uses) == 1

    @property
    def is_graph_output(self) -> bool:
        """Whether the graph returns this value."""
        return any(isinstance(use.user, Graph) for use in self._uses)

    @property
    def is_constant(self) -> bool:
        """Whether the value is known before the graph runs."""
        return self.constant is not None

    @property
    def data(self) -> Array:
        """The elements of a constant; `VerifyError` for anything else."""
        if self.constant is None:
            raise VerifyError("not-constant", f"%{self.name} is not a constant")
        return self.constant.data

    @property
    def location(self) -> Location:
        """The location of the node that makes this value."""
        return self.producer.location if self.producer is not None else Location.of(self.name)

    def add_use(self, use: Use) -> None:
        """Record a read; only `Node` and `Graph` call this."""
        self._uses[use] = None

    def drop_use(self, use: Use) -> None:
        """Forget a read; only `Node` and `Graph` call this."""
        del self._uses[use]

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


class Node(Generic[OpT_co]):
    """An operator applied to values. `inputs` holds None where an optional operand is absent."""

    __slots__ = ("_inputs", "_next", "_op", "_previous", "is_erased", "location", "outputs")

    def __init__(self, op: OpT_co, location: Location) -> None:
        self._op = op
        self.location = location
        self._inputs: tuple[Value | None, ...] = ()
        self.outputs: tuple[Value, ...] = ()
        self._previous: Node[Op] | None = None
        self._next: Node[Op] | None = None
        self.is_erased = False

    @property
    def op(self) -> OpT_co:
        """The operator and its attributes."""
        return self._op

    @property
    def inputs(self) -> tuple[Value | None, ...]:
        """The operands in the order `infer` declares them."""
        return self._inputs

    @property
    def operands(self) -> tuple[Value, ...]:
        """The operands that are present."""
        return tuple(value for value in self._inputs if value is not None)

    def input(self, index: int) -> Value:
        """Operand `index`; `VerifyError` when it is absent."""
        value = self._inputs[index] if index < len(self._inputs) else None
        if value is None:
            raise VerifyError(
                "missing-operand",
                f"{self.op.mnemonic} has no operand `{operand_spec(type(self.op)).name(index)}`",
                location=self.location,
            )
        return value

    def optional_input(self, index: int) -> Value | None:
        """Operand `index`, None when it is absent."""
        return self._inputs[index] if index < len(self._inputs) else None

    @property
    def output(self) -> Value:
        """The result of a node that has one."""
        if len(self.outputs) != 1:
            raise VerifyError(
                "not-single",
                f"{self.op.mnemonic} has {len(self.outputs)} results",
                location=self.location,
            )
        return self.outputs[0]

    def infer(self) -> tuple[TensorType, ...]:
        """The result types that follow from the operands; `VerifyError` when they do not fit."""
        operands = tuple(None if v is None else v.type for v in self._inputs)
        return infer_types(self.op, operands, self.location)

    def set_inputs(self, inputs: Sequence[Value | None]) -> None:
        """Replace all operands; only `Graph` calls this."""
        for index, value in enumerate(self._inputs):
            if value is not None:
                value.drop_use(Use(self, index))
        self._inputs = tuple(inputs)
        for index, value in enumerate(self._inputs):
            if value is not None:
                value.add_use(Use(self, index))

    def link(self, previous: Node[Op] | None, following: Node[Op] | None) -> None:
        """Set the neighbours in the graph's order; only `Graph` calls this."""
        self._previous, self._next = previous, following

    @property
    def previous(self) -> Node[Op] | None:
        """The node before this one in the graph's order."""
        return self._previous

    @property
    def next(self) -> Node[Op] | None:
        """The node after this one in the graph's order."""
        return self._next

    def __repr__(self) -> str:
        results = ", ".join(f"%{value.name}" for value in self.outputs)
        operands = ", ".join("_" if v is None else f"%{v.name}" for v in self._inputs)
        return f"{results} = {self.op.mnemonic}({operands})"


class Graph:
    """A network: inputs, nodes in topological order, outputs.

    Building appends (`add`); editing a built graph is the business of `fpc.rewrite.Rewriter`.
    """

    def __init__(self, name: str = "main") -> None:
        self.name = name
        self._inputs: list[Value] = []
        self._outputs: list[Value] = []
        self._first: Node[Op] | None = None
        self._last: Node[Op] | None = None
        self._node_count = 0
        self._names: set[str] = set()

    @property
    def inputs(self) -> tuple[Value, ...]:
        """The values fed from outside."""
        return tuple(self._inputs)

    @property
    def outputs(self) -> tuple[Value, ...]:
        """The values given back."""
        return tuple(self._outputs)

    def __iter__(self) -> Iterator[Node[Op]]:
        """The nodes in topological order; editing the graph meanwhile is safe.

        Erased nodes are not visited, nodes inserted after the one at hand are.
        """
        node = self._first
        while node is not None:
            yield node
            node = node.next
            while node is not None and node.is_erased:
                node = node.next

    def __reversed__(self) -> Iterator[Node[Op]]:
        node = self._last
        while node is not None:
            before = node.previous
            yield node
            node = before

    def __len__(self) -> int:
        """The number of nodes."""
        return self._node_count

    def __bool__(self) -> bool:
        return True

    @property
    def nodes(self) -> tuple[Node[Op], ...]:
        """A snapshot of the nodes in topological order."""
        return tuple(self)

    def nodes_of(self, op_class: type[OpT]) -> Iterator[Node[OpT]]:
        """The nodes whose operator is an `op_class`."""
        for node in self:
            if isinstance(node.op, op_class):
                yield node  # pyright: ignore[reportReturnType]

    @property
    def constants(self) -> tuple[Value, ...]:
        """The constants in use, in order of first use."""
        found: dict[Value, None] = {}
        for node in self:
            for value in node.operands:
                if value.is_constant:
                    found[value] = None
        found.update((value, None) for value in self._outputs if value.is_constant)
        return tuple(found)

    def values(self) -> Iterator[Value]:
        """Inputs, constants in use, then every node's results."""
        yield from self._inputs
        yield from self.constants
        for node in self:
            yield from node.outputs

    def find(self, name: str) -> Value:
        """The value called `name`; `KeyError` when there is none."""
        for value in self.values():
            if value.name == name:
                return value
        raise KeyError(name)

    def fresh_name(self, hint: str) -> str:
        """A name not used yet, derived from `hint`, reserved for the caller."""
        base = "".join(c if c.isalnum() or c in "_." else "_" for c in hint) or "v"
        name, number = base, 0
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name

    def add_input(self, name: str, type: TensorType) -> Value:
        """A new input of the graph."""
        value = Value(self.fresh_name(name), type)
        self._inputs.append(value)
        return value

    def constant(self, data: Array, name: str = "const", quant: QuantParams | None = None) -> Value:
        """A constant holding `data`, which must not change afterwards."""
        constant = Constant(data)
        kind = TensorType(DType.of(constant.data.dtype), constant.data.shape, quant)
        return Value(self.fresh_name(name), kind, constant=constant)

    def constant_of(self, constant: Constant, type: TensorType, name: str = "const") -> Value:
        """A constant sharing `constant`, perhaps shape-only, under `type`."""
        return Value(self.fresh_name(name), type, constant=constant)

    def add(
        self,
        op: OpT,
        *inputs: Value | None,
        name: str | None = None,
        names: Sequence[str] = (),
        quant: QuantParams | None = None,
        results: Sequence[TensorType] | None = None,
        location: Location = UNKNOWN,
        before: Node[Op] | None = None,
    ) -> Node[OpT]:
        """Apply `op` to `inputs`, at the end of the graph or just before node `before`.

        The result types are inferred; `quant` sets the quantisation of a single result, `results`
        gives all result types (dtype and shape must be the inferred ones). Trailing absent
        operands may be left out. `VerifyError` when operands do not fit.
        """
        spec = operand_spec(type(op))
        if not spec.variadic:
            inputs = inputs + (None,) * (len(spec.names) - len(inputs))
        operand_types = tuple(None if v is None else v.type for v in inputs)
        types = infer_types(op, operand_types, location)
        if quant is not None:
            types = (types[0].with_quant(quant), *types[1:])
        if results is not None:
            types = checked_results(op, types, tuple(results), location)
        node = Node(op, location)
        node.set_inputs(inputs)
        hints = list(names) or [name or op.mnemonic]
        node.outputs = tuple(
            Value(self.fresh_name(hints[min(i, len(hints) - 1)]), t, producer=node, index=i)
            for i, t in enumerate(types)
        )
        self._link(node, before)
        return node

    def set_outputs(self, values: Iterable[Value]) -> None:
        """Say what the graph returns."""
        for index, value in enumerate(self._outputs):
            value.drop_use(Use(self, index))
        self._outputs = list(values)
        for index, value in enumerate(self._outputs):
            value.add_use(Use(self, index))

    def replace_uses(self, old: Value, new: Value) -> None:
        """Let everything that reads `old` read `new`; for the rewriter."""
        if old is new:
            return
        for use in old.uses:
            if isinstance(use.user, Graph):
                outputs = list(self._outputs)
                outputs[use.position] = new
                self.set_outputs(outputs)
            else:
                self.set_input(use.user, use.position, new)

    def set_input(self, node: Node[Op], index: int, value: Value | None) -> None:
        """Let operand `index` of `node` be `value`; for the rewriter."""
        inputs = list(node.inputs)
        inputs[index] = value
        node.set_inputs(inputs)

    def erase(self, node: Node[Op]) -> None:
        """Remove a node nobody reads; for the rewriter. `VerifyError` when somebody does."""
        for value in node.outputs:
            if value.use_count:
                readers = ", ".join(
                    "the graph's output" if isinstance(u.user, Graph) else repr(u.user)
                    for u in value.uses
                )
                raise VerifyError(
                    "erase-used", f"{node!r} is still read by {readers}", location=node.location
                )
        node.set_inputs(())
        node.is_erased = True
        before, after = node.previous, node.next
        if before is None:
            self._first = after
        else:
            before.link(before.previous, after)
        if after is None:
            self._last = before
        else:
            after.link(before, after.next)
        self._node_count -= 1
        self._names.difference_update(value.name for value in node.outputs)

    def remove_input(self, value: Value) -> None:
        """Remove an input nobody reads; for the rewriter."""
        if value.use_count:
            raise VerifyError("erase-used", f"input %{value.name} is still read")
        self._inputs.remove(value)
        self._names.discard(value.name)

    def rename(self, value: Value, name: str) -> None:
        """Give `value` a name that no other value has; for the rewriter."""
        self._names.discard(value.name)
        value.name = self.fresh_name(name)

    def clone(self) -> Graph:
        """A copy that shares constants' data and nothing else."""
        return self.clone_with_values()[0]

    def clone_with_values(self) -> tuple[Graph, dict[Value, Value]]:
        """A copy, and for every value of this graph the copy's value."""
        copy = Graph(self.name)
        twin: dict[Value, Value] = {v: copy.add_input(v.name, v.type) for v in self._inputs}
        for value in self.constants:
            assert value.constant is not None
            twin[value] = copy.constant_of(value.constant, value.type, value.name)
        for node in self:
            made = Node(node.op, node.location)
            made.set_inputs([None if v is None else twin[v] for v in node.inputs])
            made.outputs = tuple(
                Value(copy.fresh_name(v.name), v.type, producer=made, index=v.index)
                for v in node.outputs
            )
            twin.update(zip(node.outputs, made.outputs, strict=True))
            copy._link(made, None)
        copy.set_outputs(twin[value] for value in self._outputs)
        return copy, twin

    def to_text(self) -> str:
        """The graph as text (see `fpc.ir.printer`)."""
        from fpc.ir.printer import print_graph

        return print_graph(self)

    @classmethod
    def parse(cls, text: str, constants: dict[str, Constant] | None = None) -> Graph:
        """The graph that `text` describes (see `fpc.ir.parser`)."""
        from fpc.ir.parser import parse_graph

        return parse_graph(text, constants)

    def _link(self, node: Node[Op], before: Node[Op] | None) -> None:
        previous = self._last if before is None else before.previous
        node.link(previous, before)
        if previous is None:
            self._first = node
        else:
            previous.link(previous.previous, node)
        if before is None:
            self._last = node
        else:
            before.link(node, before.next)
        self._node_count += 1

    def __repr__(self) -> str:
        return f"Graph(@{self.name}, {len(self)} nodes)"
