"""ONNX models as IR graphs.

The road: parse the file and its external data; fix the input shapes; walk the nodes, computing on
the fly everything that fixed shapes make known. Most models need no more. Only where nodes remain
that fpc cannot import is onnxsim asked to simplify the model (in a child process), and the result
walked again: running it always would cost seconds for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from fpc.diagnostics.errors import FpcError, ModelError, UnsupportedOpError
from fpc.diagnostics.location import Location
from fpc.frontends.onnx.context import Operand, Scope, Unsupported
from fpc.frontends.onnx.importer import Importer
from fpc.frontends.onnx.inputs import input_types, quantised_inputs, with_static_inputs
from fpc.frontends.onnx.integer import integer_graph, is_quantised
from fpc.frontends.onnx.model_file import ModelFile, default_opset, read_model
from fpc.frontends.onnx.simplify import SimplificationFailed, simplified
from fpc.ir.graph import Graph, Value

if TYPE_CHECKING:
    from onnx import ModelProto

    from fpc.frontends.onnx.model_file import ModelSource

NO_SHAPES: Mapping[str, tuple[int, ...]] = MappingProxyType({})


@dataclass(frozen=True)
class Imported:
    """A model as an IR graph, and where it came from.

    `graph` is float32 and NCHW (integer where the model was quantised). `notes` are decisions the
    user should know of. `input_names` and `output_names` are the model's own spellings, in the
    order of the graph's inputs and outputs.
    """

    graph: Graph
    notes: tuple[str, ...]
    opset: int
    producer: str
    sha256: str
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]


def load(
    source: ModelSource,
    *,
    input_shapes: Mapping[str, tuple[int, ...]] = NO_SHAPES,
    simplify: bool = True,
) -> Imported:
    """Import an ONNX model given as a path, bytes or `ModelProto`.

    `input_shapes` fixes the shapes of inputs by name; an unknown batch becomes 1 by itself.
    `simplify` allows onnxsim where the model holds nodes that fpc cannot import as they are.

    Raises `ModelError` (file or model broken), `UnsupportedOpError` (every node without a form in
    the IR), `DynamicShapeError` (an extent is missing), `UsageError` (a shape for no input).
    """
    model = read_model(source)
    try:
        try:
            return _imported(model, model.proto, input_shapes, ())
        except UnsupportedOpError as error:
            if not simplify:
                raise
            return _imported_simplified(model, input_shapes, error)
    except FpcError as error:
        error.model = error.model or model.origin
        raise


def _imported_simplified(
    model: ModelFile, input_shapes: Mapping[str, tuple[int, ...]], failure: UnsupportedOpError
) -> Imported:
    """The model after onnxsim; `failure`, what the import without it said, when that is no help."""
    try:
        proto = simplified(with_static_inputs(model.proto, input_shapes))
        return _imported(model, proto, input_shapes, ("onnxsim folded constants of the model",))
    except SimplificationFailed as reason:
        failure.notes = (*failure.notes, f"onnxsim was tried and gave up: {reason}")
        raise failure from reason
    except ModelError as error:
        failure.notes = (*failure.notes, "onnxsim was tried and did not help")
        raise failure from error


def _imported(
    model: ModelFile,
    proto: ModelProto,
    input_shapes: Mapping[str, tuple[int, ...]],
    remarks: tuple[str, ...],
) -> Imported:
    notes = list(remarks)
    types = input_types(proto.graph, input_shapes, notes)
    graph = Graph("main")
    scope = Scope(graph, default_opset(proto), notes=notes)
    importer = Importer(scope)
    importer.add_initializers(proto.graph, types)
    for name, type_ in quantised_inputs(types, proto.graph, scope).items():
        importer.define(name, graph.add_input(name, type_))
    importer.walk(proto.graph.node)
    results = importer.results(proto.graph)
    importer.require_supported()
    names = tuple(value.name for value in proto.graph.output)
    graph.set_outputs(
        _output(scope, name, result) for name, result in zip(names, results, strict=True)
    )
    if is_quantised(graph):
        graph = integer_graph(graph, scope.constant_params, notes)
    return Imported(
        graph,
        tuple(notes),
        scope.opset,
        f"{proto.producer_name} {proto.producer_version}".strip(),
        model.sha256,
        tuple(types),
        names,
    )


def _output(scope: Scope, name: str, result: Operand | None) -> Value:
    if isinstance(result, Value):
        return result
    if result is None:
        raise ModelError("undefined-tensor", f"the model's output '{name}' is made by no node")
    try:
        return scope.materialise(name, result, Location.of(name))
    except Unsupported as unsupported:
        raise UnsupportedOpError(
            "unsupported-op", f"output '{name}' cannot be imported: {unsupported.reason}"
        ) from unsupported
