"""What a .tflite file says, as plain data: the writer takes it, the reader gives it.

Names are those of TFLite's schema.fbs: operator codes in capitals (`CONV_2D`), element types in
lower case (`int8`), option tables and fields as declared there.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from fpc.diagnostics.errors import ModelError
from fpc.ir.constant import Array
from fpc.ir.types import QuantParams

ABSENT = -1
"""The tensor index that stands for an optional operand left out."""

Scalar: TypeAlias = bool | int | float
FieldValue: TypeAlias = Scalar | tuple[Scalar, ...]


class ElementType(enum.IntEnum):
    """The schema's numbers of the element types that the IR has."""

    FLOAT32 = 0
    FLOAT16 = 1
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    BOOL = 6
    INT16 = 7
    INT8 = 9


class Padding(enum.IntEnum):
    """How a window op pads: so that ceil(size / stride) windows fit, or not at all."""

    SAME = 0
    VALID = 1


class FusedActivation(enum.IntEnum):
    """The clamps an operator can apply to its result."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3


class MirrorPadMode(enum.IntEnum):
    """Whether a mirrored border leaves out the edge (REFLECT) or repeats it (SYMMETRIC)."""

    REFLECT = 0
    SYMMETRIC = 1


@dataclass(frozen=True)
class Options:
    """The attributes of an operator: a table of the schema and the fields set in it."""

    table: str
    fields: Mapping[str, FieldValue] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, name: str, default: FieldValue = 0) -> FieldValue:
        """The value of a field, `default` where it is not set."""
        return self.fields.get(name, default)


@dataclass(frozen=True)
class Tensor:
    """A tensor of a subgraph; `data` holds its little-endian bytes when it is a constant."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    quant: QuantParams | None = None
    data: bytes | None = None

    @property
    def is_constant(self) -> bool:
        """Whether the file holds the values."""
        return self.data is not None

    @property
    def array(self) -> Array:
        """The values of a constant; `ModelError` when there are none or numpy has no such type."""
        if self.data is None:
            raise ModelError("not-constant", f"tensor `{self.name}` holds no data")
        try:
            return np.frombuffer(self.data, np.dtype(self.dtype)).reshape(self.shape)
        except (TypeError, ValueError) as error:
            raise ModelError(
                "tensor-data",
                f"tensor `{self.name}` of type {self.dtype}{list(self.shape)} does not fit its "
                f"{len(self.data)} bytes",
                notes=[str(error)],
            ) from None


@dataclass(frozen=True)
class Operator:
    """An operator applied to tensors, given by index; `ABSENT` where an operand is left out."""

    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | None = None
    version: int = 1


@dataclass(frozen=True)
class Subgraph:
    """Tensors, and operators in execution order."""

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def operands(self, operator: Operator) -> tuple[Tensor | None, ...]:
        """The tensors an operator reads."""
        return tuple(None if i == ABSENT else self.tensors[i] for i in operator.inputs)

    def results(self, operator: Operator) -> tuple[Tensor, ...]:
        """The tensors an operator writes."""
        return tuple(self.tensors[i] for i in operator.outputs)


@dataclass(frozen=True)
class Signature:
    """Names by which a subgraph is called; values are tensor indices."""

    key: str
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    subgraph: int = 0


@dataclass(frozen=True)
class Model:
    """A whole file."""

    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[Signature, ...] = ()
    metadata: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    description: str = ""

    @property
    def main(self) -> Subgraph:
        """The subgraph that running the file runs."""
        return self.subgraphs[0]
