"""A subgraph of the file under construction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpc.backends.tflite.model import ABSENT, Operator, Options, Subgraph, Tensor
from fpc.backends.tflite.versions import operator_version
from fpc.ir.dtype import DType
from fpc.ir.graph import Value
from fpc.ir.types import QuantParams, TensorType


@dataclass(frozen=True)
class Operand:
    """A tensor of the file under construction."""

    index: int
    name: str
    type: TensorType


class Assembler:
    """A subgraph under construction. A value becomes a tensor when it is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tensors: list[Tensor] = []
        self._operators: list[Operator] = []
        self._of_value: dict[Value, Operand] = {}
        self._constants: dict[tuple[bytes, TensorType], Operand] = {}
        self._names: set[str] = set()

    def operand_of(self, value: Value) -> Operand:
        """The tensor that holds `value`."""
        if value not in self._of_value:
            data = None if value.constant is None else value.constant.data
            self._of_value[value] = self.add_tensor(value.name, value.type, data)
        return self._of_value[value]

    def constant(self, name: str, data: NDArray[Any], quant: QuantParams | None) -> Operand:
        """A tensor holding `data`; equal constants are one tensor."""
        held = TensorType(DType.of(data.dtype), data.shape, quant)
        key = (data.tobytes(), held)
        if key not in self._constants:
            self._constants[key] = self.add_tensor(name, held, data)
        return self._constants[key]

    def add_tensor(self, name: str, type: TensorType, data: NDArray[Any] | None = None) -> Operand:
        """A new tensor; a name already taken gets a number."""
        unique, number = name, 0
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        content = None if data is None else _little_endian(data)
        dtype = type.dtype.numpy.name
        self._tensors.append(Tensor(unique, dtype, type.shape, type.quant, content))
        return Operand(len(self._tensors) - 1, unique, type)

    def add_operator(
        self,
        code: str,
        operands: Sequence[Operand | None],
        results: Sequence[Operand],
        options: Options | None,
    ) -> None:
        """Append an operator in the lowest version that will do."""
        read = [None if operand is None else self._tensors[operand.index] for operand in operands]
        written = [self._tensors[result.index] for result in results]
        self._operators.append(
            Operator(
                code,
                tuple(ABSENT if operand is None else operand.index for operand in operands),
                tuple(result.index for result in results),
                options,
                operator_version(code, read, written, options),
            )
        )

    def copy(self, x: Operand, y: Operand) -> None:
        """Let `y` hold the values of `x`, which has its shape and type."""
        shape = self.constant(f"{y.name}/shape", np.array(x.type.shape, np.int32), None)
        self.add_operator("RESHAPE", [x, shape], [y], Options("ReshapeOptions"))

    def finish(self, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> Subgraph:
        """The subgraph from `inputs` to `outputs`."""
        return Subgraph(
            self._name,
            tuple(self._tensors),
            tuple(self._operators),
            tuple(operand.index for operand in inputs),
            tuple(operand.index for operand in outputs),
        )


def _little_endian(data: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(data).astype(data.dtype.newbyteorder("<"), copy=False).tobytes()
