"""A program as a module of TVM: kernels, the function that calls them, and a graph around it."""

from __future__ import annotations

from typing import Any

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.kernels.threads import gains_by_threads, make_turns
from fpc.backends.tvm.library import Library, Module
from fpc.backends.tvm.network import NETWORK, Network
from fpc.backends.tvm.program import Program

ENTRY, INPUTS = "main", "inputs"


def relax_module(program: Program, library: Library, isa: Isa) -> Module:
    """The module of two functions.

    `main` takes inputs and all parameters as bytes (`fpc.backends.tvm.memory.packed`), and gives
    all outputs; `inputs` gives tensors for what it takes, to be filled.
    """
    relax, network = library.relax, Network.of(program)
    builder = relax.BlockBuilder()
    add_kernels(builder, program, library, isa)
    builder.add_func(library.function(library.written(network.script()), NETWORK), NETWORK)
    taken, written = network.taken, network.written
    given = {name: relax.Var(name, library.tensor_type(kind)) for name, kind in taken.items()}
    with builder.function(ENTRY, list(given.values())):
        empty = {name: builder.emit(library.empty(kind)) for name, kind in written.items()}
        builder.emit(library.call(NETWORK, [*given.values(), *empty.values()]))
        tensors = {**given, **empty}
        builder.emit_func_output(relax.Tuple([tensors[name] for name in network.outputs]))
    with builder.function(INPUTS, []):
        to_fill = [builder.emit(library.empty(kind)) for kind in taken.values()]
        builder.emit_func_output(relax.Tuple(to_fill))
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
        for name, kernel in zip(program.function_names, program.kernels, strict=True)
    ]


def _function(kernel: AnyKernel, name: str, library: Library, isa: Isa) -> Any:
    """A kernel as a function, whose turns threads share where that is faster."""
    schedule, threads = kernel.lower(library, isa), gains_by_threads(kernel, isa)
    if threads:
        make_turns(library, schedule)
    return library.function(schedule, name, threads=threads)
