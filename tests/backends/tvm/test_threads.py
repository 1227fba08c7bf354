"""Kernels on several threads: the same bits for any number, and no fork where it does not pay."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest

from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.backends.tvm.isa.x86_avx512_vnni import X86_AVX512_VNNI
from fpc.backends.tvm.kernels import threads
from fpc.backends.tvm.kernels.convolution import Convolution
from fpc.backends.tvm.kernels.filters import ConvolutionTile
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.library import Library
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.planning.choice import planner_of
from fpc.backends.tvm.relax_program import relax_module
from fpc.diagnostics.errors import MeasureError
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Layout
from fpc.measure.tvm.model import TvmModel
from tests.backends.tflite.graphs import random_inputs
from tests.backends.tflite.integer_cases import cases
from tests.backends.tvm.artifacts import interpreted, write_artifact
from tests.backends.tvm.draws import drawn_convolution, long_maps
from tests.backends.tvm.programs import assert_kernels_agree
from tests.numeric.integer_cases import Draw, one_op

ResultT = TypeVar("ResultT")
ISAS = list({isa.name: isa for isa in (PLAIN, isa_of_this_machine())}.values())
every_isa = pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)

pytestmark = pytest.mark.skipif(os.cpu_count() == 1, reason="TVM starts one thread a core")


def apart(function: Callable[[], ResultT]) -> ResultT:
    """What `function` gives in a thread of its own, for which TVM starts workers of its own."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result()


def separable(extent: int, channels: int) -> Graph:
    """A depthwise convolution of a map and a pointwise one."""
    draw = Draw(4)
    graph = Graph("separable")
    value = graph.add_input("x", draw.type((1, extent, extent, channels)))
    for kernel, groups in ((3, channels), (1, 1)):
        shape = (channels, kernel, kernel, channels // groups)
        (weights, weights_quant), (bias, bias_quant), scale = draw.weights(shape, value.type)
        node = graph.add(
            ops.Conv2d(pads=(kernel // 2,) * 4, groups=groups, layout=Layout.NHWC),
            value,
            graph.constant(weights, quant=weights_quant),
            graph.constant(bias, quant=bias_quant),
            quant=draw.quant(scale),
        )
        [value] = node.outputs
    graph.set_outputs([value])
    return graph


def shared_loops(graph: Graph, isa: Isa) -> int:
    """How many loops of the compiled graph threads share."""
    module = relax_module(plan(graph, isa).program, Library.load(), isa)
    return module.script().count("T.parallel(")


def test_every_operator_on_two_threads(monkeypatch):
    monkeypatch.setattr(threads, "FORK_CYCLES", 0)
    monkeypatch.setenv("TVM_NUM_THREADS", "2")
    isa = isa_of_this_machine()
    found = [drawn_convolution(Draw(seed)) for seed in range(12)] + long_maps(Draw(4))
    for dtype in (DType.I8, DType.I16):
        graphs = (case.graph for case in cases(dtype).values())
        found += [graph for graph in graphs if all(map(planner_of, graph))]
    inputs = [random_inputs(graph) for graph in found]
    apart(lambda: assert_kernels_agree(found, inputs, isa))


@pytest.mark.parametrize("extent", [14, 21])
def test_bits_do_not_depend_on_threads(tmp_path, extent):
    graph = separable(extent, 96)
    inputs = random_inputs(graph)
    folder = write_artifact(tmp_path / "separable", graph, isa_of_this_machine())
    [want] = interpreted(graph, inputs)
    for count in (1, 2):
        [got] = apart(lambda count=count: TvmModel(folder, threads=count)(inputs))
        np.testing.assert_array_equal(got, want)


def test_threads_of_a_thread_stay_as_many(tmp_path):
    graph = separable(8, 16)
    folder = write_artifact(tmp_path / "separable", graph, isa_of_this_machine())

    def run(*counts: int) -> None:
        for count in counts:
            TvmModel(folder, threads=count).time_ms(1)

    apart(lambda: run(2, 1, 2))
    with pytest.raises(MeasureError, match="TVM has 2 threads here, 3 are asked for") as caught:
        apart(lambda: run(2, 3))
    assert caught.value.code == "measure.tvm-threads"


@every_isa
def test_only_long_kernels_are_shared(isa):
    assert shared_loops(separable(5, 16), isa) == 0
    # The third one pads the map beforehand, or takes the offset off the result.
    assert shared_loops(separable(28, 64), isa) == 3


def only_kernel(graph: Graph) -> AnyKernel:
    """The kernel of a graph of one operator, but for those that change how bytes are stored."""
    kernels = plan(graph, X86_AVX512_VNNI).program.kernels
    [found] = (kernel for kernel in kernels if kernel.family != "copy")
    return found


def test_a_map_is_padded_pooled_or_averaged_in_one_turn():
    draw, library = Draw(6), Library.load()
    x = draw.type((1, 56, 56, 48))
    w, b, scale = draw.weights((64, 3, 3, 48), x)
    padded = ops.Conv2d(pads=(1, 1, 1, 1), layout=Layout.NHWC)
    for graph in (
        one_op(padded, [x, w, b], draw.quant(scale)),
        one_op(ops.MaxPool((3, 3), (2, 2), layout=Layout.NHWC), [x], x.quantisation),
        one_op(ops.GlobalAvgPool(Layout.NHWC), [x], draw.quant(0.01)),
    ):
        schedule = only_kernel(graph).lower(library, X86_AVX512_VNNI)
        threads.make_turns(library, schedule)
        script = library.function(schedule, "kernel", threads=True).script()
        assert script.count("T.parallel(") == 1, graph


@pytest.mark.parametrize(
    ("extent", "units", "positions", "bands"),
    [
        (14, 64, 14, 2),
        (14, 64, 4, 7),
        (13, 64, 13, 13),
        (6, 16, 12, 1),
        (7, 256, 7, 1),
    ],
)
def test_threads_share_neighbouring_positions_or_many_weights(extent, units, positions, bands):
    """Halves of positions, or more bands of an odd number of tiles; three are too few."""
    draw = Draw(7)
    x = draw.type((1, extent, extent, 64))
    w, b, scale = draw.weights((units, 1, 1, 64), x)
    graph = one_op(ops.Conv2d(layout=Layout.NHWC), [x, w, b], draw.quant(scale))
    kernel = only_kernel(graph)
    assert isinstance(kernel, Convolution)
    tile = ConvolutionTile(positions, 1)
    assert replace(kernel, tile=tile).bands(X86_AVX512_VNNI) == bands


@pytest.mark.parametrize("rows", [1, 3])
def test_sums_are_not_shared(monkeypatch, rows):
    """Rows are too few to be shared alone; two threads that add to one sum would lose products."""
    monkeypatch.setattr(threads, "FORK_CYCLES", 0)
    library = Library.load()
    x = library.placeholder(Buffer(DType.F32, rows, 40, 40), "x")
    i = library.reduce_axis(40, "i")
    total = library.compute((rows, 1), lambda row, _: library.sum(x[row, i], (i,)), "total")
    schedule = library.schedule([x, total])
    threads.make_turns(library, schedule)
    script = library.function(schedule, "sums", threads=True).script()
    turns = re.findall(r"for (\w+) in T\.parallel", script)
    [summed] = re.findall(r"T\.axis\.reduce\(40, (.*)\)", script)
    assert len(turns) == 1
    assert not set(turns) & set(re.findall(r"\w+", summed))


@pytest.mark.parametrize(("extent", "turns"), [(3136, 8), (60, 10), (70, 10), (7, 7), (37, 37)])
def test_turns_keep_two_and_four_threads_about_equally_busy(monkeypatch, extent, turns):
    monkeypatch.setattr(threads, "FORK_CYCLES", 0)
    library = Library.load()
    rows = library.placeholder(Buffer(DType.I8, extent, 1, 1), "x")
    result = library.compute((extent, 1), lambda row, column: rows[row, column], "result")
    schedule = library.schedule([rows, result])
    threads.make_turns(library, schedule)
    first, *_ = schedule.get_loops(schedule.get_sblock("result"))
    assert int(schedule.get(first).extent) == turns
