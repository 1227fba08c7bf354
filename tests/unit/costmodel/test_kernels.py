"""Networks seen as kernels: every operator has an answer, and sizes are those of the nodes."""

from __future__ import annotations

import itertools

import pytest

from fpc.costmodel.cpu_features import CPU
from fpc.costmodel.families import FAMILIES
from fpc.costmodel.kernels import WORK, KernelKind, Work, kernels_of, work_of
from fpc.diagnostics.errors import CostModelError
from fpc.ir.graph import Graph
from fpc.ir.ops import ALL_OPS
from fpc.targets.description import multiply_adds
from fpc.zoo.catalog import build


def test_every_operator_has_an_answer():
    assert set(WORK) == set(ALL_OPS)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
@pytest.mark.parametrize("kind", KernelKind)
def test_every_kind_of_kernel_has_features_that_have_prices(family, kind):
    amounts = family.amounts(Work(kind, 64, 64, 8, 8, 8 if kind is KernelKind.DEPTHWISE else 1))
    assert set(amounts) <= set(family.roofline)
    assert bool(amounts) == (kind is not KernelKind.FREE)


@pytest.mark.parametrize("name", ["mobilenet_v2", "fpnet_pixel4", "squeezenet_1_1", "fbnet_a"])
def test_multiply_adds_are_those_of_the_graph(name):
    graph = build(name)
    counted = sum(kernel.work.multiply_adds for kernel in kernels_of(graph))
    assert counted == sum(map(multiply_adds, graph))


def parsed(line: str, shape: str, filters: str) -> Graph:
    return Graph.parse(
        f"graph @one(%x: f32[{shape}]) {{\n"
        f"  %w = const abstract : f32[{filters}]\n"
        f"  %y = {line}\n"
        f"  return %y\n"
        "}\n"
    )


@pytest.mark.parametrize(
    ("extent", "kernel", "stride", "pads"),
    [(7, 3, 1, (1, 1)), (8, 3, 2, (0, 1)), (4, 7, 1, (3, 3)), (5, 5, 2, (2, 2)), (6, 2, 2, (0, 0))],
)
def test_taps_are_those_that_read_the_map(extent, kernel, stride, pads):
    out = (extent + sum(pads) - kernel) // stride + 1
    graph = parsed(
        f"conv2d(%x, %w) {{strides=[{stride},{stride}], "
        f"pads=[{pads[0]},{pads[0]},{pads[1]},{pads[1]}], groups=4}} : f32[1,4,{out},{out}]",
        f"1,4,{extent},{extent}",
        f"4,1,{kernel},{kernel}",
    )
    work = work_of(graph.nodes[0])
    inside = sum(
        all(0 <= place * stride - pads[0] + tap < extent for place, tap in ((y, i), (x, j)))
        for y, x in itertools.product(range(out), repeat=2)
        for i, j in itertools.product(range(kernel), repeat=2)
    )
    assert work.kind is KernelKind.DEPTHWISE
    assert work.taps == inside


def test_channels_fill_whole_tiles():
    def products(channels: int) -> float:
        work = Work(KernelKind.CONVOLUTION, 0, 0, channels, 8, out_extent=(4, 4))
        return CPU.amounts(work)["gemm_products"]

    assert products(16) == 16 * 16 * 8
    assert products(17) == products(32) == 2 * products(16)


def test_an_operator_without_a_model_is_an_error_that_names_the_node():
    graph = Graph.parse(
        "graph @net(%x: f32[1,4,8,8]) {\n"
        "  %y = local_response_norm(%x) : f32[1,4,8,8]\n"
        "  return %y\n"
        "}\n"
    )
    with pytest.raises(CostModelError, match="local_response_norm") as raised:
        kernels_of(graph)
    assert raised.value.code == "cost.unknown-kernel"
    assert raised.value.help
