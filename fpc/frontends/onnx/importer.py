"""The walk over an ONNX graph that builds the IR graph."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fpc.diagnostics.errors import ModelError, UnsupportedOpError, VerifyError
from fpc.diagnostics.location import Location
from fpc.frontends.onnx.attributes import Attributes
from fpc.frontends.onnx.context import NodeContext, Operand, Scope, Unsupported
from fpc.frontends.onnx.evaluation import EVALUATORS, evaluate
from fpc.frontends.onnx.ordering import node_location, topological_order
from fpc.frontends.onnx.remedies import CUT_THE_MODEL, unknown_operator
from fpc.frontends.onnx.table import HANDLERS
from fpc.frontends.onnx.tensors import MAX_ELEMENTS, tensor_to_array
from fpc.ir.graph import Value
from fpc.ir.op import ShapeMismatch

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

_STANDARD_DOMAINS = ("", "ai.onnx")
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class _Problem:
    node: NodeProto
    reason: str
    remedy: str | None


@dataclass
class Importer:
    """Imports the nodes of a graph into `scope`, collecting everything that is not supported."""

    scope: Scope
    problems: list[_Problem] = field(default_factory=list[_Problem])

    def add_initializers(self, graph: GraphProto, overridden: Mapping[str, object]) -> None:
        """Make the stored tensors of `graph` known, but for those that are fed as inputs."""
        for tensor in graph.initializer:
            if tensor.name in overridden:
                continue
            self.define(tensor.name, tensor_to_array(tensor, f"tensor '{tensor.name}'"))

    def define(self, name: str, operand: Operand) -> None:
        """Let the ONNX name `name`, which is new, stand for `operand`."""
        if name in self.scope.operands:
            raise ModelError(
                "duplicate-tensor",
                f"tensor '{name}' is stored twice",
                help="the file is damaged or was merged badly; export the model again",
            )
        self.scope.operands[name] = operand

    def walk(self, nodes: Sequence[NodeProto]) -> None:
        """Import `nodes` in topological order."""
        for node in topological_order(nodes, self.scope.operands):
            self._import(node)

    def results(self, graph: GraphProto) -> tuple[Operand | None, ...]:
        """What the outputs of `graph` stand for; None for those behind unsupported nodes."""
        for value in graph.output:
            if value.name not in self.scope.operands:
                raise ModelError(
                    "undefined-tensor",
                    f"the model's output '{value.name}' is made by no node",
                    help="the file is damaged or was cut badly; export the model again",
                )
        return tuple(self.scope.operands[value.name] for value in graph.output)

    def require_supported(self) -> None:
        """`UnsupportedOpError` naming every node that could not be imported."""
        if not self.problems:
            return
        first = self.problems[0]
        listed = self.problems if len(self.problems) > 1 else []
        notes = [
            f"{problem.node.op_type} '{node_location(problem.node)}': {problem.reason}"
            for problem in listed[:_SHOWN_PROBLEMS]
        ]
        if len(listed) > _SHOWN_PROBLEMS:
            notes.append(f"and {len(listed) - _SHOWN_PROBLEMS} more")
        count = "1 node" if len(self.problems) == 1 else f"{len(self.problems)} nodes"
        raise UnsupportedOpError(
            "unsupported-op",
            f"{count} cannot be imported: {first.node.op_type} '{node_location(first.node)}' "
            f"because {first.reason}",
            location=Location.of(*(str(node_location(p.node)) for p in self.problems)),
            notes=notes,
            help=first.remedy or CUT_THE_MODEL,
        )

    def _import(self, node: NodeProto) -> None:
        results: Sequence[Operand | None]
        operands = self.scope.operands
        op_name = _op_name(node)
        if any(name and operands[name] is None for name in node.input):
            results = ()
            if op_name not in HANDLERS and op_name not in EVALUATORS:
                self._refuse(node, unknown_operator(op_name))
        else:
            try:
                results = self._handle(node, op_name)
            except Unsupported as unsupported:
                results = ()
                self._refuse(node, unsupported)
        names = list(node.output)
        for index, name in enumerate(names):
            if name:
                operands[name] = results[index] if index < len(results) else None

    def _handle(self, node: NodeProto, op_name: str) -> Sequence[Operand | None]:
        location = node_location(node)
        context = NodeContext(
            self.scope,
            op_name,
            location,
            Attributes(node.attribute, location),
            tuple(node.input),
            _output_names(node),
            self._inline,
        )
        with _translated(context):
            known = evaluate(context)
            if known is not None:
                return known
            handler = HANDLERS.get(op_name)
            if handler is None:
                raise unknown_operator(op_name)
            results = handler(context)
            made = (results,) if isinstance(results, Value | np.ndarray) else tuple(results)
            _check_sizes(made, context)
            return made

    def _refuse(self, node: NodeProto, unsupported: Unsupported) -> None:
        self.problems.append(_Problem(node, unsupported.reason, unsupported.remedy))

    def _inline(self, graph: GraphProto) -> tuple[Operand | None, ...]:
        self.add_initializers(graph, {})
        self.walk(graph.node)
        return self.results(graph)


@contextmanager
def _translated(node: NodeContext) -> Generator[None]:
    """What numpy and the IR say of a malformed node, as a `ModelError` that names it."""
    try:
        with np.errstate(all="ignore"):
            yield
    except (VerifyError, ShapeMismatch) as error:
        reason = error.message if isinstance(error, VerifyError) else str(error)
        raise ModelError(
            "bad-node",
            f"{node.op_type} does not fit its operands: {reason}",
            location=node.location,
            help="export the model again, or check --input-shape against what the network expects",
        ) from error
    except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError) as error:
        raise ModelError(
            "bad-node",
            f"{node.op_type} is malformed: {error}",
            location=node.location,
            help="export the model again; `onnx.checker.check_model` shows every such fault",
        ) from error
    except MemoryError as error:
        raise ModelError(
            "constants-too-large",
            f"{node.op_type} computes a constant that does not fit into memory",
            location=node.location,
            help="export the model again with its weights stored",
        ) from error


def _check_sizes(results: Sequence[Operand | None], node: NodeContext) -> None:
    for result in results:
        if isinstance(result, Value) and result.type.size >= MAX_ELEMENTS:
            raise ModelError(
                "tensor-shape",
                f"{node.op_type} makes a tensor of shape {list(result.type.shape)}, which has more "
                "than 2^31 - 1 elements",
                location=node.location,
            )


def _op_name(node: NodeProto) -> str:
    return node.op_type if node.domain in _STANDARD_DOMAINS else f"{node.domain}.{node.op_type}"


def _output_names(node: NodeProto) -> tuple[str, ...]:
    """The results that have names; a name is made up for a first result that has none."""
    names = list(node.output)
    while names and not names[-1]:
        names.pop()
    fallback = str(node_location(node))
    return tuple(name or fallback for name in names) or (fallback,)
