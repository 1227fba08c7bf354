"""IR graphs as ONNX models: float ones as they are, quantised ones in QDQ form.

In QDQ form every quantised value is a tensor of integers between QuantizeLinear and
DequantizeLinear, operators work on reals, weights are stored as integers with their scales.
onnxruntime and other compilers recognise the pattern and run integer kernels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fpc.backends.onnx.lowering import Lowering
from fpc.backends.onnx.table import RULES
from fpc.backends.onnx.tensors import TensorNames
from fpc.backends.onnx.writer import OnnxWriter
from fpc.diagnostics.errors import BackendError
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.ir.types import TensorType

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

DEFAULT_OPSET = 17
OLDEST_OPSET = 13
NEWEST_OPSET = 23
_INT16_OPSET = 21
_LARGEST_FILE_BYTES = (1 << 31) - 1

# The IR version that came with an opset, from the ONNX release table (docs/Versioning.md).
_IR_VERSIONS = ((23, 11), (21, 10), (19, 9), (15, 8), (13, 7))


def emit(
    graph: Graph,
    *,
    opset: int | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> ModelProto:
    """`graph` as an ONNX model of `opset` (13 to 23; 17, or 21 where 16-bit integers need it).

    `input_names` and `output_names` replace the graph's own names. Raises `BackendError` for an
    opset outside that range and for quantised types that ONNX cannot express.
    """
    opset = _default_opset(graph) if opset is None else opset
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise BackendError(
            "onnx-opset",
            f"cannot write opset {opset}",
            help=f"choose an opset from {OLDEST_OPSET} to {NEWEST_OPSET}",
        )
    return _write(graph, OnnxWriter(opset), input_names, output_names)


def emit_shared(graph: Graph) -> tuple[bytes, Mapping[str, Array]]:
    """A model for runtimes in this process: what it leaves out are the arrays of its initializers.

    They are those of the graph where the model stores them as they are: nothing is copied.
    """
    writer = OnnxWriter(_default_opset(graph), shares_constants=True)
    return _write(graph, writer).SerializeToString(), writer.shared


def _write(
    graph: Graph,
    writer: OnnxWriter,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> ModelProto:
    from onnx import helper

    tensors = TensorNames(writer)
    inputs = [
        _declare(value.type, name) for value, name in _named(graph.inputs, input_names, writer)
    ]
    for value, info in zip(graph.inputs, inputs, strict=True):
        tensors.bind(value, info.name)
    wanted = _named(graph.outputs, output_names, writer)
    first_names: dict[Value, str] = {}
    for value, name in wanted:
        if value.producer is not None:
            first_names.setdefault(value, name)
    for node in graph:
        _lower(node, writer, tensors, first_names)
    for value, name in wanted:
        if tensors.stored(value) != name:
            made = writer.node("Identity", [tensors.stored(value)], name)[0]
            writer.rename(made, name)
    outputs = [
        helper.make_tensor_value_info(name, _element_type(value.type), value.type.shape)
        for value, name in wanted
    ]
    return helper.make_model(
        helper.make_graph(writer.nodes, graph.name, inputs, outputs, writer.initializers),
        producer_name="fpc",
        opset_imports=[helper.make_opsetid("", writer.opset)],
        ir_version=next(version for since, version in _IR_VERSIONS if writer.opset >= since),
    )


def emit_bytes(
    graph: Graph,
    *,
    opset: int | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> bytes:
    """The bytes of an .onnx file; see `emit`. `BackendError` beyond protobuf's 2 GB."""
    model = emit(graph, opset=opset, input_names=input_names, output_names=output_names)
    if model.ByteSize() >= _LARGEST_FILE_BYTES:
        raise BackendError(
            "onnx-too-large",
            f"the model takes {model.ByteSize() / 1e9:.1f} GB, an .onnx file at most 2.1 GB",
            help="quantise the weights, or write another format",
        )
    return model.SerializeToString()


def _lower(
    node: Node[Op], writer: OnnxWriter, tensors: TensorNames, wanted: dict[Value, str]
) -> None:
    made = RULES[type(node.op)](Lowering(writer, tensors, node))
    names = (made,) if isinstance(made, str) else made
    for value, real in zip(node.outputs, names, strict=True):
        is_quantised = value.type.is_quantised
        tensor = tensors.quantised(real, value.type, value.name) if is_quantised else real
        name = wanted.get(value) or writer.fresh(value.name)
        writer.rename(tensor, name)
        tensors.bind(value, name)


def _default_opset(graph: Graph) -> int:
    has_int16 = any(v.type.dtype is DType.I16 and v.type.is_quantised for v in graph.values())
    return _INT16_OPSET if has_int16 else DEFAULT_OPSET


def _named(
    values: Sequence[Value], names: Sequence[str] | None, writer: OnnxWriter
) -> list[tuple[Value, str]]:
    chosen = [value.name for value in values] if names is None else list(names)
    return [(value, writer.fresh(name)) for value, name in zip(values, chosen, strict=True)]


def _declare(type: TensorType, name: str) -> ValueInfoProto:
    from onnx import helper

    return helper.make_tensor_value_info(name, _element_type(type), type.shape)


def _element_type(type: TensorType) -> int:
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(type.dtype.numpy)
