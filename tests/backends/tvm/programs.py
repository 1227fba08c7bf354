"""Many small programs compiled as one, and run in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from fpc.backends.tvm.artifact import (
    MANIFEST,
    WEIGHTS,
    Manifest,
    TensorPart,
)
from fpc.backends.tvm.assembler import Plan
from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.build import build
from fpc.backends.tvm.build_program import LIBRARY
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.isa.table import runs_here
from fpc.backends.tvm.kernels.convolution import Convolution
from fpc.backends.tvm.library import Library
from fpc.backends.tvm.memory import packed
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.program import Call, Program, Slot
from fpc.backends.tvm.relax_program import ENTRY, relax_module
from fpc.backends.tvm.requirements import PINNED
from fpc.backends.tvm.tuning.tile_space import tile_space
from fpc.diagnostics.errors import UnsupportedOpError
from fpc.driver.phases.backend import archive
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.measure.emulation.emulator import TVM, ArmEmulator
from fpc.measure.process.exchange import Plan as Task
from fpc.measure.protocol import MeasureConfig


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


def tilings(planned: Plan, isa: Isa) -> list[Plan]:
    """The program with every tile of its one kernel that has tiles."""
    kernels = planned.program.kernels
    for index, kernel in enumerate(kernels):
        tiled = [(*kernels[:index], one, *kernels[index + 1 :]) for one in tile_space(kernel, isa)]
        if tiled:
            programs = [replace(planned.program, kernels=each) for each in tiled]
            return [Plan(program, planned.parameters) for program in programs]
    raise AssertionError(planned.program)


def is_planned(graph: Graph, isa: Isa) -> bool:
    """Whether there are kernels for all of a graph."""
    try:
        plan(graph, isa)
    except UnsupportedOpError:
        return False
    return True


def convolution_of(graph: Graph, isa: Isa) -> Convolution:
    """The only convolution of bytes in a graph's program."""
    kernels = plan(graph, isa).program.kernels
    [found] = (kernel for kernel in kernels if isinstance(kernel, Convolution))
    return found


def execute(planned: Plan, inputs: Sequence[Array], isa: Isa) -> Sequence[Array]:
    """What a program computes, as matrices; for another machine's processor under emulation."""
    matrices = [
        np.ascontiguousarray(array).reshape(buffer.shape)
        for array, buffer in zip(inputs, planned.program.inputs, strict=True)
    ]
    run = _execute_here if runs_here(isa) else _execute_emulated
    return run(planned, matrices, isa)


def _execute_here(planned: Plan, matrices: Sequence[Array], isa: Isa) -> Sequence[Array]:
    library = Library.load()
    program = Program.from_json(planned.program.to_json())
    executable = library.executable(relax_module(program, library, isa), isa.target)
    tvm = library.tvm
    machine = tvm.relax.VirtualMachine(executable, tvm.cpu())
    arguments = [tvm.runtime.tensor(array) for array in (*matrices, packed(planned.parameters))]
    return [result.numpy() for result in machine[ENTRY](*arguments)]


def _execute_emulated(planned: Plan, matrices: Sequence[Array], isa: Isa) -> Sequence[Array]:
    program = planned.program
    content = archive(
        {
            LIBRARY: build(program),
            WEIGHTS: packed(planned.parameters).tobytes(),
            MANIFEST: Manifest(
                isa=program.isa,
                runtime=dict(PINNED),
                inputs=tuple(map(_part, program.inputs)),
                outputs=tuple(_part(_stored(program, slot)) for slot in program.outputs),
                provenance={},
            )
            .model_dump_json()
            .encode(),
        }
    )
    emulator = ArmEmulator.at_hand(str(isa.target["mcpu"]))
    return emulator.run(TVM, content, matrices, Task(MeasureConfig(), is_timed=False))[0]


def _part(buffer: Buffer) -> TensorPart:
    """A tensor that users see as the matrix it is."""
    return TensorPart(
        name="",
        dtype=buffer.dtype_name,
        shape=buffer.shape,
        rows=buffer.rows,
        columns=buffer.columns,
    )


def _stored(program: Program, slot: Slot) -> Buffer:
    if slot.place == "input":
        return program.inputs[slot.index]
    return program.result(slot)
