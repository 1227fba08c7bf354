"""A program as a module of TVM: scheduled functions, and a graph that calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fpc.backends.tvm.buffer import Buffer, Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.kernels.threads import gains_by_threads, make_turns
from fpc.backends.tvm.library import Library, Module
from fpc.backends.tvm.program import Place, Program, Slot

ENTRY, INPUTS = "main", "inputs"


def relax_module(program: Program, library: Library, isa: Isa) -> Module:
    """The module of two functions.

    `main` takes inputs and parameters and gives all outputs; `inputs` gives tensors to be filled.
    """
    builder = library.relax.BlockBuilder()
    functions = add_kernels(builder, program, library, isa)
    variables = {
        **_variables(library, "input", program.inputs),
        **_variables(library, "parameter", program.parameters),
    }
    with builder.function(ENTRY, list(variables.values())):
        with builder.dataflow():
            outputs = emit_calls(builder, program, library, functions, variables)
            given = builder.emit_output(library.relax.Tuple(outputs))
        builder.emit_func_output(given)
    with builder.function(INPUTS, []):
        empty = [builder.emit(library.empty(buffer)) for buffer in program.inputs]
        builder.emit_func_output(library.relax.Tuple(empty))
    return builder.get()


def kernels_module(program: Program, library: Library, isa: Isa) -> Module:
    """The module of the kernels alone."""
    builder = library.relax.BlockBuilder()
    add_kernels(builder, program, library, isa)
    return builder.get()


def add_kernels(builder: Any, program: Program, library: Library, isa: Isa) -> list[Any]:
    """The kernels as functions of the module that `builder` builds, in their order."""
    return [
        builder.add_func(_function(kernel, name, library, isa), name)
        for name, kernel in zip(function_names(program), program.kernels, strict=True)
    ]


def _function(kernel: AnyKernel, name: str, library: Library, isa: Isa) -> Any:
    """A kernel as a function, whose turns threads share where that is faster."""
    schedule, threads = kernel.lower(library, isa), gains_by_threads(kernel, isa)
    if threads:
        make_turns(library, schedule)
    return library.function(schedule, name, threads=threads)


def emit_calls(
    builder: Any,
    program: Program,
    library: Library,
    functions: Sequence[Any],
    given: Mapping[Slot, Any],
) -> list[Any]:
    """Call the kernels on the inputs and parameters in `given`: the outputs, as matrices."""
    variables = dict(given)
    for index, call in enumerate(program.calls):
        arguments = [variables[slot] for slot in call.arguments]
        result = library.tensor_type(program.kernels[call.kernel].result)
        made = library.relax.call_tir(functions[call.kernel], arguments, result)
        variables[Slot("result", index)] = builder.emit(made)
    return [variables[slot] for slot in program.outputs]


def _variables(
    library: Library, place: Place, tensors: Sequence[Buffer | Parameter]
) -> dict[Slot, Any]:
    return {
        Slot(place, index): library.relax.Var(f"{place}{index}", library.tensor_type(tensor))
        for index, tensor in enumerate(tensors)
    }


def function_names(program: Program) -> list[str]:
    """The names of the kernels in the library: `fpc_convolution_3`."""
    return [f"fpc_{kernel.family}_{index}" for index, kernel in enumerate(program.kernels)]
