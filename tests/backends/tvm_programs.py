"""Many small programs compiled as one, and run in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from fpc.backends.tvm.assembler import Plan
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.library import Library
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.program import Call, Program, Slot
from fpc.backends.tvm.relax_program import ENTRY, relax_module
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.graph import Graph


def assert_kernels_agree(
    graphs: Sequence[Graph], inputs: Sequence[Sequence[Array]], isa: Isa
) -> None:
    """The graphs' programs, compiled together for `isa`, compute every bit of the interpreter."""
    whole = merged([plan(graph, isa) for graph in graphs])
    outputs = iter(execute(whole, list(chain.from_iterable(inputs)), isa))
    for graph, feeds in zip(graphs, inputs, strict=True):
        for value, want in zip(
            graph.outputs, run(graph, feeds, Numerics.TFLITE_XNNPACK), strict=True
        ):
            got = next(outputs).reshape(want.shape)
            np.testing.assert_array_equal(got, want, f"%{value.name} of\n{graph.to_text()}")


def merged(plans: Sequence[Plan]) -> Plan:
    """One program that does what all of `plans` do, inputs and outputs one after the other."""
    [isa] = {each.program.isa for each in plans}
    whole = Plan(Program(isa, (), (), (), (), ()), ())
    for each in plans:
        whole = _joined(whole, each)
    return whole


def _joined(first: Plan, second: Plan) -> Plan:
    a, b = first.program, second.program
    start = {"input": len(a.inputs), "parameter": len(a.parameters), "result": len(a.calls)}
    kernels = tuple(dict.fromkeys((*a.kernels, *b.kernels)))

    def moved(slots: tuple[Slot, ...]) -> tuple[Slot, ...]:
        return tuple(Slot(slot.place, slot.index + start[slot.place]) for slot in slots)

    calls = tuple(Call(kernels.index(b.kernels[c.kernel]), moved(c.arguments)) for c in b.calls)
    program = Program(
        a.isa,
        a.inputs + b.inputs,
        a.parameters + b.parameters,
        kernels,
        a.calls + calls,
        a.outputs + moved(b.outputs),
    )
    return Plan(program, first.parameters + second.parameters)


def with_kernel_tiled(planned: Plan, index: int, tile: object) -> Plan:
    """The same program with another tile of one of its kernels."""
    kernels = list(planned.program.kernels)
    kernels[index] = replace(kernels[index], tile=tile)
    return Plan(replace(planned.program, kernels=tuple(kernels)), planned.parameters)


def execute(planned: Plan, inputs: Sequence[Array], isa: Isa) -> list[Array]:
    """What a program computes, as matrices."""
    library = Library.load()
    program = Program.from_json(planned.program.to_json())
    executable = library.executable(relax_module(program, library, isa), isa.target)
    tvm = library.tvm
    machine = tvm.relax.VirtualMachine(executable, tvm.cpu())
    matrices = [
        np.ascontiguousarray(array).reshape(buffer.shape)
        for array, buffer in zip(inputs, program.inputs, strict=True)
    ]
    arguments = [tvm.runtime.tensor(array) for array in (*matrices, *planned.parameters)]
    return [result.numpy() for result in machine[ENTRY](*arguments)]
