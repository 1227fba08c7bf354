"""A graph as a module of TVM that stands alone: tensors in their own shapes, constants inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.library import Library, Module
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.program import Program, Slot
from fpc.backends.tvm.relax_program import ENTRY, add_kernels
from fpc.ir.graph import Graph

TARGET_ATTRIBUTE = "target"


def relax_graph(graph: Graph, isa: Isa) -> Module:
    """The module whose function `main` takes the inputs of an NHWC `graph` and gives its outputs.

    Its kernels are scheduled for `isa`; its attribute `target` is what to build it for. Raises what
    `fpc.backends.tvm.planner.plan` does.
    """
    planned = plan(graph, isa)
    program, library = planned.program, Library.load()
    relax = library.relax
    builder = relax.BlockBuilder()
    functions = add_kernels(builder, program, library, isa)
    inputs = [
        relax.Var(value.name, relax.TensorType(value.type.shape, buffer.dtype_name))
        for value, buffer in zip(graph.inputs, program.inputs, strict=True)
    ]
    with builder.function(ENTRY, inputs):
        with builder.dataflow():
            given = {
                Slot("input", index): builder.emit(relax.op.reshape(variable, buffer.shape))
                for index, (variable, buffer) in enumerate(zip(inputs, program.inputs, strict=True))
            }
            for index, array in enumerate(planned.parameters):
                given[Slot("parameter", index)] = relax.const(array)
            matrices = _emit_calls(builder, program, library, functions, given)
            outputs = [
                builder.emit_output(relax.op.reshape(matrix, value.type.shape))
                for matrix, value in zip(matrices, graph.outputs, strict=True)
            ]
        builder.emit_func_output(outputs[0] if len(outputs) == 1 else relax.Tuple(outputs))
    return builder.get().with_attr(TARGET_ATTRIBUTE, library.target(isa.target))


def _emit_calls(
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
