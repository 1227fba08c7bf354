"""A network as calls of kernels: what is compiled, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import TypeAdapter

from fpc.backends.tvm.buffer import Buffer, Parameter
from fpc.backends.tvm.kernels.table import AnyKernel

Place: TypeAlias = Literal["input", "parameter", "result"]


@dataclass(frozen=True)
class Slot:
    """A tensor of a program: one of its inputs, its parameters, or the results of its calls."""

    place: Place
    index: int


@dataclass(frozen=True)
class Call:
    """A kernel applied to tensors, operands first, then its parameters."""

    kernel: int
    arguments: tuple[Slot, ...]


@dataclass(frozen=True)
class Program:
    """Calls in order; without any, the library holds the kernels alone.

    `isa` names the instruction set that the kernels are scheduled for. Weights, scales and zero
    points are values of parameters: networks that differ in nothing else have equal programs.
    """

    isa: str
    inputs: tuple[Buffer, ...]
    parameters: tuple[Parameter, ...]
    kernels: tuple[AnyKernel, ...]
    calls: tuple[Call, ...]
    outputs: tuple[Slot, ...]

    def result(self, slot: Slot) -> Buffer:
        """How the result of a call is stored."""
        return self.kernels[self.calls[slot.index].kernel].result

    @property
    def function_names(self) -> list[str]:
        """The names of the kernels in the library: `fpc_convolution_3`."""
        return [f"fpc_{kernel.family}_{index}" for index, kernel in enumerate(self.kernels)]

    def to_json(self) -> str:
        """The program as JSON; equal programs give equal text."""
        return TypeAdapter(Program).dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Program:
        """What `to_json` wrote."""
        return TypeAdapter(Program).validate_json(text)
