"""Reading a .tflite file, whoever wrote it, into plain data."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tflite
from flatbuffers.table import Table

from fpc.backends.tflite.flatbuffer import FILE_IDENTIFIER
from fpc.backends.tflite.model import (
    ABSENT,
    FieldValue,
    Model,
    Operator,
    Options,
    Signature,
    Subgraph,
    Tensor,
)
from fpc.diagnostics.errors import ModelError, VerifyError
from fpc.ir.types import QuantParams

_SMALLEST_FILE = 12
_DAMAGE = (
    struct.error,
    ValueError,
    TypeError,
    IndexError,
    OverflowError,
    AttributeError,
    MemoryError,
)
"""What walking a broken flatbuffer raises, besides the reader's own checks."""

_ELEMENT_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "float64": 8,
        "int64": 8,
        "uint64": 8,
        "float32": 4,
        "int32": 4,
        "uint32": 4,
        "float16": 2,
        "bfloat16": 2,
        "int16": 2,
        "uint16": 2,
        "int8": 1,
        "uint8": 1,
        "bool": 1,
    }
)


def read(content: bytes | Path) -> Model:
    """What a .tflite file says.

    Options hold every field of their table, fields left out in the file with the schema's default.
    Custom operators are called `CUSTOM(name)`. `ModelError` for bytes that are not a whole and
    consistent .tflite file.
    """
    try:
        data = content.read_bytes() if isinstance(content, Path) else content
    except OSError as error:
        raise ModelError(
            "unreadable", f"cannot read {content}", notes=[str(error)], help="check the path"
        ) from None
    if len(data) < _SMALLEST_FILE or data[4:8] != FILE_IDENTIFIER:
        raise _broken("it lacks the identifier TFL3", "is this a .tflite file?")
    try:
        return _Reader(data).model()
    except VerifyError as error:
        raise _broken(error.message) from None
    except _DAMAGE as error:
        raise _broken(str(error) or type(error).__name__) from None


def _broken(reason: str, help: str = "write or download the file again") -> ModelError:
    return ModelError(
        "broken-tflite", f"the bytes are not a whole .tflite file: {reason}", help=help
    )


class _Reader:
    """One walk over a file.

    Offsets of a damaged file may form shapes that take for ever to unfold, so the walk has a
    budget: an intact file says less than its bytes hold.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._budget = 4 * len(data) + 1024
        self._root = tflite.Model.GetRootAs(data)

    def model(self) -> Model:
        root = self._root
        if root.SubgraphsLength() == 0:
            raise _broken("it holds no subgraph")
        buffers = [self._buffer(table) for table in self._tables(root, "Buffers")]
        codes = [self._code(table) for table in self._tables(root, "OperatorCodes")]
        graphs = [self._subgraph(t, buffers, codes) for t in self._tables(root, "Subgraphs")]
        signatures = [self._signature(t, graphs) for t in self._tables(root, "SignatureDefs")]
        metadata = {
            _text(table.Name()): buffers[table.Buffer()] for table in self._tables(root, "Metadata")
        }
        return Model(tuple(graphs), tuple(signatures), metadata, _text(root.Description()))

    def _spend(self, amount: int) -> None:
        self._budget -= amount
        if self._budget < 0:
            raise _broken("it unfolds to more than it holds")

    def _tables(self, parent: Any, field: str) -> Iterator[Any]:
        length: int = getattr(parent, f"{field}Length")()
        self._spend(4 * length)
        element: Callable[[int], Any] = getattr(parent, field)
        for index in range(length):
            yield element(index)

    def _integers(self, parent: Any, field: str) -> tuple[int, ...]:
        if getattr(parent, f"{field}IsNone")():
            return ()
        self._spend(4 * getattr(parent, f"{field}Length")())
        return tuple(getattr(parent, f"{field}AsNumpy")().tolist())

    def _buffer(self, table: Any) -> bytes:
        start, size = table.Offset(), table.Size()
        if start > 1:
            self._spend(size)
            if start + size > len(self._data):
                raise _broken("a buffer lies beyond its end")
            return self._data[start : start + size]
        if table.DataIsNone():
            return b""
        self._spend(table.DataLength())
        return table.DataAsNumpy().tobytes()

    def _code(self, table: Any) -> tuple[str, int]:
        number = max(table.DeprecatedBuiltinCode(), table.BuiltinCode())
        code = _names(tflite.BuiltinOperator).get(number, f"UNKNOWN({number})")
        if code == "CUSTOM":
            code = f"CUSTOM({_text(table.CustomCode())})"
        return code, table.Version()

    def _subgraph(self, table: Any, buffers: list[bytes], codes: list[tuple[str, int]]) -> Subgraph:
        tensors = tuple(self._tensor(t, buffers) for t in self._tables(table, "Tensors"))
        graph = Subgraph(
            _text(table.Name()),
            tensors,
            tuple(self._operator(t, codes) for t in self._tables(table, "Operators")),
            self._integers(table, "Inputs"),
            self._integers(table, "Outputs"),
        )
        operands = [index for operator in graph.operators for index in operator.inputs]
        results = [index for operator in graph.operators for index in operator.outputs]
        _check_indices(operands, ABSENT, len(tensors))
        _check_indices([*results, *graph.inputs, *graph.outputs], 0, len(tensors))
        return graph

    def _tensor(self, table: Any, buffers: list[bytes]) -> Tensor:
        name = _text(table.Name())
        dtype = _names(tflite.TensorType).get(table.Type(), f"unknown{table.Type()}").lower()
        shape = self._integers(table, "Shape")
        if any(extent < 0 for extent in shape):
            raise _broken(f"tensor `{name}` has the shape {list(shape)}")
        data = buffers[table.Buffer()] or None
        size = _ELEMENT_BYTES.get(dtype)
        if data is not None and size is not None and len(data) != size * math.prod(shape):
            raise _broken(f"tensor `{name}`, {dtype}{list(shape)}, has {len(data)} bytes of data")
        return Tensor(name, dtype, shape, self._quantisation(table.Quantization(), shape), data)

    def _quantisation(self, table: Any, shape: tuple[int, ...]) -> QuantParams | None:
        if table is None or table.ScaleLength() == 0:
            return None
        count = table.ScaleLength()
        self._spend(12 * count)
        scales = tuple(table.ScaleAsNumpy().tolist())
        zeros = () if table.ZeroPointIsNone() else tuple(table.ZeroPointAsNumpy().tolist())
        if len(zeros) != count:
            zeros = (zeros[0] if len(zeros) == 1 else 0,) * count
        axis = table.QuantizedDimension() if count > 1 else None
        if axis is not None and not (0 <= axis < len(shape) and shape[axis] == count):
            raise _broken(f"{count} scales do not fit axis {axis} of the shape {list(shape)}")
        return QuantParams(scales, zeros, axis)

    def _operator(self, table: Any, codes: list[tuple[str, int]]) -> Operator:
        code, version = codes[table.OpcodeIndex()]
        inputs, outputs = self._integers(table, "Inputs"), self._integers(table, "Outputs")
        return Operator(code, inputs, outputs, self._options(table), version)

    def _options(self, operator: Any) -> Options | None:
        table_name = _names(tflite.BuiltinOptions).get(operator.BuiltinOptionsType())
        union: Table | None = operator.BuiltinOptions()
        if table_name in (None, "NONE") or union is None:
            return None
        table_class = getattr(tflite, table_name)
        table = table_class()
        table.Init(union.Bytes, union.Pos)
        fields: dict[str, FieldValue] = {}
        for field in _fields(table_class):
            if hasattr(table_class, f"{field}AsNumpy"):
                fields[_snake_case(field)] = self._integers(table, field)
            else:
                fields[_snake_case(field)] = getattr(table, field)()
        return Options(table_name, fields)

    def _signature(self, table: Any, graphs: list[Subgraph]) -> Signature:
        def by_name(field: str) -> dict[str, int]:
            return {_text(t.Name()): t.TensorIndex() for t in self._tables(table, field)}

        signature = Signature(
            _text(table.SignatureKey()),
            by_name("Inputs"),
            by_name("Outputs"),
            table.SubgraphIndex(),
        )
        named = [*signature.inputs.values(), *signature.outputs.values()]
        _check_indices(named, 0, len(graphs[signature.subgraph].tensors))
        return signature


def _check_indices(indices: list[int], lowest: int, count: int) -> None:
    wrong = [index for index in indices if not lowest <= index < count]
    if wrong:
        raise _broken(f"it names tensor {wrong[0]} of {count}")


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", errors="replace")


@cache
def _names(enumeration: type) -> Mapping[int, str]:
    """The names of a generated enumeration by number."""
    members = {n: k for k, n in vars(enumeration).items() if isinstance(n, int)}
    return MappingProxyType(members)


@cache
def _fields(table_class: type) -> tuple[str, ...]:
    """The fields of a generated options table, in the order of the schema."""
    methods = [name for name in vars(table_class) if name[0].isupper() and name != "Init"]
    companions = {f"{name}{suffix}" for name in methods for suffix in _VECTOR_SUFFIXES}
    return tuple(
        name
        for name in methods
        if name not in companions and not re.match(r"GetRootAs|.*BufferHasIdentifier", name)
    )


_VECTOR_SUFFIXES = ("AsNumpy", "Length", "IsNone")


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
