"""The function that calls the kernels of a network, one after the other, as TVMScript.

Results lie in one piece of memory, parameters in another. What calls the function makes tensors
only for inputs and outputs, which costs far less than one tensor a kernel does.
"""

from __future__ import annotations

from collections.abc import Mapping

from fpc.backends.tvm.buffer import Buffer, Parameter
from fpc.backends.tvm.memory import memory_of_parameters, memory_of_results
from fpc.backends.tvm.program import Program, Slot
from fpc.ir.dtype import DType

NETWORK = "fpc_network"
_PARAMETERS, _RESULTS = "parameters", "results"


def taken_by(program: Program) -> Mapping[str, Buffer | Parameter]:
    """What a program is given, by name: inputs, and the bytes of all parameters."""
    size = memory_of_parameters(program.parameters).size_bytes
    inputs = {_input(index): buffer for index, buffer in enumerate(program.inputs)}
    return {**inputs, _PARAMETERS: Parameter(DType.U8, (size,))}


def written_by(program: Program) -> Mapping[str, Buffer | Parameter]:
    """What a program writes, by name: the memory of its results, and outputs, each but once."""
    outputs = [slot for slot in program.outputs if slot.place == "result"]
    return {
        _RESULTS: Parameter(DType.U8, (memory_of_results(program).size_bytes,)),
        **{output_name(slot): program.result(slot) for slot in outputs},
    }


def output_name(slot: Slot) -> str:
    """The name of an output, which is a result or else an input."""
    return _input(slot.index) if slot.place == "input" else f"output{slot.index}"


def function_names(program: Program) -> list[str]:
    """The names of the kernels in the library: `fpc_convolution_3`."""
    return [f"fpc_{kernel.family}_{index}" for index, kernel in enumerate(program.kernels)]


def network_script(program: Program) -> str:
    """The function of what `taken_by` and then `written_by` say."""
    arguments = ", ".join(
        f'{name}: T.Buffer({tuple(each.shape)}, "{each.dtype_name}")'
        for name, each in {**taken_by(program), **written_by(program)}.items()
    )
    tensors = {
        **{Slot("input", index): _input(index) for index in range(len(program.inputs))},
        **{
            slot: _tensor_in(_PARAMETERS, offset, program.parameters[slot.index])
            for slot, offset in memory_of_parameters(program.parameters).offsets.items()
        },
        **{
            slot: _tensor_in(_RESULTS, offset, program.result(slot))
            for slot, offset in memory_of_results(program).offsets.items()
        },
        **{slot: output_name(slot) for slot in program.outputs},
    }
    lines = [
        "@T.prim_func(s_tir=True)",
        f"def main({arguments}) -> None:",
        '    T.func_attr({"tirx.noalias": True})',
    ]
    names = function_names(program)
    for index, call in enumerate(program.calls):
        given = ", ".join(tensors[slot] for slot in (*call.arguments, Slot("result", index)))
        lines.append(f'    T.call_cpacked("{names[call.kernel]}", {given})')
    return "\n".join(lines)


def _input(index: int) -> str:
    return f"input{index}"


def _tensor_in(memory: str, offset: int, tensor: Buffer | Parameter) -> str:
    """A tensor at some byte of a piece of memory."""
    shape = ", ".join(map(str, tensor.shape))
    return (
        f"T.tvm_stack_make_array(T.address_of({memory}[{offset}]), "
        f"T.tvm_stack_make_shape({shape}), 0, {len(tensor.shape)}, T.{tensor.dtype_name}(0), 0)"
    )
