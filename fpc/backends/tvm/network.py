"""The function that calls the kernels of a network, one after the other, as TVMScript.

Results lie in one piece of memory, parameters in another. What calls the function makes tensors
only for inputs and outputs, which costs far less than one tensor a kernel does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from fpc.backends.tvm.buffer import Buffer, Parameter
from fpc.backends.tvm.memory import Memory, memory_of_parameters, memory_of_results
from fpc.backends.tvm.program import Program, Slot

NETWORK = "fpc_network"
_PARAMETERS, _RESULTS = "parameters", "results"


@dataclass(frozen=True)
class Network:
    """The calls of a program, and where its parameters and results lie."""

    program: Program
    parameters: Memory
    results: Memory

    @classmethod
    def of(cls, program: Program) -> Self:
        """The network with a place for everything."""
        return cls(program, memory_of_parameters(program.parameters), memory_of_results(program))

    @property
    def taken(self) -> Mapping[str, Buffer | Parameter]:
        """What it is given, by name: inputs, and the bytes of all parameters."""
        inputs = {_input(index): buffer for index, buffer in enumerate(self.program.inputs)}
        return {**inputs, _PARAMETERS: self.parameters.content}

    @property
    def written(self) -> Mapping[str, Buffer | Parameter]:
        """What it writes, by name: the memory of its results, and outputs, each but once."""
        outputs = [slot for slot in self.program.outputs if slot.place == "result"]
        made = {_output(slot): self.program.result(slot) for slot in outputs}
        return {_RESULTS: self.results.content, **made}

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs, in order, among what is `taken` and `written`."""
        return [_output(slot) for slot in self.program.outputs]

    def script(self) -> str:
        """The function of what is `taken` and then of what is `written`."""
        arguments = ", ".join(
            f'{name}: T.Buffer({tuple(each.shape)}, "{each.dtype_name}")'
            for name, each in {**self.taken, **self.written}.items()
        )
        lines = [
            "@T.prim_func(s_tir=True)",
            f"def main({arguments}) -> None:",
            '    T.func_attr({"tirx.noalias": True})',
        ]
        names, tensors = self.program.function_names, self._tensors()
        for index, call in enumerate(self.program.calls):
            given = ", ".join(tensors[slot] for slot in (*call.arguments, Slot("result", index)))
            lines.append(f'    T.call_cpacked("{names[call.kernel]}", {given})')
        return "\n".join(lines)

    def _tensors(self) -> Mapping[Slot, str]:
        """What the function calls every tensor of the program."""
        program = self.program
        return {
            **{Slot("input", index): _input(index) for index in range(len(program.inputs))},
            **{
                slot: _tensor_in(_PARAMETERS, offset, program.parameters[slot.index])
                for slot, offset in self.parameters.offsets.items()
            },
            **{
                slot: _tensor_in(_RESULTS, offset, program.result(slot))
                for slot, offset in self.results.offsets.items()
            },
            **{slot: _output(slot) for slot in program.outputs},
        }


def _input(index: int) -> str:
    return f"input{index}"


def _output(slot: Slot) -> str:
    """The name of an output, which is a result or else an input."""
    return _input(slot.index) if slot.place == "input" else f"output{slot.index}"


def _tensor_in(memory: str, offset: int, tensor: Buffer | Parameter) -> str:
    """A tensor at some byte of a piece of memory."""
    shape = ", ".join(map(str, tensor.shape))
    return (
        f"T.tvm_stack_make_array(T.address_of({memory}[{offset}]), "
        f"T.tvm_stack_make_shape({shape}), 0, {len(tensor.shape)}, T.{tensor.dtype_name}(0), 0)"
    )
