"""An NHWC graph as the bytes of a .tflite file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from fpc.backends.tflite.flatbuffer import serialise
from fpc.backends.tflite.lowering.assembler import Assembler, Operand
from fpc.backends.tflite.lowering.site import Site
from fpc.backends.tflite.lowering.table import LOWERINGS
from fpc.backends.tflite.model import Model, Signature, Subgraph
from fpc.backends.tflite.releases import minimum_runtime
from fpc.diagnostics.errors import BackendError
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Layout, Op
from fpc.ir.ops import Cast
from fpc.quant.analysis.placement import weight_of

DEFAULT_SIGNATURE = "serving_default"
PROVENANCE_KEY = "fpc.provenance"
RUNTIME_KEY = "min_runtime_version"
_RUNTIME_BYTES = 16


def emit(
    graph: Graph,
    *,
    provenance: Mapping[str, str] | None = None,
    signature_key: str = DEFAULT_SIGNATURE,
) -> bytes:
    """The .tflite file that computes `graph`; equal graphs give equal bytes.

    Spatial ops must be NHWC. The signature `signature_key` names every input and output after its
    value; `provenance` is stored as JSON in the metadata `fpc.provenance`.
    `UnsupportedOpError` for a node that TFLite cannot express, `BackendError` for a graph that is
    not ready for it.
    """
    return serialise(lower(graph, provenance=provenance, signature_key=signature_key))


def lower(
    graph: Graph,
    *,
    provenance: Mapping[str, str] | None = None,
    signature_key: str = DEFAULT_SIGNATURE,
) -> Model:
    """What the file of `emit` says, not yet packed."""
    assembler = Assembler(graph.name)
    inputs = [assembler.operand_of(value) for value in graph.inputs]
    for node in graph:
        site = Site(node, assembler)
        _require_nhwc(node)
        _refuse_half_precision(site)
        _refuse_wide_weights(site)
        LOWERINGS[type(node.op)](site)
    outputs = [_output(assembler, value, i) for i, value in enumerate(graph.outputs)]
    subgraph = assembler.finish(inputs, outputs)
    return Model(
        (subgraph,),
        (Signature(signature_key, _by_name(inputs), _by_name(outputs)),),
        _metadata(subgraph, provenance),
        "fpc",
    )


def _require_nhwc(node: Node[Op]) -> None:
    if getattr(node.op, "layout", Layout.NHWC) is not Layout.NHWC:
        raise BackendError(
            "layout",
            f"{node.op.mnemonic} %{node.outputs[0].name} is NCHW, TFLite computes in NHWC",
            location=node.location,
            help="run the pass `set-layout{nhwc}` first",
        )


def _refuse_half_precision(site: Site[Op]) -> None:
    touched = (*site.node.operands, *site.node.outputs)
    if not isinstance(site.op, Cast) and any(v.type.dtype is DType.F16 for v in touched):
        raise site.unsupported(
            "TFLite stores float16 but does not compute in it", "cast the model to float32"
        )


def _refuse_wide_weights(site: Site[Op]) -> None:
    weight = weight_of(site.node)
    if weight is not None and weight.type.is_quantised and weight.type.dtype is not DType.I8:
        raise site.unsupported(
            f"its weights are {weight.type.dtype.value}, and TFLite's are int8",
            "quantise the float model for TFLite, or keep to --backend tvm",
        )


def _output(assembler: Assembler, value: Value, position: int) -> Operand:
    """The tensor of an output; a copy where it would be an input, a constant or named twice."""
    operand = assembler.operand_of(value)
    earlier = any(use.position < position for use in value.uses if isinstance(use.user, Graph))
    if value.producer is not None and not earlier:
        return operand
    copy = assembler.add_tensor(f"{value.name}/output", value.type)
    assembler.copy(operand, copy)
    return copy


def _by_name(operands: Sequence[Operand]) -> dict[str, int]:
    return {operand.name: operand.index for operand in operands}


def _metadata(subgraph: Subgraph, provenance: Mapping[str, str] | None) -> dict[str, bytes]:
    runtime = minimum_runtime(subgraph.operators).encode()
    metadata = {RUNTIME_KEY: runtime.ljust(_RUNTIME_BYTES, b"\0")}
    if provenance is not None:
        metadata[PROVENANCE_KEY] = json.dumps(dict(provenance), sort_keys=True).encode()
    return metadata
