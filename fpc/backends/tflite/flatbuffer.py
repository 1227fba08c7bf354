"""Packing a model into the bytes of a .tflite file."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite

from fpc.backends.tflite.model import FieldValue, Model, Operator, Options, Signature, Tensor
from fpc.diagnostics.errors import BackendError
from fpc.ir.types import QuantParams

FILE_IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
BUFFER_ALIGNMENT = 16
_LARGEST_FILE = (1 << 31) - 1
_LARGEST_DEPRECATED_CODE = 127
_ROOM_FOR_TABLES = 1 << 16


def serialise(model: Model) -> bytes:
    """The file that holds `model`; equal models give equal bytes.

    Constants with equal bytes share one buffer, and buffers start at multiples of 16 bytes, as
    SIMD kernels like them. `BackendError` when the file would pass the 2 GiB that flatbuffers
    address.
    """
    size = sum(len(t.data or b"") for graph in model.subgraphs for t in graph.tensors)
    if size > _LARGEST_FILE:
        raise BackendError(
            "too-large",
            f"{size} bytes of constants do not fit into a .tflite file",
            help="quantise the model, or cut it into several",
        )
    return _Packer(model, size).pack()


class _Packer:
    """One use of a flatbuffers builder: children are written before the tables that name them."""

    def __init__(self, model: Model, constant_bytes: int) -> None:
        self._model = model
        self._builder = flatbuffers.Builder(constant_bytes + _ROOM_FOR_TABLES)
        self._buffers: dict[bytes, int] = {b"": 0}
        self._codes: dict[tuple[str, int], int] = {}

    def pack(self) -> bytes:
        model = self._model
        for graph in model.subgraphs:
            for tensor in graph.tensors:
                self._buffer_of(tensor.data)
            for operator in graph.operators:
                self._codes.setdefault((operator.code, operator.version), len(self._codes))
        for content in model.metadata.values():
            self._buffer_of(content)
        fields = {
            "Version": SCHEMA_VERSION,
            "OperatorCodes": self._tables([self._code(*key) for key in self._codes]),
            "Subgraphs": self._tables([self._subgraph(i) for i in range(len(model.subgraphs))]),
            "Description": self._builder.CreateString(model.description),
            "Buffers": self._tables([self._buffer(content) for content in self._buffers]),
            "Metadata": self._tables([self._metadata(*item) for item in model.metadata.items()]),
            "SignatureDefs": self._tables([self._signature(s) for s in model.signatures]),
        }
        self._builder.Finish(self._table("Model", fields), FILE_IDENTIFIER)
        return bytes(memoryview(self._builder.Bytes)[self._builder.Head() :])

    def _buffer_of(self, content: bytes | None) -> int:
        return self._buffers.setdefault(content or b"", len(self._buffers))

    def _buffer(self, content: bytes) -> int:
        if not content:
            return self._table("Buffer", {})
        self._builder.Prep(BUFFER_ALIGNMENT, len(content))
        data = self._builder.CreateByteVector(content)
        return self._table("Buffer", {"Data": data})

    def _code(self, code: str, version: int) -> int:
        number: int | None = getattr(tflite.BuiltinOperator, code, None)
        if number is None:
            raise BackendError("unknown-operator", f"the TFLite schema has no operator {code}")
        fields = {
            "DeprecatedBuiltinCode": min(number, _LARGEST_DEPRECATED_CODE),
            "BuiltinCode": number,
            "Version": version,
        }
        return self._table("OperatorCode", fields)

    def _subgraph(self, index: int) -> int:
        graph = self._model.subgraphs[index]
        fields = {
            "Tensors": self._tables([self._tensor(tensor) for tensor in graph.tensors]),
            "Inputs": self._integers(graph.inputs),
            "Outputs": self._integers(graph.outputs),
            "Operators": self._tables([self._operator(op) for op in graph.operators]),
            "Name": self._builder.CreateString(graph.name),
        }
        return self._table("SubGraph", fields)

    def _tensor(self, tensor: Tensor) -> int:
        fields = {
            "Shape": self._integers(tensor.shape),
            "Type": getattr(tflite.TensorType, tensor.dtype.upper()),
            "Buffer": self._buffer_of(tensor.data),
            "Name": self._builder.CreateString(tensor.name),
            "HasRank": True,
        }
        if tensor.quant is not None:
            fields["Quantization"] = self._quantisation(tensor.quant)
        return self._table("Tensor", fields)

    def _quantisation(self, quant: QuantParams) -> int:
        fields = {
            "Scale": self._builder.CreateNumpyVector(np.array(quant.scales, np.float32)),
            "ZeroPoint": self._builder.CreateNumpyVector(np.array(quant.zero_points, np.int64)),
            "QuantizedDimension": quant.axis or 0,
        }
        return self._table("QuantizationParameters", fields)

    def _operator(self, operator: Operator) -> int:
        fields = {
            "OpcodeIndex": self._codes[operator.code, operator.version],
            "Inputs": self._integers(operator.inputs),
            "Outputs": self._integers(operator.outputs),
        }
        if operator.options is not None:
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, operator.options.table)
            fields["BuiltinOptions"] = self._options(operator.options)
        return self._table("Operator", fields)

    def _options(self, options: Options) -> int:
        def stored(value: FieldValue) -> FieldValue | int:
            return self._integers(value) if isinstance(value, tuple) else value

        fields = {camel_case(name): stored(value) for name, value in options.fields.items()}
        return self._table(options.table, fields)

    def _signature(self, signature: Signature) -> int:
        fields = {
            "Inputs": self._names(signature.inputs),
            "Outputs": self._names(signature.outputs),
            "SignatureKey": self._builder.CreateString(signature.key),
            "SubgraphIndex": signature.subgraph,
        }
        return self._table("SignatureDef", fields)

    def _names(self, tensors: Mapping[str, int]) -> int:
        def entry(name: str, index: int) -> int:
            fields = {"Name": self._builder.CreateString(name), "TensorIndex": index}
            return self._table("TensorMap", fields)

        return self._tables([entry(*item) for item in tensors.items()])

    def _metadata(self, name: str, content: bytes) -> int:
        fields = {"Name": self._builder.CreateString(name), "Buffer": self._buffer_of(content)}
        return self._table("Metadata", fields)

    def _integers(self, values: Sequence[int | float]) -> int:
        return self._builder.CreateNumpyVector(np.array(values, np.int32))

    def _tables(self, offsets: Sequence[int]) -> int:
        builder = self._builder
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()

    def _table(self, name: str, fields: Mapping[str, Any]) -> int:
        _schema_function(f"{name}Start")(self._builder)
        for field, value in fields.items():
            _schema_function(f"{name}Add{field}")(self._builder, value)
        return _schema_function(f"{name}End")(self._builder)


def _schema_function(name: str) -> Callable[..., Any]:
    return getattr(tflite, name)


def camel_case(name: str) -> str:
    """The spelling generated code gives to a field the schema calls `name`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
