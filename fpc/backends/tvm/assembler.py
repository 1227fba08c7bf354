"""A program in the making: the tensors of a graph in memory, calls, distinct kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fpc.backends.tvm.buffer import Buffer, Parameter, round_up
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.copy import Copy
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.program import Call, Program, Slot
from fpc.backends.tvm.tuning.tile_table import TileTable
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Value
from fpc.ir.types import TensorType


@dataclass(frozen=True)
class Stored:
    """A tensor in memory and how it lies there."""

    slot: Slot
    buffer: Buffer


@dataclass(frozen=True)
class Plan:
    """A program and the values of its parameters; `held` says where values of the graph lie."""

    program: Program
    parameters: tuple[Array, ...]
    held: Mapping[Stored, Value] = field(default_factory=dict[Stored, Value])


class Assembler:
    """Collects what one graph becomes.

    Inputs and outputs lie in memory as users see them, everything else as `storage` says.
    """

    def __init__(self, graph: Graph, isa: Isa, tiles: TileTable) -> None:
        self.isa = isa
        self._graph = graph
        self._tiles = tiles
        self._held: dict[Stored, Value] = {}
        self._stored: dict[Value, list[Stored]] = {}
        self._parameters: dict[tuple[Parameter, bytes], Slot] = {}
        self._values: list[Array] = []
        self._kernels: dict[AnyKernel, int] = {}
        self._calls: list[Call] = []
        for index, value in enumerate(graph.inputs):
            self.define(value, Stored(Slot("input", index), Buffer.plain(value.type)))

    def storage(self, tensor: TensorType) -> Buffer:
        """How a tensor lies between kernels: in whole vectors, quantised bytes offset."""
        plain = Buffer.plain(tensor)
        columns = round_up(plain.width, self.isa.lanes)
        if tensor.dtype is DType.I8 and tensor.is_quantised:
            return Buffer(self.isa.activation, plain.rows, plain.width, columns, self.isa.offset)
        if tensor.dtype is DType.F32 or (tensor.dtype is DType.I16 and tensor.is_quantised):
            return Buffer(tensor.dtype, plain.rows, plain.width, columns)
        return plain

    def operand(self, value: Value) -> Stored:
        """A value in the storage between kernels."""
        return self._in(value, self.storage(value.type))

    def operand_as_is(self, value: Value) -> Stored:
        """A value however it lies in memory from the first column on."""
        places = (place for place in self._stored.get(value, []) if place.buffer.first == 0)
        return next(places, None) or self.operand(value)

    def operand_anywhere(self, value: Value) -> Stored:
        """A value however and wherever it lies in memory."""
        places = self._stored.get(value)
        return places[0] if places else self.operand(value)

    def define(self, value: Value, stored: Stored) -> None:
        """Record that a value lies in memory somewhere."""
        self._stored.setdefault(value, []).append(stored)
        self._held.setdefault(stored, value)

    def call(
        self, kernel: AnyKernel, operands: Sequence[Stored], parameters: Sequence[Array] = ()
    ) -> Stored:
        """What `kernel` computes of operands and constants, in its tuned tile where it has one."""
        tuned = self._tiles.tuned(kernel, self.isa)
        number = self._kernels.setdefault(tuned, len(self._kernels))
        arguments = (*(operand.slot for operand in operands), *map(self._parameter, parameters))
        self._calls.append(Call(number, arguments))
        return Stored(Slot("result", len(self._calls) - 1), kernel.result)

    def copied(self, tensor: Stored, buffer: Buffer) -> Stored:
        """The same elements in row-major order in another storage; the same tensor for its own."""
        if tensor.buffer == buffer:
            return tensor
        return self.call(Copy(tensor.buffer, buffer), [tensor])

    def finish(self) -> Plan:
        """The program so far, with the graph's outputs as users see them."""
        outputs = [self._output(value) for value in self._graph.outputs]
        program = Program(
            isa=self.isa.name,
            inputs=tuple(Buffer.plain(value.type) for value in self._graph.inputs),
            parameters=tuple(map(Parameter.of, self._values)),
            kernels=tuple(self._kernels),
            calls=tuple(self._calls),
            outputs=tuple(output.slot for output in outputs),
        )
        return Plan(program, tuple(self._values), self._held)

    def _output(self, value: Value) -> Stored:
        """A value as users see it, apart from the parameters."""
        plain = self._in(value, Buffer.plain(value.type))
        if plain.slot.place != "parameter":
            return plain
        return self.call(Copy(plain.buffer, plain.buffer), [plain])

    def _in(self, value: Value, buffer: Buffer) -> Stored:
        """A value as it lies in memory, or copied or written there, in a certain storage."""
        places = self._stored.get(value, [])
        found = next((place for place in places if place.buffer == buffer), None)
        if found is not None:
            return found
        if value.is_constant:
            made = Stored(self._parameter(buffer.stored(value.data)), buffer)
        else:
            made = self.copied(places[0], buffer)
        self.define(value, made)
        return made

    def _parameter(self, array: Array) -> Slot:
        """The slot of constants; equal constants share one."""
        key = Parameter.of(array), array.tobytes()
        slot = self._parameters.get(key)
        if slot is None:
            slot = self._parameters[key] = Slot("parameter", len(self._values))
            self._values.append(array)
        return slot
